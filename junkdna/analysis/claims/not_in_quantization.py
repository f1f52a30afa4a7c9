"""Claim: quantization shows no such pattern."""

from collections.abc import Iterator, Sequence
from itertools import chain, product

import numpy as np

from junkdna.analysis import across_pairs
from junkdna.analysis.across_pairs import Mean, Pair
from junkdna.analysis.claim_catalog import Claim
from junkdna.analysis.curves import Curve
from junkdna.analysis.evidence import INFORMATIVE, Block, Evidence, decision, prunes_small_weights, untestable
from junkdna.analysis.findings import Finding
from junkdna.analysis.interpolation import along, segment
from junkdna.analysis.interval_words import between
from junkdna.analysis.ordering import Ladder, paired_ladders
from junkdna.analysis.retention import rank_contrast
from junkdna.analysis.scale_free import NOT_COMPARABLE, ScaleFree, of_fit, shared_levels
from junkdna.analysis.series import QUANTIZED

CLAIM = Claim(
    label="Not so under quantization",
    caption="allowed share of the gap under pruning, minus the gap under quantization",
    statement="At matched bits, difficulty matters for pruning and not for quantization.",
    effect="`quantization_share` x gap under pruning - gap under quantization, at matched effective bits per weight; "
    "the gap is the loss of the hardest minus that of the easiest condition",
    supported="the gap under pruning is more than D, and the effect is above 0",
    contradicted="the gap under pruning is more than D, and the effect is below 0",
    source="arXiv 2310.02277, section 6",
    needs="the same conditions pruned and quantized, such as `{method: rtn, bits: [3, 4]}`",
    order=3,
)
EFFECT, PRUNING, QUANTIZATION = 0, 1, 2  # positions among the values of the statistic
SHOWN = {"pruning": PRUNING, "quantization": QUANTIZATION}
PRIMARY = "bits"  # what the levels of a primary finding are matched by
MATCHED_BY = (PRIMARY, "mean loss")
DENSE_BITS = 16.0
NO_PAIR = "no curves of both under pruning and under quantization with the same model, transfer mode and protocol"


def findings(evidence: Evidence) -> Iterator[Finding]:
    """For each ladder of conditions and each pair of a pruning and a quantization series: one finding at matched bits
    and, not primary, one at matched mean loss."""
    for pruned, quantized in paired_ladders(evidence, prunes_small_weights, _quantizes):
        for by in MATCHED_BY:
            yield _finding(Block(evidence, pruned.curves), Block(evidence, quantized.curves), pruned, by)


def study_findings(evidence: Evidence) -> Iterator[Finding]:
    """For each pair of a pruning and a quantization series in the whole study: one finding for each of the study's
    pairs of tasks and one for their mean, at matched bits and, not primary, at matched mean loss."""
    found = across_pairs.compared_ladders(evidence, prunes_small_weights, _quantizes)
    for ladders, by in product(found, MATCHED_BY):
        pairs = [_pair(evidence, pruned, quantized, by) for pruned, quantized in ladders]
        other = f", against {evidence.setting_label(ladders[0][1].curves[0])} at matched {by}"
        yield from across_pairs.findings(pairs, _mean_rule, other, kind=by, primary=by == PRIMARY)
    yield from across_pairs.missing_pairs(evidence, (pruned for pruned, _ in chain(*found)), NO_PAIR)


def _quantizes(curve: Curve) -> bool:
    return curve.series.kind in QUANTIZED


def _pair(evidence: Evidence, pruned: Ladder, quantized: Ladder, by: str) -> Pair:
    """Its values are the effect, the gap under pruning and the gap under quantization."""
    blocks = Block(evidence, pruned.curves), Block(evidence, quantized.curves)
    finding = _finding(*blocks, pruned, by)
    if not finding.testable:
        return Pair(pruned.unit, finding, blocks, ())
    scores = blocks[0].panel(blocks[1]).value[:, None]
    values = _gaps(*blocks, matched_levels(*blocks, by), by, scores)[:, 0]
    return Pair(pruned.unit, finding, blocks, tuple(map(float, values)))


def _mean_rule(tested: Sequence[Pair], means: Sequence[Mean]) -> dict:
    """The mean gap under pruning is more than the margin, and the mean effect is above (or below) 0.

    Both are tested over the pairs and both must hold, so the larger p-value counts. A single pair may have a small gap.
    """
    steep = means[PRUNING].p_above(tested[0].blocks[0].evidence.settings.margin)
    above, below = means[EFFECT].p_above(0), means[EFFECT].p_below(0)
    check = across_pairs.in_d([pair.blocks[0] for pair in tested])
    words = f"pruning in {check.words}" if check.verdict else check.words
    return across_pairs.both_sides(max(steep, above), max(steep, below)) | {
        "scale_free": check.verdict,
        "details": "; ".join([*(f"{name} {means[at].words}" for name, at in SHOWN.items()), words]),
    }


def _finding(pruned: Block, quantized: Block, ladder: Ladder, by: str) -> Finding:
    other = pruned.evidence.setting_label(quantized.curves[0])
    named = {
        "unit": f"{ladder.unit}, against {other} at matched {by}",
        "primary": by == PRIMARY,
        "about": tuple(curve.name for curve in (*pruned.curves, *quantized.curves)),
        "kind": f"{other} {by}",
    }
    if problem := pruned.problem() or quantized.problem():
        return untestable(pruned, problem, **named)
    matched = matched_levels(pruned, quantized, by)
    if not matched:
        return untestable(pruned, _no_match(pruned, quantized, other, by), **named)
    fit = pruned.panel(quantized).fit(lambda m: _gaps(pruned, quantized, matched, by, m))
    margin = pruned.evidence.settings.margin
    steep = 2 * fit.p_above(margin)[PRUNING]
    check = pruning_gap_in_d(pruned)
    lost = quantized.losses()[:, [level for level, _ in matched]].mean()
    low, high = fit.limits()
    shown = (f"{name} {fit.estimate[at]:.3f} ({between(low[at], high[at])})" for name, at in SHOWN.items())
    return decision(
        quantized, fit, EFFECT, [level for level, _ in matched], [pruned], bound=0.0, scale_free=check.verdict,
        details="; ".join([*shown, check.words, *(["quantization loses nothing"] if lost < margin else [])]),
        p_supported=float(max(steep, 2 * fit.p_above(0)[EFFECT])),
        p_contradicted=float(max(steep, 2 * fit.p_below(0)[EFFECT])),
        setting=pruned.evidence.setting_label(pruned.curves[0]), **named,
    )  # fmt: skip


def matched_levels(pruned: Block, quantized: Block, by: str) -> list[tuple[int, tuple[int, int]]]:
    """(level of quantization, its two neighbors on the pruning curve, of which 0 is dense), where they exist, where the
    mean loss of pruning there is informative, and where quantization leaves something: conditions that all lost
    everything do not differ."""
    at = np.concatenate([[0], pruned.losses().mean(axis=0)])
    points, wanted = _axis(pruned, by), _axis(quantized, by)[1:]
    found = []
    left = quantized.losses().mean(axis=0) <= INFORMATIVE[1]
    for level, x in enumerate(wanted):
        between = segment(x, points)
        if (
            left[level]
            and between is not None
            and INFORMATIVE[0] <= along(np.array([x]), points[:, None], at[:, None], between)[0] <= INFORMATIVE[1]
        ):
            found.append((level, between))
    return found


def _axis(block: Block, by: str) -> np.ndarray:
    """What levels are matched by (1 + l,), dense first: mean bits per weight or mean loss of the conditions."""
    if by == "bits":
        return _bits(block).mean(axis=0)
    return np.concatenate([[0], block.losses().mean(axis=0)])


def _no_match(pruned: Block, quantized: Block, other: str, by: str) -> str:
    """Why no level of quantization can be compared."""
    reached, wanted = _axis(pruned, by), _axis(quantized, by)[1:]
    lost = quantized.losses().mean(axis=0)
    if (lost > INFORMATIVE[1]).all():
        return f"all levels of {other} lose more than {INFORMATIVE[1]}: conditions that lost everything do not differ"
    if np.isnan(wanted).any():
        return f"the {by} of {other} are unknown"
    inside = (wanted >= reached.min()) & (wanted <= reached.max())
    if not inside.any():
        return (
            f"no level of {other} ({by} {wanted.min():.2f} to {wanted.max():.2f}) is within the range of pruning "
            f"({reached.min():.2f} to {reached.max():.2f})"
        )
    return f"at the {by} of {other}, pruning does not lose 0.1 to 0.9, or {other} loses more than 0.9"


def pruning_gap_in_d(pruned: Block) -> ScaleFree:
    """Whether the hardest condition loses more under pruning in d' too."""
    levels = shared_levels(pruned, pruned.informative())
    if not levels:
        return ScaleFree("", NOT_COMPARABLE)
    weights = rank_contrast(len(pruned.curves))
    fit = pruned.panel().fit(lambda m: (weights @ pruned.d_loss(m)[:, levels].mean(axis=1))[None])
    check = of_fit(fit, 0)
    return check._replace(words=f"pruning in {check.words}")


def _bits(block: Block) -> np.ndarray:
    """Effective bits per weight (k, 1 + l), dense first."""
    return np.array([[DENSE_BITS, *(level.bits for level in curve.levels)] for curve in block.curves])


def _gaps(pruned: Block, quantized: Block, matched: list, by: str, m: np.ndarray) -> np.ndarray:
    """The effect, and the gap between the hardest and the easiest condition under pruning and under quantization."""
    loss_p = 1 - pruned.from_dense(m[: pruned.size])
    loss_q = 1 - quantized.retention(m[pruned.size :])
    points = (
        np.broadcast_to(_bits(pruned).mean(axis=0)[:, None], loss_p.shape[1:]) if by == "bits" else loss_p.mean(axis=0)
    )
    wanted = _bits(quantized).mean(axis=0)[1:, None] if by == "bits" else loss_q.mean(axis=0)
    weights = rank_contrast(len(pruned.curves))
    of_p = np.mean([weights @ along(wanted[level], points, loss_p, between) for level, between in matched], axis=0)
    of_q = weights @ loss_q[:, [level for level, _ in matched]].mean(axis=1)
    return np.stack([pruned.evidence.settings.quantization_share * of_p - of_q, of_p, of_q])
