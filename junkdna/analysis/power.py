"""How large an effect a study would find, and how many seeds or examples it would take to find a given one."""

import numpy as np

from junkdna.analysis.intervals import Fit

Array = np.ndarray
POWER_QUANTILE = 0.8416  # of the normal distribution: power 80 %
NORMAL_QUANTILE = 1.96
MOST_SEEDS = 50  # more are not suggested


def detectable(fit: Fit, at: int, margin: float, seeds: int | None = None, scale: float = 1.0) -> float:
    """The effect found in about 80 % of studies like this one, for value `at` of a fit.

    margin + sqrt(t^2 V1 / S + h^2) + 0.84 sqrt(V1 / S + (h / 1.96)^2), with V1 / S the variance between seeds and h
    the half-width of the interval over examples. `seeds` and `scale` (times as many examples) give it for another
    study: h shrinks with the root of the number of examples. A few pilot seeds know V1 poorly, so it is approximate.
    """
    return float(_detectable(fit, at, margin, seeds or fit.seeds, scale))


def _detectable(fit: Fit, at: int, margin: float, seeds: Array, scale: Array = 1.0) -> Array:
    """The same for many numbers of seeds or scales at once."""
    half = fit.example_half_width()[at] / np.sqrt(scale)
    variance = fit.seed_variance[at] * fit.seeds / seeds
    power = POWER_QUANTILE * np.hypot(np.sqrt(variance), half / NORMAL_QUANTILE)
    return margin + _half_width(variance, half, seeds) + power


def _half_width(variance: Array, half: Array, seeds: Array) -> Array:
    if np.all(seeds == 1):
        return half
    from scipy.special import stdtrit

    return np.sqrt(stdtrit(seeds - 1, 0.975) ** 2 * variance + half**2)


def seeds_needed(fit: Fit, at: int, margin: float) -> int | None:
    """The fewest seeds, from 2 to 50, that would find an effect of three margins. None if more are needed or if
    nothing in the fit depends on the seed."""
    if fit.seeds == 1 or not np.isfinite(fit.seed_variance[at]):
        return None
    counts = np.arange(2, MOST_SEEDS + 1)
    found = counts[_detectable(fit, at, margin, counts) <= 3 * margin]
    return int(found[0]) if found.size else None


def examples_needed(fit: Fit, at: int, margin: float, examples: int) -> int | None:
    """The fewest examples, to two digits, that would find an effect of three margins with as many seeds; None if no
    number of examples would."""
    factors = np.geomspace(1, 1000, 301)
    found = factors[_detectable(fit, at, margin, fit.seeds, factors) <= 3 * margin]
    return int(float(f"{examples * found[0]:.2g}")) if found.size else None
