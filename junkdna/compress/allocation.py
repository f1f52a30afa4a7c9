"""Divide an overall sparsity among blocks, and a number of pruned weights among matrices. Exact; imports no torch."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from junkdna.errors import UserError
from junkdna.study.levels import exact


def list_sparsities(sparsity: Fraction, weights: Sequence[int], relative: Sequence[float]) -> list[Fraction]:
    """The sparsity of each block: `relative`, scaled by one factor so that their mean is `sparsity`.

    `weights` are the numbers of weights of the blocks, in model order. The mean is
    weighted by them, so it is the sparsity of all blocks together. Some number of `relative` is above 0.

    Raises UserError if the list has another length, or if a block would have to lose more than all of its weights.
    """
    if len(relative) != len(weights):
        raise UserError(
            f"allocation lists {_counted(len(relative), 'number')} for {_counted(len(weights), 'compressed block')}. "
            "List one number for each block, in model order; blocks that `layers` leaves dense have none."
        )
    numbers = [exact(number) for number in relative]
    mean = _mean(numbers, weights)
    sparsities = [sparsity * number / mean for number in numbers]
    if max(sparsities) > 1:
        most = sparsities.index(max(sparsities))
        raise UserError(
            f"allocation cannot reach sparsity {float(sparsity):g}: number {most + 1} of the list, {relative[most]:g}, "
            f"would prune {100 * float(sparsities[most]):.1f} % of its block. Numbers are relative, and the highest "
            f"sparsity with this list is {_rounded_down(mean / max(numbers))}: use a lower sparsity or a flatter list."
        )
    return sparsities


def owl_sparsities(
    sparsity: Fraction, weights: Sequence[int], outlier_ratios: Sequence[Fraction], width: float
) -> list[Fraction]:
    """The sparsity of each block by outlier-weighed layerwise sparsity (OWL; Yin et al. 2023, arXiv 2310.05175).

    Blocks with more outliers are pruned less: s_b = s - c (D_b - D), with the outlier ratios D_b, mean D (weighted by
    the numbers of weights of the blocks), and c such that the farthest block is exactly `width` (the paper's lambda)
    from s. So all sparsities are in [s - lambda, s + lambda] with mean s, as the paper demands. Equal ratios give equal
    sparsities. The authors' code sets the distance from the lowest to the highest sparsity to 2 lambda, so one of them
    may be farther than lambda from s; both rules agree if the extremes are equally far from the mean.

    The study ensures lambda <= s <= 1 - lambda, so all sparsities are in 0..1.
    """
    mean = _mean(outlier_ratios, weights)
    farthest = max(abs(ratio - mean) for ratio in outlier_ratios)
    scale = exact(width) / farthest if farthest else 0
    sparsities = [sparsity - scale * (ratio - mean) for ratio in outlier_ratios]
    assert 0 <= min(sparsities) <= max(sparsities) <= 1, (sparsity, width)
    return sparsities


def divide(total: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers that sum to `total` in proportion to `shares`, by largest remainders (ties: the earlier name).

    Each is the exact share of the total, rounded down or up.
    """
    scale = Fraction(total) / sum(shares.values())
    targets = {name: share * scale for name, share in shares.items()}
    counts = {name: int(target) for name, target in targets.items()}
    by_remainder = sorted(targets, key=lambda name: counts[name] - targets[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def _mean(values: Sequence[Fraction], weights: Sequence[int]) -> Fraction:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / Fraction(sum(weights))


def _rounded_down(share: Fraction) -> str:
    return f"{int(share * 1000) / 1000:g}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
