"""Claim: pruning more of the small weights makes performance fall steadily."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from junkdna.analysis.claim_catalog import Claim
from junkdna.analysis.evidence import Block, Evidence, decision, untestable
from junkdna.analysis.findings import FALSE_DISCOVERY_RATE, Finding
from junkdna.analysis.interval_words import between
from junkdna.analysis.intervals import Fit

CLAIM = Claim(
    label="Performance falls steadily",
    caption="lost at the highest level",
    statement="The more of the small-magnitude weights are pruned, the lower is the performance.",
    effect="the fall, which is 1 - retention at the highest level",
    supported="the fall is more than D, and retention at no level exceeds that at a weaker one (dense included) by "
    "`rise`",
    contradicted="otherwise, if the fall is less than D, or retention at some level exceeds that at a weaker one by at "
    "least D",
    source="arXiv 2310.02277, section 1",
    needs="two levels of a method that prunes small weights",
    order=0,
)
LEAST_LEVELS = 2
FALL = 0  # position among the values of the statistic; the rises follow


def findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each pruning curve, and one for the mean curve of conditions with the same levels."""
    for curves in evidence.pruned():
        for curve in curves:
            yield _finding(Block(evidence, [curve]), evidence.label(curve))
        if len(curves) > 1:
            yield _finding(Block(evidence, curves), f"mean of {len(curves)} conditions")


def _finding(block: Block, unit: str) -> Finding:
    if problem := block.problem():
        return untestable(block, problem, unit=unit)
    if len(block.tags) < LEAST_LEVELS:
        return untestable(block, f"{len(block.tags)} level; at least {LEAST_LEVELS} are needed", unit=unit)
    pairs = list(combinations(range(1 + len(block.tags)), 2))

    def statistic(m: np.ndarray) -> np.ndarray:
        steps = block.from_dense(m).mean(axis=0)
        return np.stack([1 - steps[-1], *(steps[later] - steps[earlier] for earlier, later in pairs)])

    fit = block.panel().fit(statistic)
    steady = _p_supported(block, fit)
    return decision(
        block, fit, FALL, None, unit=unit, details=_details(block, fit, pairs),
        p_supported=steady, p_contradicted=1.0 if steady <= FALSE_DISCOVERY_RATE else _p_contradicted(block, fit),
    )  # fmt: skip


def _p_supported(block: Block, fit: Fit) -> float:
    settings = block.evidence.settings
    return float(max(2 * fit.p_above(settings.margin)[FALL], fit.p_below(settings.rise)[FALL + 1 :].max()))


def _p_contradicted(block: Block, fit: Fit) -> float:
    margin = block.evidence.settings.margin
    rises = fit.p_above(0)[FALL + 1 :]
    large = fit.estimate[FALL + 1 :] >= margin
    p_rise = 2 * len(rises) * rises[large].min() if large.any() else 1.0  # Bonferroni: any of the rises
    return float(min(p_rise, 2 * fit.p_below(margin)[FALL], 1.0))


def _details(block: Block, fit: Fit, pairs: Sequence[tuple[int, int]]) -> str:
    """The largest rise with its levels (below 0: the smallest fall), and how far less than the margin is lost."""
    at = int(np.nanargmax(fit.estimate[FALL + 1 :]))
    names = ("dense", *block.tags)
    _, high = fit.limits(0.90)
    most, limit = fit.estimate[FALL + 1 + at], high[FALL + 1 + at]
    change = f"largest rise {most:.3f}, {between(None, limit)}"
    if most < 0:
        change = f"smallest fall {-most:.3f}, {between(-limit, None)}"
    change += f" ({names[pairs[at][0]]} to {names[pairs[at][1]]})"
    lost = np.flatnonzero(block.losses().mean(axis=0) >= block.evidence.settings.margin)
    margin, free = block.evidence.settings.margin, int(lost[0]) if lost.size else len(names) - 1
    return f"{change}; less than {margin:g} lost {f'up to {names[free]}' if free else 'at no level'}"
