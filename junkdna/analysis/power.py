"""How large an effect a study would find, and how many seeds or examples it would take to find a given one."""

import numpy as np

from junkdna.analysis.intervals import Fit

POWER_QUANTILE = 0.8416  # of the normal distribution: power 80 %
NORMAL_QUANTILE = 1.96
MOST_SEEDS = 50  # more are not suggested


def detectable(fit: Fit, at: int, margin: float, seeds: int | None = None, scale: float = 1.0) -> float:
    """The effect found in about 80 % of studies like this one, for value `at` of a fit.

    margin + sqrt(t^2 V1 / S + h^2) + 0.84 sqrt(V1 / S + (h / 1.96)^2), with V1 / S the variance between seeds and h
    the half-width of the interval over examples. `seeds` and `scale` (times as many examples) give it for another
    study: h shrinks with the root of the number of examples. A few pilot seeds know V1 poorly, so it is approximate.
    """
    return _detectable(fit, float(fit.example_half_width()[at]), at, margin, seeds or fit.seeds, scale)


def _detectable(fit: Fit, half: float, at: int, margin: float, seeds: int, scale: float = 1.0) -> float:
    half = half / np.sqrt(scale)
    variance = float(fit.seed_variance[at]) * fit.seeds / seeds
    return float(
        margin
        + _half_width(variance, half, seeds)
        + POWER_QUANTILE * np.hypot(np.sqrt(variance), half / NORMAL_QUANTILE)
    )


def _half_width(variance: float, half: float, seeds: int) -> float:
    if seeds == 1:
        return half
    from scipy.special import stdtrit

    return float(np.sqrt(stdtrit(seeds - 1, 0.975) ** 2 * variance + half**2))


def seeds_needed(fit: Fit, at: int, margin: float) -> int | None:
    """The fewest seeds, from 2 to 50, that would find an effect of three margins. None if more are needed or if
    nothing in the fit depends on the seed."""
    if fit.seeds == 1 or not np.isfinite(fit.seed_variance[at]):
        return None
    half = float(fit.example_half_width()[at])
    found = (n for n in range(2, MOST_SEEDS + 1) if _detectable(fit, half, at, margin, n) <= 3 * margin)
    return next(found, None)


def examples_needed(fit: Fit, at: int, margin: float, examples: int) -> int | None:
    """The fewest examples, to two digits, that would find an effect of three margins with as many seeds; None if no
    number of examples would."""
    half = float(fit.example_half_width()[at])
    for factor in np.geomspace(1, 1000, 301):
        if _detectable(fit, half, at, margin, fit.seeds, factor) <= 3 * margin:
            return int(float(f"{examples * factor:.2g}"))
    return None
