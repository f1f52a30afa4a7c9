"""The five claims as the page shows them: verdict, tests on one axis, and what would decide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.analysis.claim_catalog import CLAIMS, Claim
from junkdna.report.page.tracks import Axis, Effect, Track, common_axis, track, turned
from junkdna.report.page.words import capitalized, count, interval, listed, number, probability

if TYPE_CHECKING:
    from junkdna.report.page.inputs import Inputs

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
    notes: list[str]

    @property
    def verdict(self) -> str:
        """The verdict of the row."""
        return self.row["verdict"]

    @property
    def short(self) -> str:
        """The unit for the first screen: of tests against controls only the control."""
        unit, _, control = self.unit.partition(", against ")
        if control:
            return f"against {control.removesuffix(' pruned')}"
        return f"{unit} ({self.row['experiment']})" if unit.startswith("mean of") else unit

    @property
    def value(self) -> str:
        """The effect with two decimals."""
        return number(self.effect.value) if self.effect else "no data"

    @property
    def limits(self) -> str:
        """The interval of the effect in words; empty without an effect."""
        return interval(self.effect.low, self.effect.high) if self.effect else ""

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

    @property
    def verdict(self) -> str:
        """The verdict if there is one model; several verdicts that differ are `undecided`."""
        found = {verdict for _, verdict in self.verdicts}
        return found.pop() if len(found) == 1 else "undecided"


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
        found.append(_verdict(claim, heads.get(name, {}), tests, axis))
    return found, axis


def _verdict(claim: Claim, heads: dict, tests: list[Test], axis: Axis) -> Verdict:
    primary = [test for test in tests if test.row["primary"]]
    shown = _first_screen(primary) or [_none(axis)]
    rest = [test for test in primary if test not in shown]
    tally = [count(sum(test.verdict == verdict for test in rest), verdict, verdict) for verdict in VERDICTS]
    kinds = [words for words, verdict in zip(tally, VERDICTS, strict=True) if any(t.verdict == verdict for t in rest)]
    more = f"{count(len(rest), 'more test')}: {', '.join(kinds)}." if rest else ""
    models = [(model, head.verdict) for model, head in heads.items()] or [("", "untestable")]
    decide = [(model, _decide(heads[model], [t for t in primary if t.row["model"] in (model, "")])) for model in heads]
    return Verdict(claim, models, tests, shown, capitalized(more), decide or [("", "")])


VERDICTS = ("supported", "contradicted", "undecided", "untestable")


def _first_screen(tests: list[Test]) -> list[Test]:
    """At most `SHOWN` tests: one of each experiment and model, the mean over its conditions if there is one; then one
    of another verdict than the others in place of the last."""
    chosen: dict[tuple, Test] = {}
    for test in tests:
        key = (test.row["experiment"], test.row["model"], _versus(test.row["unit"]))
        if key not in chosen or test.row["unit"].startswith("mean "):
            chosen[key] = test
    kept = list(chosen.values())
    first, rest = kept[:SHOWN], kept[SHOWN:]
    other = [test for test in rest if test.verdict not in {each.verdict for each in first}]
    return [*first[:-1], other[0]] if other else first


def _versus(unit: str) -> str:
    """The control in a unit: tests against different controls are all shown."""
    return unit.partition(", against ")[2]


def _none(axis: Axis) -> Test:
    row = {"verdict": "untestable", "q": None, "p": None, "primary": True, "reason": "", "model": "", "unit": ""}
    return Test(row, "no test", None, track(None, 0, axis), "n = 0", [])


def _test(row: dict, inputs: Inputs, axis: Axis, several: bool) -> Test:
    effect = turned(row, row["claim"] in RETENTION)
    bound = 0.0 if row["claim"] in FROM_ZERO else row["margin"]
    unit = row["unit"]
    for task in sorted({row["task"] for row in inputs.drops.select("task").unique().iter_rows(named=True)}):
        unit = unit.replace(f" of {task}", f" of {inputs.task_title(task)}")
    unit += f" ({row['model']})" if several and row["model"] and row["model"] not in unit else ""
    return Test(row, unit, effect, track(effect, bound, axis), _n(row), _notes(row))


def _n(row: dict) -> str:
    if row["unit"].startswith("across") or row["estimate"] is None:
        return f"{row['n_tasks']} tasks" if row["n_tasks"] != 1 else f"n = {row['n_examples']:,}"
    seeds = f" × {row['n_seeds']} seeds" if row["n_seeds"] > 1 else ""
    return f"n = {row['n_examples']:,}{seeds}"


def _notes(row: dict) -> list[str]:
    """What else is known about a row, as sentences."""
    notes = [row["setting"], row["reason"], *([] if "nan" in row["details"] else [row["details"]])]
    if row["scale_free"] == "reversed":
        notes.append("depends on the scale: reversed in d′")
    if row["other_baseline"]:
        notes.append(f"with the other baseline: {row['other_baseline']}")
    if row["levels"]:
        notes.append(f"rests on {listed(row['levels'].split(), 6)}")
    if row["collapsed"]:
        notes.append(f"{count(row['collapsed'], 'cell')} of it collapsed")
    if row["detectable"] is not None:
        effect = 1 - row["detectable"] if row["claim"] in RETENTION else row["detectable"]
        notes.append(f"an effect of {number(effect)} would be found in 80 % of studies like this")
    return [f"{_minus(note if note.startswith('d') else capitalized(note))}." for note in notes if note]


def _minus(text: str) -> str:
    """A text with true minus signs and d′."""
    return HYPHEN.sub("−", text).replace("d' ", "d′ ")


HYPHEN = re.compile(r"(?<![\w.])-(?=\d)")


def _decide(head: object, tests: list[Test]) -> str:
    """What would decide a claim for one model, in words."""
    supported = sum(test.verdict == "supported" for test in tests)
    testable = sum(test.verdict != "untestable" for test in tests)
    if head.verdict == "supported":
        return _of(supported, testable, "support")
    if head.verdict == "contradicted":
        return _of(sum(test.verdict == "contradicted" for test in tests), testable, "contradict")
    if head.verdict == "untestable":
        return f"To decide: {head.reason}."
    reversal = next((t for t in tests if t.verdict == "supported" and t.row["scale_free"] == "reversed"), None)
    words = []
    if reversal:
        scale = _minus(reversal.row["details"])
        words.append(f"{capitalized(reversal.unit)} supports it, but it is reversed on another scale ({scale}).")
    elif supported:
        words.append(_of(supported, testable, "support"))
    open_tests = [test for test in tests if test.verdict in ("undecided", "untestable")]
    needs = listed([_needed(test) for test in open_tests], 4)
    return " ".join([*words, *([f"To decide: {needs}."] if needs else [])])


def _of(some: int, total: int, verb: str) -> str:
    """`The test supports it.`, `9 of 10 tests support it.`"""
    return f"The test {verb}s it." if some == total == 1 else f"{some} of {total} tests {verb}{'s' * (some == 1)} it."


def _needed(test: Test) -> str:
    """What a test that did not decide would need."""
    row = test.row
    if row["reason"]:
        return f"{test.short} ({row['reason']})"
    if row["seeds_needed"]:
        return f"about {row['seeds_needed']} seeds ({test.short})"
    if row["examples_needed"] and row["examples_needed"] > row["n_examples"]:
        return f"about {row['examples_needed']:,} examples ({test.short})"
    if row["detectable"] is None:
        return f"no number of examples would do ({test.short})"
    effect = 1 - row["detectable"] if row["claim"] in RETENTION else row["detectable"]
    return f"more seeds or a larger effect: this design finds {number(effect)} ({test.short})"
