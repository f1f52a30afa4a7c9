"""The effect of difficulty over the study's pairs of an easy and a hard task."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from junkdna.analysis.curves import Condition, Curve
from junkdna.analysis.evidence import Block, Evidence
from junkdna.analysis.findings import Finding
from junkdna.analysis.interval_words import between
from junkdna.analysis.ordering import Ladder, paired_series
from junkdna.analysis.scale_free import ScaleFree, scale_free, shared_levels
from junkdna.study.claim_settings import PairedCondition

LEAST_PAIRS = 5


@dataclass(frozen=True)
class Pair:
    """A pair of the study under one series, or under two that are compared.

    - `unit`: its tasks in words; `finding`: what it says by itself; `blocks`: its curves, one block for each series.
    - `values`: the numbers whose means over pairs are tested, the effect first; () if the pair cannot be tested.
    """

    unit: str
    finding: Finding
    blocks: tuple[Block, ...]
    values: tuple[float, ...]

    @classmethod
    def of_effect(cls, unit: str, finding: Finding, *blocks: Block) -> "Pair":
        """A pair whose only value is the estimate of its finding."""
        return cls(unit, finding, blocks, (finding.estimate,) if finding.testable else ())


class Mean(NamedTuple):
    """A mean over pairs, its standard error, and their number."""

    value: float
    error: float
    count: int

    def limits(self) -> tuple[float, float]:
        """95 % limits of Student's t."""
        from scipy.stats import t

        half = float(t.ppf(0.975, self.count - 1)) * self.error
        return self.value - half, self.value + half

    @property
    def words(self) -> str:
        """The mean with its limits."""
        return f"{self.value:.3f} ({between(*self.limits())})"

    def p_above(self, bound: float) -> float:
        """One-sided p-value of "the mean is at most `bound`"."""
        from scipy.stats import t

        return float(t.sf((self.value - bound) / self.error, self.count - 1))

    def p_below(self, bound: float) -> float:
        """One-sided p-value of "the mean is at least `bound`"."""
        return 1 - self.p_above(bound)


Rule = Callable[[Sequence[Pair], Sequence[Mean]], dict]
"""The p-values and other fields of the finding about the mean, from the testable pairs and the mean of each value."""


# ---- the pairs that a study has --------------------------------------------------------------------------------------


def pair_ladders(evidence: Evidence) -> list[list[Ladder]]:
    """For each model, series, transfer mode and protocol: the ladders of the study's pairs that it has."""
    found = (_ladders(evidence, curves) for curves in evidence.pruned())
    return [ladders for ladders in found if ladders]


def compared_ladders(
    evidence: Evidence, first: Callable[[Curve], bool], second: Callable[[Curve], bool]
) -> list[list[tuple[Ladder, Ladder]]]:
    """For each two series that are compared (`ordering.paired_series`): the ladders of the pairs that both have."""
    found = [
        [(ladder, ladder.among(other)) for ladder in _ladders(evidence, one)]
        for one, other in paired_series(evidence, first, second)
    ]
    return [ladders for ladders in found if ladders]


def _ladders(evidence: Evidence, curves: Sequence[Curve]) -> list[Ladder]:
    conditions = {(curve.condition.task, curve.condition.knobs): curve for curve in curves}
    sides = [(_side(pair.easy), _side(pair.hard)) for pair in evidence.settings.pairs]
    some = [(conditions[easy], conditions[hard]) for easy, hard in sides if {easy, hard} <= conditions.keys()]
    return [Ladder(_unit(easy.condition, hard.condition), (easy, hard)) for easy, hard in some]


def missing_pairs(evidence: Evidence, found: Iterable[Ladder], reason: str) -> Iterator[Finding]:
    """One finding, untestable for the reason, for each of the study's pairs that is not among the ladders."""
    units = {ladder.unit for ladder in found}
    for pair in evidence.settings.pairs:
        easy, hard = _side(pair.easy), _side(pair.hard)
        unit = _unit(Condition(*easy), Condition(*hard))
        if unit not in units:
            yield Finding(
                about=(easy, hard), unit=unit, setting="", model="", primary=False, n_seeds=0, n_tasks=0, reason=reason
            )


def _side(side: PairedCondition) -> tuple:
    return side.task, tuple(sorted(side.knobs.items()))


def _unit(easy: Condition, hard: Condition) -> str:
    return f"{hard.name} against {easy.name}"


# ---- findings --------------------------------------------------------------------------------------------------------


def findings(pairs: Sequence[Pair], rule: Rule, other: str = "", kind: str = "", **fields: object) -> Iterator[Finding]:
    """The finding of each pair of a series, not primary, and that of their mean.

    `other` ends the unit of the mean, such as ", against random weights pruned"; `kind` is `Finding.kind`.
    """
    for pair in pairs:
        # Its curves may also be a knob's, whose finding is primary: the kind keeps one from replacing the other.
        yield replace(pair.finding, primary=False, kind=f"pair {pair.finding.kind}")
    unit = f"mean of {len(pairs)} pair{'s' * (len(pairs) > 1)}{other}"
    yield _mean_finding(pairs, rule, unit=unit, kind=f"mean of pairs {kind}", **fields)


def _mean_finding(pairs: Sequence[Pair], rule: Rule, **fields: object) -> Finding:
    """The mean effect over the pairs that can be tested, with a t interval over these pairs.

    The pair is the unit: the uncertainty of each is part of the spread. Each pair has its own levels.
    """
    tested = [pair for pair in pairs if pair.values]
    if len(tested) < LEAST_PAIRS:
        reason = f"{len(tested)} testable pairs; at least {LEAST_PAIRS} are needed"
        return Finding(**_facts(pairs) | fields, reason=reason)
    if shared := _shared_task(pairs):
        return Finding(**_facts(pairs) | fields, reason=f"{shared} is in two pairs, which are then not independent")
    means = [mean(values) for values in zip(*(pair.values for pair in tested), strict=True)]
    low, high = means[0].limits()
    doubt = next(filter(None, (block.doubt() for pair in tested for block in pair.blocks)), "")
    ruled = rule(tested, means)
    details = [ruled.pop("details", ""), *(f"{pair.unit} {pair.values[0]:.3f}" for pair in tested)]
    return Finding(
        **_facts(tested) | fields | ruled, estimate=means[0].value, low=low, high=high, reason=doubt,
        decidable=not doubt, details="; ".join(filter(None, details)),
    )  # fmt: skip


def _facts(pairs: Sequence[Pair]) -> dict:
    """The facts of all blocks; levels and losses differ from pair to pair and are those of its own finding."""
    first, *others = [block for pair in pairs for block in pair.blocks]
    about = tuple(curve.name for block in (first, *others) for curve in block.curves)
    return first.facts([], others) | {"about": about, "losses": ""}


def mean(values: Sequence[float]) -> Mean:
    """The mean of at least two values."""
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return Mean(float(np.mean(values)), max(error, 1e-12), len(values))  # above 0 where all agree exactly


def margin_rule(tested: Sequence[Pair], means: Sequence[Mean]) -> dict:
    """Supported if the mean effect is more than the margin, contradicted if it is less."""
    margin = tested[0].blocks[0].evidence.settings.margin
    return both_sides(means[0].p_above(margin), means[0].p_below(margin))


def both_sides(above: float, below: float) -> dict:
    """The p-values of the two rules from one-sided ones."""
    return {"p_supported": min(2 * above, 1), "p_contradicted": min(2 * below, 1)}


def in_d(blocks: Sequence[Block]) -> ScaleFree:
    """Whether the hard tasks lose more in d' too, on average over pairs, if enough pairs can be compared there."""
    gaps = []
    for block in blocks:
        if levels := shared_levels(block, block.informative()):
            easy, hard = block.d_loss(block.panel().value[:, None])[:, levels, 0].mean(axis=1)
            gaps.append(float(hard - easy))
    if len(gaps) < LEAST_PAIRS:
        return ScaleFree("", f"{len(gaps)} pairs know enough to compare d'")
    over_pairs = mean(gaps)
    return scale_free(over_pairs.value, *over_pairs.limits())


def _shared_task(pairs: Sequence[Pair]) -> str:
    """A task that occurs in two pairs: "" if there is none."""
    tasks = Counter(
        task for pair in pairs for task in {curve.condition.task for block in pair.blocks for curve in block.curves}
    )
    return next((task for task, count in tasks.items() if count > 1), "")
