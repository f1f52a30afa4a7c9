"""Claim: quantization shows no such pattern."""

from collections.abc import Iterator

import numpy as np

from junkdna.analysis.claim_catalog import Claim
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
    caption="by how much quantization stays below the limit",
    statement="At matched bits, difficulty matters for pruning and not for quantization.",
    effect="`quantization_share` x gap under pruning - gap under quantization, at matched effective bits per weight; "
    "the gap is the loss of the hardest minus that of the easiest condition",
    supported="the gap under pruning is more than D, and the effect is above 0",
    contradicted="the gap under pruning is more than D, and the effect is below 0",
    source="arXiv 2310.02277, section 6",
    order=3,
)
EFFECT, PRUNING, QUANTIZATION = 0, 1, 2  # positions among the values of the statistic
DENSE_BITS = 16.0


def findings(evidence: Evidence) -> Iterator[Finding]:
    """For each ladder of conditions and each pair of a pruning and a quantization series: one finding at matched bits
    and, not primary, one at matched mean loss."""
    pairs = paired_ladders(evidence, prunes_small_weights, lambda curve: curve.series.kind in QUANTIZED)
    for pruned, quantized in pairs:
        for by in ("bits", "mean loss"):
            yield _finding(Block(evidence, pruned.curves), Block(evidence, quantized.curves), pruned, by)


def _finding(pruned: Block, quantized: Block, ladder: Ladder, by: str) -> Finding:
    other = pruned.evidence.setting_label(quantized.curves[0])
    named = {
        "unit": f"{ladder.unit}, against {other} at matched {by}",
        "primary": by == "bits",
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
    shown = (
        f"{name} {fit.estimate[at]:.3f} ({between(low[at], high[at])})"
        for name, at in (("pruning", PRUNING), ("quantization", QUANTIZATION))
    )
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
