"""Claim: performance falls faster where the task is harder."""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

import numpy as np

from junkdna.analysis import across_pairs, across_tasks, scale_free
from junkdna.analysis.across_pairs import Mean, Pair
from junkdna.analysis.claim_catalog import Claim
from junkdna.analysis.evidence import Block, Evidence, decision, untestable
from junkdna.analysis.findings import Finding
from junkdna.analysis.ordering import Ladder, ladders, without_order
from junkdna.analysis.retention import rank_contrast

CLAIM = Claim(
    label="Harder tasks fall faster",
    caption="extra lost on the hard side",
    statement="At the same level, pruning costs a hard task more than an easy one.",
    effect="loss (1 - retention) of the hardest minus that of the easiest condition, mean over informative levels",
    supported="the effect is more than D, and no condition loses D more than the next harder one",
    contradicted="the effect is less than D",
    source="arXiv 2310.02277, sections 3 and 4",
    needs="a knob with two values, or five tasks or pairs of tasks, pruned at the same levels",
    order=1,
)
EFFECT, IN_D = 0, -1  # positions among the values of the statistic; the reversals of neighbors are between them
NO_PAIR = "no pruning curves of both with the same model, method, transfer mode and protocol"


def findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each knob and each external difficulty, and one across the tasks of an experiment."""
    for ladder in ladders(evidence):
        yield _finding(evidence, ladder)
    for curve, reason in without_order(evidence):
        named = {"unit": f"question difficulty of {curve.condition.name}", "kind": "bins"}
        yield untestable(Block(evidence, [curve]), reason, **named)
    yield from across_tasks.findings(evidence)


def study_findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each of the study's pairs and one for their mean, for each series of the whole study."""
    found = across_pairs.pair_ladders(evidence)
    for pairs in found:
        yield from across_pairs.findings([_pair(evidence, ladder) for ladder in pairs], _mean_rule)
    yield from across_pairs.missing_pairs(evidence, chain(*found), NO_PAIR)


def _pair(evidence: Evidence, ladder: Ladder) -> Pair:
    return Pair.of_effect(ladder.unit, _finding(evidence, ladder), Block(evidence, ladder.curves))


def _mean_rule(tested: Sequence[Pair], means: Sequence[Mean]) -> dict:
    check = across_pairs.in_d([pair.blocks[0] for pair in tested])
    return across_pairs.margin_rule(tested, means) | {"scale_free": check.verdict, "details": check.words}


def _finding(evidence: Evidence, ladder: Ladder) -> Finding:
    """Conditions in their order of difficulty, examples and seeds as the units."""
    block = Block(evidence, ladder.curves)
    if problem := block.problem():
        return untestable(block, problem, unit=ladder.unit)
    levels = block.informative()
    if not levels:
        return untestable(block, "no level has a mean loss in 0.1 to 0.9", unit=ladder.unit)
    comparable = scale_free.shared_levels(block, levels)
    weights = rank_contrast(len(ladder.curves))

    def statistic(m: np.ndarray) -> np.ndarray:
        area = (1 - block.retention(m)[:, levels]).mean(axis=1)
        reversals = [easier - harder for easier, harder in pairwise(area)]
        in_d = weights @ block.d_loss(m)[:, comparable].mean(axis=1) if comparable else np.full(m.shape[1], np.nan)
        return np.stack([weights @ area, *reversals, in_d])

    fit = block.panel().fit(statistic)
    margin = evidence.settings.margin
    side = fit.p_below(margin)[EFFECT + 1 : IN_D].max() if len(ladder.curves) > 2 else 0.0
    check = scale_free.of_fit(fit, IN_D) if comparable else scale_free.ScaleFree("", scale_free.NOT_COMPARABLE)
    return decision(
        block, fit, EFFECT, levels, unit=ladder.unit,
        p_supported=float(max(2 * fit.p_above(margin)[EFFECT], side)),
        p_contradicted=float(2 * fit.p_below(margin)[EFFECT]),
        scale_free=check.verdict, details=check.words + _not_in_order(ladder, block),
    )  # fmt: skip


def _not_in_order(ladder: Ladder, block: Block) -> str:
    """Which condition the dense model finds harder than the next one, if any."""
    known = block.known()[:, 0]
    rising = [
        block.evidence.label(curve) for curve, (x, y) in zip(ladder.curves, pairwise(known), strict=False) if y > x
    ]
    return f"; the dense model finds {rising[0]} harder than the next condition" if rising else ""
