"""What a compressed model keeps of the dense model's performance, as functions of arrays of scores.

Scores have shape (..., k conditions, 1 + l levels, r replicates) with the dense model first; baselines have shape (k,),
or (k, r) if they are drawn with the scores.
"""

from functools import cache

import numpy as np

Array = np.ndarray
KNOWN_SHARE = 0.04  # a dense model that knows less is shown but not tested
EQUAL = 1e-6  # scores and losses that differ by less are equal: replicates have 32 bits
COMPARABLE_SHARE = 0.08  # known share from which d' of every condition is compared


def retention(scores: Array, baseline: Array) -> Array:
    """(score - baseline) / (dense - baseline) of every level, shape (..., k, l, r); NaN where dense is not above the
    baseline by more than `EQUAL`. It is not clipped: above 1 the compressed model is better than dense, below 0 it is
    under the baseline."""
    zero = np.asarray(baseline).reshape(len(baseline), 1, -1)
    above, kept = scores[..., :1, :] - zero, scores[..., 1:, :] - zero
    return ratio(kept, above)


def ratio(part: Array, whole: Array) -> Array:
    """part / whole; NaN where the whole is not above 0 by more than `EQUAL`."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > EQUAL)


def known_share(score: Array, baseline: Array, perfect: Array = 1.0) -> Array:
    """(score - baseline) / (perfect - baseline): 0 at the baseline, 1 at a perfect score (`study.metrics`)."""
    with np.errstate(all="ignore"):  # a bin of one class has a majority baseline of 1
        return (score - baseline) / (perfect - baseline)


def rank_contrast(count: int) -> Array:
    """Weights (count,) that sum to 0: the slope of a line through equally spaced conditions, times the distance of the
    hardest from the easiest. The weighted sum of losses is what the hardest loses more than the easiest."""
    ranks = np.arange(count) - (count - 1) / 2
    return ranks / (ranks**2).sum() * (count - 1)


def d_prime(score: Array, options: float | None, baseline: float | Array, perfect: float = 1.0) -> Array:
    """Sensitivity of a score, on which guessing does not matter.

    With m options, the d' of an observer with equal-variance normal noise who picks the largest of m values: score =
    integral of phi(x - d') Phi(x)^(m - 1) dx (Hacker and Ratcliff 1979, Perception & Psychophysics 26:168). Without a
    number of options, the probit of the known share. NaN below a known share of 0 and from a score of 1.
    """
    from scipy.special import ndtri

    if options is None:
        share = known_share(score, baseline, perfect)
        return np.where((share > 0) & (share < 1), ndtri(np.clip(share, 1e-9, 1 - 1e-9)), np.nan)
    grid, scores = _d_prime_table(round(float(options), 6))
    inside = (score > scores[0]) & (score < scores[-1])
    return np.where(inside, np.interp(score, scores, grid), np.nan)


@cache
def _d_prime_table(options: float) -> tuple[Array, Array]:
    """(d', score) on a grid of d' from 0 to 6 in steps of 0.01. The integral is a sum over x in steps of 0.02."""
    from scipy.special import ndtr

    d = np.arange(0, 6.01, 0.01)
    x = np.arange(-8, 14, 0.02)
    density = np.exp(-((x[None] - d[:, None]) ** 2) / 2) / np.sqrt(2 * np.pi)
    return d, (density * ndtr(x) ** (options - 1)).sum(axis=1) * 0.02
