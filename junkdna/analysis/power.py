"""How large an effect a study would find, and how many seeds or examples it would take to find a given one."""

import numpy as np

from junkdna.analysis.intervals import Fit

Array = np.ndarray
POWER_QUANTILE = 0.8416  # of the normal distribution: power 80 %
NORMAL_QUANTILE = 1.96
MOST_SEEDS = 50  # more are not suggested


def detectable(fit: Fit, at: int, bound: float) -> float:
    """The effect that about 80 % of studies like this one show to be above `bound`, for value `at` of a fit.

    bound + sqrt(t^2 V1 / S + h^2) + 0.84 sqrt(V1 / S + (h / 1.96)^2), with V1 / S the variance between seeds and h
    the half-width of the interval over examples. A few pilot seeds know V1 poorly, so it is approximate.
    """
    return bound + float(_distance(fit, at, fit.seeds))


def _distance(fit: Fit, at: int, seeds: Array, scale: Array = 1.0) -> Array:
    """How far above a bound an effect must be, for numbers of seeds and `scale` times as many examples: h shrinks with
    the root of their number."""
    half = fit.example_half_width()[at] / np.sqrt(scale)
    variance = fit.seed_variance[at] * fit.seeds / seeds
    power = POWER_QUANTILE * np.hypot(np.sqrt(variance), half / NORMAL_QUANTILE)
    return _half_width(variance, half, seeds) + power


def _half_width(variance: Array, half: Array, seeds: Array) -> Array:
    if np.all(seeds == 1):
        return half
    from scipy.special import stdtrit

    return np.sqrt(stdtrit(seeds - 1, 0.975) ** 2 * variance + half**2)


def seeds_needed(fit: Fit, at: int, margin: float) -> int | None:
    """The fewest seeds, from 2 to 50, that would find an effect of two margins above the bound. None if more are needed
    or if nothing in the fit depends on the seed."""
    if fit.seeds == 1 or not np.isfinite(fit.seed_variance[at]):
        return None
    counts = np.arange(2, MOST_SEEDS + 1)
    found = counts[_distance(fit, at, counts) <= 2 * margin]
    return int(found[0]) if found.size else None


def examples_needed(fit: Fit, at: int, margin: float, examples: int) -> int | None:
    """The fewest examples, to two digits, that would find an effect of two margins above the bound with as many seeds;
    None if no number of examples would."""
    factors = np.geomspace(1, 1000, 301)
    found = factors[_distance(fit, at, fit.seeds, factors) <= 2 * margin]
    return int(float(f"{examples * found[0]:.2g}")) if found.size else None
