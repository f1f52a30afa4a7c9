"""Claim: it is the small weights that hard tasks need, and not any weights."""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from junkdna.analysis import across_pairs
from junkdna.analysis.across_pairs import Pair
from junkdna.analysis.claim_catalog import Claim
from junkdna.analysis.curves import Curve
from junkdna.analysis.evidence import CONTROLS, INFORMATIVE, Block, Evidence, decision, untestable
from junkdna.analysis.findings import Finding
from junkdna.analysis.interpolation import along, segment
from junkdna.analysis.ordering import Ladder, paired_ladders
from junkdna.analysis.retention import rank_contrast

CLAIM = Claim(
    label="Small weights in particular",
    caption="extra loss beyond the control",
    statement="At equal mean loss, pruning the small weights costs the hard task more than pruning other weights does.",
    effect="gap under magnitude pruning - gap under a control (random or largest weights), at equal mean loss; the gap "
    "is the loss of the hardest minus that of the easiest condition",
    supported="the effect is more than D",
    contradicted="the effect is less than D",
    source="arXiv 2310.02277, section 1; the controls are ours",
    needs="the same conditions pruned by `magnitude` and by `random` or `largest`",
    order=4,
)
NO_PAIR = (
    "no curves of both under magnitude pruning and under a control with the same model, transfer mode and protocol"
)


def findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each ladder of conditions and each control in the experiment."""
    for small, control in paired_ladders(evidence, _prunes_small_weights, _is_control):
        yield _finding(*_blocks(evidence, small, control), small)


def study_findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each of the study's pairs and one for their mean, for each control in the whole study."""
    found = across_pairs.compared_ladders(evidence, _prunes_small_weights, _is_control)
    for ladders in found:
        pairs = [_pair(evidence, small, control) for small, control in ladders]
        other = evidence.setting_label(ladders[0][1].curves[0])
        yield from across_pairs.findings(pairs, across_pairs.margin_rule, f", against {other}")
    yield from across_pairs.missing_pairs(evidence, (small for small, _ in chain(*found)), NO_PAIR)


def _prunes_small_weights(curve: Curve) -> bool:
    return curve.series.method == "magnitude" and curve.prunes


def _is_control(curve: Curve) -> bool:
    return curve.series.method in CONTROLS and curve.prunes


def _blocks(evidence: Evidence, small: Ladder, control: Ladder) -> tuple[Block, Block]:
    """The magnitude curves have the levels of the whole study, because the control may lose more than the experiment's
    own levels of magnitude pruning do."""
    widest = [evidence.widest.get(curve.name, curve) for curve in small.curves]
    return Block(evidence, widest), Block(evidence, control.curves)


def _pair(evidence: Evidence, small: Ladder, control: Ladder) -> Pair:
    blocks = _blocks(evidence, small, control)
    return Pair.of_effect(small.unit, _finding(*blocks, small), *blocks)


def _finding(small: Block, control: Block, ladder: Ladder) -> Finding:
    other = small.evidence.setting_label(control.curves[0])
    named = {
        "about": tuple(curve.name for curve in (*small.curves, *control.curves)),
        "unit": f"{ladder.unit}, against {other}",
        "kind": other,
    }
    if problem := small.problem() or control.problem():
        return untestable(small, problem, **named)
    matched = _matched(small, control)
    if not matched:
        return untestable(
            small, f"no level of {other} has a mean loss in 0.1 to 0.9 that magnitude pruning reaches too", **named
        )
    weights = rank_contrast(len(small.curves))

    def statistic(m: np.ndarray) -> np.ndarray:
        of_small = 1 - small.from_dense(m[: small.size])
        of_control = 1 - control.retention(m[small.size :])
        points, wanted = of_small.mean(axis=0), of_control.mean(axis=0)
        gaps = [
            weights @ (along(wanted[level], points, of_small, between) - of_control[:, level])
            for level, between in matched
        ]
        return np.mean(gaps, axis=0)[None]

    fit = small.panel(control).fit(statistic)
    margin = small.evidence.settings.margin
    return decision(
        control, fit, 0, [level for level, _ in matched], [small],
        p_supported=float(2 * fit.p_above(margin)[0]), p_contradicted=float(2 * fit.p_below(margin)[0]),
        setting=small.evidence.setting_label(small.curves[0]), **named,
    )  # fmt: skip


def _matched(small: Block, control: Block) -> list[tuple[int, tuple[int, int]]]:
    """(level of the control, its two neighbors on the magnitude curve, of which 0 is dense), by mean loss."""
    points = np.concatenate([[0], small.losses().mean(axis=0)])
    found = [
        (level, segment(loss, points))
        for level, loss in enumerate(control.losses().mean(axis=0))
        if INFORMATIVE[0] <= loss <= INFORMATIVE[1]
    ]
    return [(level, between) for level, between in found if between is not None]
