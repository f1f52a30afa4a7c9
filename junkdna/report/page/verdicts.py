"""The five claims as the page shows them: verdict, tests on one axis, and what would decide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.analysis.claim_catalog import CLAIMS, Claim
from junkdna.report.page import finding_notes
from junkdna.report.page.tracks import Axis, Effect, Track, common_axis, track, turned
from junkdna.report.page.words import capitalized, count, interval, listed, number, probability
from junkdna.report.unit_titles import titled
from junkdna.study.recovery import base_protocol

if TYPE_CHECKING:
    from junkdna.report.page.inputs import Inputs

PROTOCOL = re.compile(r", protocol ([^\s,]+)")  # at the end of a setting, and in the name of a control
NO_TEST = "no test"  # in place of the unit of a claim that nothing tests
LARGER = "more seeds or a larger effect"  # what decides a test if nothing in particular is known to
NEEDS = 3  # most needs that are listed
SHOWN = 3  # most tests of a claim on the first screen
RETENTION = ("irreversible",)  # claims whose effect is a retention: the page shows the loss
FROM_ZERO = ("not_in_quantization",)  # claims whose effect supports from 0 on instead of from the margin


@dataclass(frozen=True)
class Test:
    """One row of the table of claims."""

    row: dict
    unit: str
    effect: Effect | None
    track: Track
    n: str

    @property
    def verdict(self) -> str:
        """The verdict of the row."""
        return self.row["verdict"]

    @property
    def short(self) -> str:
        """The unit for the first screen: of tests against controls only the control; longer training is named."""
        unit, _, control = self.unit.partition(", against ")
        if control:
            return f"against {control.removesuffix(' pruned')}"
        where = self.row["experiment"]  # "" for rows of the whole study
        return f"{unit} ({where})" if unit.startswith("mean of") and where else f"{unit}{self._longer}"

    @property
    def _longer(self) -> str:
        """`, 3 × the steps` of models that were trained longer than their protocol says."""
        protocol = PROTOCOL.search(self.row["setting"])
        length = base_protocol(protocol[1])[1] if protocol else 1
        return f", {length} × the steps" * (length > 1)

    @property
    def value(self) -> str:
        """The effect with two decimals."""
        return number(self.effect.value) if self.effect else "no data"

    @property
    def limits(self) -> str:
        """The interval of the effect in words; empty without an effect."""
        return interval(self.effect.low, self.effect.high) if self.effect else ""

    @property
    def detectable(self) -> str:
        """The effect that 80 % of studies like this one would find; empty if none."""
        least = self.row["detectable"]
        return "" if least is None else number(1 - least if self.row["claim"] in RETENTION else least)

    @property
    def q(self) -> str:
        """The q-value, or the p-value of a row outside the correction."""
        return probability(self.row["q"] if self.row["primary"] else self.row["p"])


@dataclass(frozen=True)
class Verdict:
    """A claim with its verdict for each model, all its tests, and those of the first screen."""

    claim: Claim
    verdicts: list[tuple[str, str]]
    tests: list[Test]
    shown: list[Test]
    more: str
    decide: list[tuple[str, str]]
    rise: float | None = None

    @property
    def verdict(self) -> str:
        """The verdict if there is one model; several verdicts that differ are `undecided`."""
        found = {verdict for _, verdict in self.verdicts}
        return found.pop() if len(found) == 1 else "undecided"

    @property
    def usual(self) -> str:
        """The setting that most tests have; empty without tests."""
        settings = [test.row["setting"] for test in self.tests]
        return max(settings, key=settings.count, default="")

    @property
    def compression(self) -> str:
        """What the tests compressed, as a sentence; empty without tests."""
        others = {test.row["setting"] for test in self.tests} - {self.usual}
        unless = ", unless a test names another" if others else ""
        return f"Compression{unless}: {finding_notes.setting(self.usual)}." if self.usual else ""

    @property
    def needs(self) -> str:
        """What would decide a claim that nothing tests, as a sentence."""
        return _needs(self.claim)

    @property
    def rule(self) -> tuple[str, str]:
        """When the claim is supported and contradicted, in words."""
        return self._words(self.claim.supported), self._words(self.claim.contradicted.removeprefix("otherwise, if "))

    def _words(self, text: str) -> str:
        """A rule without the marks of its keys. Where the page shows a loss, the rule names the retention."""
        text = text.replace("the effect", "retention") if self.claim.name in RETENTION else text
        rise = "the least rise that counts" if self.rise is None else f"{self.rise:g}"
        return text.replace("`rise`", rise).replace("`", "").replace(" - ", " − ")

    def notes(self, test: Test) -> list[str]:
        """What else is known about one of its tests, as sentences."""
        found = finding_notes.notes(test.row, self.usual)
        return [*found, f"Detectable: {test.detectable}."] if test.detectable else found


def verdicts(inputs: Inputs) -> tuple[list[Verdict], Axis]:
    """Every declared claim, and the axis that all tests share."""
    from junkdna.analysis.claims_table import headlines

    rows = list(inputs.claims.iter_rows(named=True))
    heads = headlines(inputs.claims)
    axis = common_axis(turned(row, row["claim"] in RETENTION) for row in rows)
    several = len({row["model"] for row in rows} - {""}) > 1
    found = []
    for name, claim in CLAIMS.items():
        tests = [_test(row, inputs, axis, several) for row in rows if row["claim"] == name]
        found.append(_verdict(claim, heads.get(name, {}), tests, axis, _rise(inputs)))
    return found, axis


def _rise(inputs: Inputs) -> float | None:
    """The least rise of a curve that counts, as the study sets it."""
    claims = inputs.study.get("claims")
    rise = claims.get("rise") if isinstance(claims, dict) else None
    return rise if isinstance(rise, float) else None


def _verdict(claim: Claim, heads: dict, tests: list[Test], axis: Axis, rise: float | None) -> Verdict:
    primary = [test for test in tests if test.row["primary"]]
    models = [(model, head.verdict) for model, head in heads.items()] or [("", "untestable")]
    shown = _first_screen(primary, dict(models)) or [_none(axis)]
    rest = [test for test in primary if test not in shown]
    of_model = {model: [test for test in primary if test.row["model"] in (model, "")] for model in heads}
    decide = [(model, _decide(claim, head, of_model[model])) for model, head in heads.items()]
    decide = [("", decide[0][1])] if len({words for _, words in decide}) == 1 else decide
    return Verdict(claim, models, tests, shown, _more(rest), decide or [("", "")], rise)


def _more(rest: list[Test]) -> str:
    """How many more tests there are, with their verdicts: `Seven more tests, all supported.`"""
    found = {verdict: sum(test.verdict == verdict for test in rest) for verdict in VERDICTS}
    kinds = [count(n, verdict, verdict) for verdict, n in found.items() if n]
    if len(rest) < 2:
        return f"One more test, {rest[0].verdict}." if rest else ""
    verdicts = f", {'both' if len(rest) == 2 else 'all'} {rest[0].verdict}" if len(kinds) == 1 else f": {listed(kinds)}"
    return f"{capitalized(count(len(rest), 'more test'))}{verdicts}."


VERDICTS = ("supported", "contradicted", "undecided", "untestable")


def _first_screen(tests: list[Test], words: dict[str, str]) -> list[Test]:
    """At most `SHOWN` tests: one of each experiment and model, the mean over its conditions if it is testable. Of
    several models each in turn, first tests with the verdict of the model (`words`). Of one model the last may give way
    to one of another verdict."""
    chosen: dict[tuple, Test] = {}
    for test in tests:
        key = (test.row["experiment"], test.row["model"], _versus(test.row["unit"]))
        if key not in chosen or (test.row["unit"].startswith("mean ") and test.effect):
            chosen[key] = test
    kept = list(chosen.values())
    if len({test.row["model"] for test in kept} - {""}) > 1:
        return _of_models_in_turn(kept, words)[:SHOWN]
    first, rest = kept[:SHOWN], kept[SHOWN:]
    other = [test for test in rest if test.verdict not in {each.verdict for each in first}]
    return [*first[:-1], other[0]] if other else first


def _of_models_in_turn(tests: list[Test], words: dict[str, str]) -> list[Test]:
    """The first test of each model, then the second of each, and so on; of a model those with an effect first, and of
    these those with its verdict."""
    turns: dict[str, int] = {}
    placed = []
    order = sorted(tests, key=lambda test: (test.effect is None, test.verdict != words.get(test.row["model"])))
    for test in order:
        turn = turns[test.row["model"]] = turns.get(test.row["model"], 0) + 1
        placed.append((test.effect is None, turn, test))
    return [test for _, _, test in sorted(placed, key=lambda each: each[:2])]


def _versus(unit: str) -> str:
    """The control in a unit: tests against different controls are all shown."""
    return unit.partition(", against ")[2]


def _none(axis: Axis) -> Test:
    row = dict.fromkeys(("claim", "experiment", "model", "reason", "setting", "unit"), "")
    row |= {"verdict": "untestable", "primary": True, **dict.fromkeys(("q", "p", "detectable"))}
    return Test(row, NO_TEST, None, track(None, 0, axis), "n = 0")


def _test(row: dict, inputs: Inputs, axis: Axis, several: bool) -> Test:
    effect = turned(row, row["claim"] in RETENTION)
    bound = 0.0 if row["claim"] in FROM_ZERO else row["margin"]
    titles = {task: inputs.task_title(task) for task in inputs.drops["task"].unique()}
    unit = titled(row["unit"] or NO_TEST, titles)
    unit += f" ({row['model']})" if several and row["model"] and row["model"] not in unit else ""
    return Test(row, unit, effect, track(effect, bound, axis), _n(row))


def _n(row: dict) -> str:
    if row["n_tasks"] and (row["unit"].startswith("across") or row["estimate"] is None):
        return f"{row['n_tasks']} tasks" if row["n_tasks"] != 1 else f"n = {row['n_examples']:,}"
    seeds = f" × {row['n_seeds']} seeds" if row["n_seeds"] > 1 else ""
    return f"n = {row['n_examples']:,}{seeds}"


def _needs(claim: Claim) -> str:
    return f"To decide: {claim.needs.replace('`', '')}." if claim.needs else ""


def _decide(claim: Claim, head: object, tests: list[Test]) -> str:
    """What would decide a claim for one model, in words."""
    if not tests and claim.needs:
        return _needs(claim)
    supported = sum(test.verdict == "supported" for test in tests)
    testable = sum(test.verdict != "untestable" for test in tests)
    if head.verdict == "supported":
        return _of(supported, testable, "support")
    if head.verdict == "contradicted":
        return _of(sum(test.verdict == "contradicted" for test in tests), testable, "contradict")
    if head.verdict == "untestable":
        return f"{capitalized(finding_notes.plain(head.reason, []))}."
    reversal = next((test for test in tests if finding_notes.is_reversed(test.row)), None)
    words = []
    if reversal:
        scale = finding_notes.scale(reversal.row) or finding_notes.scale_words(reversal.row)
        words.append(f"{capitalized(reversal.unit)} supports it, but {scale}.")
    elif supported:
        words.append(_of(supported, testable, "support"))
    open_tests = [test for test in tests if test.verdict in ("undecided", "untestable")]
    needs = _first_needs(open_tests)
    return " ".join([*words, *([f"To decide: {needs}."] if needs else [])])


def _of(some: int, total: int, verb: str) -> str:
    """`The test supports it.`, `9 of 10 tests support it.`"""
    return f"The test {verb}s it." if some == total == 1 else f"{some} of {total} tests {verb}{'s' * (some == 1)} it."


def _first_needs(tests: list[Test]) -> str:
    """What tests that did not decide would need: all of at most `NEEDS` needs, else the first and how many more tests
    there are."""
    needs = list(_needs_of(tests))
    shown = needs if len(needs) <= NEEDS else needs[: NEEDS - 1]
    rest = len(tests) - sum(n for _, n in shown)
    return listed([*(words for words, _ in shown), *([count(rest, "more test")] if rest else [])])


def _needs_of(tests: list[Test]) -> Iterator[tuple[str, int]]:
    """What tests that did not decide would need, each need once, with the test or the number of tests, in words and as
    a number; first what most of them need."""
    alike: dict[tuple[str, str], list[Test]] = {}
    for test in tests:
        alike.setdefault(_needed(test), []).append(test)
    for (need, reason), those in sorted(alike.items(), key=lambda item: -len(item[1])):
        of = those[0].short if len(those) == 1 else count(len(those), "test")
        need += f": this design finds effects from {those[0].detectable} on" * (need == LARGER and len(those) == 1)
        yield (f"{need} ({of})" if need else f"{of} ({reason})"), len(those)


def _needed(test: Test) -> tuple[str, str]:
    """What a test that did not decide would need or, if that is unknown, the reason why it did not."""
    from junkdna.analysis.evidence import ONE_SEED

    row = test.row
    if row["reason"] == ONE_SEED:
        return "a second seed", ""
    if row["reason"]:
        return "", finding_notes.plain(row["reason"], [])
    if row["seeds_needed"] and row["seeds_needed"] > row["n_seeds"]:
        return f"about {row['seeds_needed']} seeds", ""
    if row["examples_needed"] and row["examples_needed"] > row["n_examples"]:
        return f"about {row['examples_needed']:,} examples", ""
    if row["detectable"] is None and row["n_tasks"] > 1:  # what differs between tasks, examples do not decide
        return ("more pairs of tasks" if row["unit"].startswith("mean of") else "more tasks"), ""
    if row["detectable"] is None:
        return "no number of examples would do", ""
    return LARGER, ""
