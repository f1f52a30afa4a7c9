"""The question that a study asks and its answer, in two sentences made from its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.analysis.series import series_of
from junkdna.report.page import finding_notes
from junkdna.report.page.words import capitalized, count, interval, listed, number, span
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    from junkdna.report.page.inputs import Inputs
    from junkdna.report.page.verdicts import Test, Verdict

FAMILIES = {
    "sparsity": "pruning", "keep_of": "pruning", "band": "pruning", "bits": "quantization", "format": "quantization",
    "rank": "low rank", "external": "compression",
}  # fmt: skip
VERBS = {"pruning": "pruned", "quantization": "quantized"}
LEADING = "steeper_when_harder"  # the claim that the study's question is about


CANNOT_TELL = "This study cannot tell whether harder conditions lose more"


def families(inputs: Inputs) -> list[str]:
    """The families of compression in a study: pruning, quantization, low rank."""
    tags = [series_of(tag) for tag in inputs.drops["compression"].unique(maintain_order=True)]
    return list(dict.fromkeys(FAMILIES[tag.kind] for tag in tags if tag))


def conditions(inputs: Inputs) -> int:
    """The number of conditions (task and knobs)."""
    return inputs.drops.select("task", "knobs").n_unique()


def question(inputs: Inputs) -> str:
    """The question of a study, as the heading of its page."""
    found = families(inputs)
    what = found[0] if len(found) == 1 else "compression"
    models = sorted(inputs.drops["model"].unique())
    who = "a language model" if len(models) == 1 else f"{count(len(models), 'language model')}"
    if not found:
        return f"How well {'does' if len(models) == 1 else 'do'} {listed(models)} do without compression?"
    if conditions(inputs) == 1:
        return f"What does {what} cost {listed(models)} on {inputs.drops['label'][0]}?"
    return f"Does {what} cost {who} more on harder tasks?"


def done(inputs: Inputs) -> str:
    """What was done, in one sentence."""
    models = sorted(inputs.drops["model"].unique())
    methods = [METHODS[m].label for m in inputs.drops["method"].unique(maintain_order=True) if m != "dense"]
    tuned = set(inputs.drops["transfer"]) - {"none"}
    found = families(inputs)
    verb = VERBS.get(found[0], "compressed") if len(found) == 1 else "compressed"
    how = f"{verb} ({listed(methods)})" if methods else "scored without compression"
    how += f"{', partly' if 'none' in set(inputs.drops['transfer']) else ','} fine-tuned" if tuned else ""
    tasks = count(inputs.drops["task"].n_unique(), "task")
    conds = count(conditions(inputs), "condition")
    where = f"{conds} of {tasks}" if conditions(inputs) > 1 else f"{inputs.drops['label'][0]}"
    n = span(list(inputs.drops["n_examples"]))
    be = "was" if len(models) == 1 else "were"
    each = " each" if conditions(inputs) > 1 else ""
    return f"{capitalized(_models(inputs, models))} {be} {how} and tested on {where}, with {n} examples{each}."


def _models(inputs: Inputs, models: list[str]) -> str:
    settings = inputs.study.get("models")
    kinds = {
        name: entry.get("kind")
        for name, entry in (settings.items() if isinstance(settings, dict) else ())
        if isinstance(entry, dict)
    }
    words = [
        f"{'the ' + kinds[name] + ' ' if kinds.get(name) in ('encoder', 'decoder') else ''}{name}" for name in models
    ]
    return listed(words, 6)


def answer(inputs: Inputs, found: list[Verdict], findings: list[str]) -> tuple[str, str]:
    """The answer of a study: a sentence, and the words at its end that are stressed. Both may be empty.

    With one condition, the answer is the first of the `findings` of its experiments.
    """
    if not families(inputs):
        return "", ""
    if conditions(inputs) == 1:
        return findings[0], ""
    leading = next((verdict for verdict in found if verdict.claim.name == LEADING), None)
    if leading is None or not leading.tests:
        return "", f"{CANNOT_TELL}."
    test = _telling(leading)
    who = test.row["model"] if test and len(leading.verdicts) > 1 else "it"
    said = _disagreement(leading) or (_said(test, who) if test else "")
    if len({verdict for _, verdict in leading.verdicts}) > 1:
        each = listed(f"{model}: {verdict}" for model, verdict in leading.verdicts)
        return f"{said} Are harder tasks hit harder?", f"{capitalized(each)}."
    return said, f"{_conclusion(leading, test)}."


def _disagreement(verdict: Verdict) -> str:
    """How many tests are for and against the claim, if there are both: then no single test is telling."""
    own = [test.verdict for test in verdict.tests if test.row["primary"]]
    more, not_more = own.count("supported"), own.count("contradicted")
    if not (more and not_more):
        return ""
    return (
        f"Of {count(len(own), 'test')}, {count(more, 'finds', 'find')} that harder conditions lose more, and "
        f"{count(not_more, 'that they do not', 'that they do not')}."
    )


def _telling(verdict: Verdict) -> Test | None:
    """The test with an effect to cite: a decided one before others, several conditions before pairs."""
    with_effect = [test for test in verdict.tests if test.effect and test.row["primary"]]
    return min(with_effect, key=lambda test: test.verdict == "undecided") if with_effect else None


def _said(test: Test, who: str) -> str:
    limits = f"95 % interval: {interval(test.effect.low, test.effect.high)}"
    more = "more" if test.effect.value >= 0 else "less"
    return (
        f"On the hard side ({test.unit}) {who} loses {number(abs(test.effect.value))} {more} of its skill than on the "
        f"easy side ({limits})."
    )


def _conclusion(verdict: Verdict, test: Test | None) -> str:
    if verdict.verdict == "supported":
        return "Harder conditions lose more"
    if verdict.verdict == "contradicted":
        return "Harder conditions do not lose more"
    if verdict.verdict == "untestable":
        return CANNOT_TELL
    if test and finding_notes.is_reversed(test.row):
        return "In d′ the order is reversed: the answer depends on the scale"
    return "The data do not decide whether harder conditions lose more"
