"""Claim: fine-tuning does not bring back what the small weights held."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from junkdna.analysis.claim_catalog import Claim
from junkdna.analysis.curves import Curve
from junkdna.analysis.evidence import Block, Evidence, decision, grouped, untestable
from junkdna.analysis.findings import Finding
from junkdna.analysis.interval_words import between
from junkdna.analysis.intervals import Fit
from junkdna.study.recovery import base_protocol

CLAIM = Claim(
    label="Fine-tuning does not bring it back",
    caption="still lost after training all weights",
    statement="On the hardest condition, training all weights after pruning does not recover the dense performance.",
    effect="mean retention of `sparse_to_dense` over the levels at which `sparse` loses at least 0.1",
    supported="the effect is below 1 - D, both with all runs and without collapsed ones",
    contradicted="the effect is above 1 - D, without collapsed runs",
    source="arXiv 2310.02277, section 5",
    needs="pruning with the transfer modes `sparse` and `sparse_to_dense`",
    order=2,
)
DAMAGED = 0.1  # loss of `sparse` from which there is something to bring back
RECOVERED, DAMAGED_MODE = "sparse_to_dense", "sparse"


def findings(evidence: Evidence) -> Iterator[Finding]:
    """For each model, series and protocol with both transfer modes: one finding for each recovery length.

    Each length is a protocol of its own, compared with the dense model trained as long. All are about the same
    condition and levels: the hardest condition that can be tested, and the levels that do damage, at the shortest
    length.
    """
    lengths: dict[tuple, dict[int, list[tuple[Curve, Curve]]]] = defaultdict(dict)
    modes = grouped(curve for curve in evidence.curves if curve.prunes and not curve.condition.bin)
    for (model, series, transfer, protocol), recovered in modes.items():
        damaged = modes.get((model, series, DAMAGED_MODE, protocol), [])
        by_condition = {curve.condition: curve for curve in recovered}
        pairs = [(curve, by_condition[curve.condition]) for curve in damaged if curve.condition in by_condition]
        if transfer == RECOVERED and pairs:
            base, multiple = base_protocol(protocol)
            lengths[model, series, base][multiple] = pairs
    for by_length in lengths.values():
        before, _ = _hardest(evidence, by_length[min(by_length)])
        for pairs in by_length.values():
            for _, after in (pair for pair in pairs if pair[0].condition == before.condition):
                yield _finding(evidence, before, after)


def _hardest(evidence: Evidence, pairs: Sequence[tuple[Curve, Curve]]) -> tuple[Curve, Curve]:
    """The pair whose dense model knows least, among those that can be tested if there are any."""
    testable = [pair for pair in pairs if not Block(evidence, pair[1:]).problem()]
    return min(testable or pairs, key=lambda pair: Block(evidence, pair[:1]).known()[0, 0])


def _finding(evidence: Evidence, damaged: Curve, recovered: Curve) -> Finding:
    before, after = Block(evidence, [damaged]), Block(evidence, [recovered])
    unit = evidence.label(damaged)
    if problem := after.problem():
        return untestable(after, problem, unit=unit)
    levels = [tag for tag, loss in zip(before.tags, before.losses()[0], strict=True) if loss >= DAMAGED]
    kept = recovered.at(levels)
    if not kept.levels:
        return untestable(
            after, f"{DAMAGED_MODE} loses {DAMAGED} at no level: there is nothing to bring back", unit=unit
        )
    return _decide(evidence, kept, unit)


def _decide(evidence: Evidence, curve: Curve, unit: str) -> Finding:
    block, bound = Block(evidence, [curve]), 1 - evidence.settings.margin
    fit = _fit(block)
    sound = curve.without(evidence.collapsed)
    rest = _fit(Block(evidence, [sound])) if sound.levels else None
    below, above = (rest.p_below(bound)[0], rest.p_above(bound)[0]) if rest else (1.0, 1.0)
    details = ["no level has two runs that did not collapse"]
    if rest:
        low, high = rest.limits()
        details = [f"retention without collapsed runs {rest.estimate[0]:.3f} ({between(low[0], high[0])})"]
    found = decision(
        block, fit, 0, None, unit=unit, details="; ".join([*details, *_other_lengths(evidence, curve, fit)]),
        p_supported=float(max(2 * fit.p_below(bound)[0], 2 * below)), p_contradicted=float(min(2 * above, 1)),
    )  # fmt: skip
    return replace(found, detectable=1 - found.detectable)  # as retention: a loss that large would be found


def _other_lengths(evidence: Evidence, curve: Curve, fit: Fit) -> Iterator[str]:
    """Retention against the dense model at one time the steps, and whether the longest training still gains."""
    base, multiple = base_protocol(curve.protocol)
    same = [
        other for other in evidence.curves
        if other.name[:-1] == curve.name[:-1] and base_protocol(other.protocol)[0] == base
    ]  # fmt: skip
    lengths = {base_protocol(other.protocol)[1]: other.at([level.tag for level in curve.levels]) for other in same}
    if multiple == 1 or 1 not in lengths:
        return
    usual = _fit(Block(evidence, [replace(curve, dense=lengths[1].dense)]))
    yield f"against dense at 1x {usual.estimate[0]:.3f}"
    shorter = [length for length in lengths if length < multiple]
    before = _fit(Block(evidence, [lengths[max(shorter)]])).estimate[0]
    if multiple == max(lengths) and fit.estimate[0] - before > evidence.settings.margin:
        yield f"still rising: {before:.3f} at {max(shorter)}x"


def _fit(block: Block) -> Fit:
    return block.panel().fit(lambda m: block.retention(m)[0].mean(axis=0)[None])
