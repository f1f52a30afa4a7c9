"""Blocks on the claims: the table of verdicts, the tests of one claim, and what they hang on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.errors import UserError, unknown_name
from junkdna.report.findings import rows
from junkdna.report.page import finding_notes
from junkdna.report.page.verdicts import PROTOCOL, Test, Verdict, verdicts
from junkdna.report.page.words import listed, number
from junkdna.report.plotting.claim_rows import POOLED

if TYPE_CHECKING:
    from junkdna.report.page.inputs import Inputs

Options = dict[str, list[str]]
MOST = 12  # tests in a table
COLUMNS = ("model", "experiment", "verdict", "scale_free", "other_baseline")  # that choose tests


def _verdicts(inputs: Inputs, options: Options) -> str:
    """One row per claim and model: verdict, the effect of its main test, and what would decide it; the heading has the
    margin. With `by=model`, one row per claim and a column for each model."""
    options = dict(options)
    by = rows.taken(options, "by")
    if by not in ("", "model"):
        raise UserError(f"by={by} must be by=model.")
    found, _ = verdicts(inputs)
    return _by_model(inputs, found) if by else _by_claim(inputs, found)


def _by_claim(inputs: Inputs, found: list[Verdict]) -> str:
    several = bool(rows.models(inputs))
    effect = f"effect (95 %; margin {number(inputs.claims['margin'][0])})" if inputs.claims.height else "effect (95 %)"
    head = ["claim", *(["model"] * several), "verdict", effect, "n", "what would decide it"]
    lines = [
        [each.claim.label, *([model] * several), word, *_effect(inputs, each, model),
         rows.without_model(_decide(each, model), rows.models(inputs))]
        for each in found
        for model, word in each.verdicts
    ]  # fmt: skip
    return rows.markdown(head, lines, "The study tests no claim.", len(lines), "tables/claims.csv")


def _by_model(inputs: Inputs, found: list[Verdict]) -> str:
    models = list(dict.fromkeys(model for each in found for model, _ in each.verdicts))
    lines = []
    for each in found:
        words = dict(each.verdicts)
        cells = [_in_short(each, model, words.get(model, "–")) for model in models]
        effects = any(_main_test(each, model) for model in models)
        lines.append([each.claim.label + f" ({each.claim.caption})" * effects, *cells])
    head = ["claim (effect)", *(model or "verdict" for model in models)]
    return rows.markdown(head, lines, "The study tests no claim.", len(lines), "tables/claims.csv")


def _in_short(verdict: Verdict, model: str, word: str) -> str:
    """A verdict with the effect of the main test, and how many tests decided if not all have the same verdict. Tests of
    single conditions that disagree have no effect in common."""
    own = [each.verdict for each in verdict.tests if each.row["primary"] and each.row["model"] in (model, "")]
    own = [each for each in own if each != "untestable"]
    mixed, test = len({*own}) > 1, _main_test(verdict, model)
    effect = f", {_interval(test)}" if test and (not mixed or _is_pooled(test)) else ""
    decided = [f"{own.count(name)} {name}" for name in ("supported", "contradicted") if name in own]
    return word + effect + f"; of {len(own)} tests {listed(decided)}" * mixed


def _effect(inputs: Inputs, verdict: Verdict, model: str) -> tuple[str, str]:
    """The effect of the main test in words, and its number of examples."""
    if (test := _main_test(verdict, model)) is None:
        return "–", "–"
    unit = PROTOCOL.sub("", rows.without_model(test.short, rows.models(inputs)))
    return f"{verdict.claim.caption}: {_interval(test)}; {unit}", test.n.removeprefix("n = ")


def _main_test(verdict: Verdict, model: str) -> Test | None:
    """The first test of a model with an effect: one over several conditions if there is any, and one with the verdict
    of the model if there is any; None without any."""
    shown = [test for test in (*verdict.shown, *verdict.tests) if test.effect and test.row["model"] in (model, "")]
    word = dict(verdict.verdicts).get(model)
    return min(shown, key=lambda test: (not _is_pooled(test), test.verdict != word), default=None)


def _is_pooled(test: Test) -> bool:
    return test.unit.startswith(POOLED)


def _decide(verdict: Verdict, model: str) -> str:
    words = dict(verdict.decide)
    return words.get(model, words.get("", "")).removeprefix("To decide: ") or "–"  # "": the same for all models


def _tests(inputs: Inputs, options: Options) -> str:
    """All tests of a `claim` that take part in the correction."""
    options = dict(options)
    claim, most = rows.taken(options, "claim"), rows.whole(options, "most", MOST)
    if claim not in CLAIMS:
        raise unknown_name("claim", claim, CLAIMS, "claim")
    return _table([test for test in _all(inputs, options) if test.row["claim"] == claim], most)


def _baselines(inputs: Inputs, options: Options) -> str:
    """The tests that have another verdict with the other baseline."""
    tests = [test for test in _all(inputs, options) if test.row["other_baseline"]]
    lines = [[test.unit, _claim(test), test.verdict, test.row["other_baseline"]] for test in tests]
    head, lines = rows.without_constants(["tested on", "claim", "verdict", "with the other baseline"], lines, 2)
    return rows.markdown(head, lines, "No verdict depends on the baseline.", MOST, "tables/claims.csv")


def _scales(inputs: Inputs, options: Options) -> str:
    """The tests that were repeated on another scale (d'), and what it says."""
    tests = [test for test in _all(inputs, options) if test.row["scale_free"]]
    lines = [
        [test.unit, _claim(test), test.verdict, _interval(test), test.row["scale_free"], _details(test.row)]
        for test in tests
    ]
    head = ["tested on", "claim", "verdict on retention", "effect (95 %)", "on d′", "details"]
    head, lines = rows.without_constants(head, lines, 2)
    return rows.markdown(head, lines, "No test was repeated on another scale.", MOST, "tables/claims.csv")


def _all(inputs: Inputs, options: Options) -> list[Test]:
    for column in options:
        if column not in COLUMNS:
            raise unknown_name("column", column, COLUMNS)
    found, _ = verdicts(inputs)
    tests = [test for verdict in found for test in verdict.tests if test.row["primary"]]
    return [test for test in tests if all(test.row[column] in values for column, values in options.items())]


def _details(row: dict) -> str:
    return finding_notes.plain(row["details"], row["levels"].split())


def _interval(test: Test) -> str:
    return f"{test.value} ({test.limits})" if test.effect else "–"


def _claim(test: Test) -> str:
    return CLAIMS[test.row["claim"]].label


def _table(tests: list[Test], most: int) -> str:
    lines = [
        [
            test.unit,
            finding_notes.setting(test.row["setting"]),
            _interval(test),
            test.q,
            test.n.removeprefix("n = "),
            test.verdict,
            test.row["reason"] or "",
        ]
        for test in tests
    ]
    head = ["tested on", "compressed", "effect (95 %)", "q", "n", "verdict", "remark"]
    return rows.markdown(head, lines, "No experiment of the study tests it.", most, "tables/claims.csv")


BLOCKS: dict[str, Callable[[Inputs, Options], str]] = {
    "verdicts": _verdicts, "tests": _tests, "baselines": _baselines, "scales": _scales,
}  # fmt: skip
