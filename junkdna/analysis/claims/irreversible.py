"""Claim: fine-tuning does not bring back what the small weights held."""

from collections.abc import Iterator, Sequence

from junkdna.analysis.claim_catalog import Claim
from junkdna.analysis.curves import Curve
from junkdna.analysis.evidence import Block, Evidence, decision, grouped, untestable
from junkdna.analysis.findings import Finding
from junkdna.analysis.intervals import Fit

CLAIM = Claim(
    label="Fine-tuning does not bring it back",
    statement="On the hardest condition, training all weights after pruning does not recover the dense performance.",
    effect="mean retention of sparse_to_dense over the levels at which sparse loses at least 0.1",
    supported="the effect is below 1 - D, with all runs and without collapsed ones",
    contradicted="the effect is above 1 - D, without collapsed runs",
    source="arXiv 2310.02277, section 5",
    order=2,
)
DAMAGED = 0.1  # loss of `sparse` from which there is something to bring back
RECOVERED, DAMAGED_MODE = "sparse_to_dense", "sparse"


def findings(evidence: Evidence) -> Iterator[Finding]:
    """For each model, series and protocol with both transfer modes: one finding, on its hardest condition."""
    curves = [curve for curve in evidence.curves if curve.prunes and not curve.condition.bin]
    modes = grouped(curves)
    for (model, series, transfer, protocol), recovered in modes.items():
        damaged = modes.get((model, series, DAMAGED_MODE, protocol), [])
        if transfer == RECOVERED and damaged:
            yield _finding(evidence, damaged, recovered)


def _finding(evidence: Evidence, damaged: Sequence[Curve], recovered: Sequence[Curve]) -> Finding:
    by_condition = {curve.condition: curve for curve in recovered}
    pairs = [(curve, by_condition[curve.condition]) for curve in damaged if curve.condition in by_condition]
    hardest = min(pairs, key=lambda pair: Block(evidence, pair[:1]).known()[0, 0])
    before, after = Block(evidence, hardest[:1]), Block(evidence, hardest[1:])
    unit = evidence.label(hardest[0])
    if problem := after.problem():
        return untestable(after, problem, unit=unit)
    levels = [tag for tag, loss in zip(before.tags, before.losses()[0], strict=True) if loss >= DAMAGED]
    kept = hardest[1].at(levels)
    if not kept.levels:
        return untestable(
            after, f"{DAMAGED_MODE} loses at least {DAMAGED} at no level, so there is nothing to bring back", unit=unit
        )
    return _decide(evidence, kept, unit)


def _decide(evidence: Evidence, curve: Curve, unit: str) -> Finding:
    block, bound = Block(evidence, [curve]), 1 - evidence.settings.margin
    fit = _fit(block)
    sound = curve.without(evidence.collapsed)
    rest = _fit(Block(evidence, [sound])) if sound.levels else None
    below, above = (rest.p_below(bound)[0], rest.p_above(bound)[0]) if rest else (1.0, 1.0)
    details = "no level has two runs that did not collapse"
    if rest:
        low, high = rest.limits()
        details = f"without collapsed runs {rest.estimate[0]:.3f} ({low[0]:.3f} to {high[0]:.3f})"
    return decision(
        block, fit, 0, None, unit=unit, details=details,
        p_supported=float(max(2 * fit.p_below(bound)[0], 2 * below)), p_contradicted=float(min(2 * above, 1)),
    )  # fmt: skip


def _fit(block: Block) -> Fit:
    return block.panel().fit(lambda m: block.retention(m)[0].mean(axis=0)[None])
