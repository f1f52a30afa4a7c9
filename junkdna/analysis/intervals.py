"""Intervals and p-values of a statistic of seed-averaged scores.

Two sources of uncertainty are measured separately and then combined. Examples: percentiles [l, u] of a bootstrap, in
which an undefined replicate counts against each limit. Seeds: the jackknife variance V = (S - 1) / S sum_s (T_(-s) -
mean)^2, where T_(-s) leaves seed s out of all cells at once. The limits for an estimate T and S seeds are

    low = T - sqrt(t^2 V + (T - l)^2),   high = T + sqrt(t^2 V + (u - T)^2)

with t the quantile of Student's t with S - 1 degrees of freedom (MOVER: Zou and Donner 2008, doi 10.1002/sim.3095).
With one seed they are the percentiles. Where some cells lack seeds, t has the degrees of freedom of the
fewest seeds. `benchmarks/claims_calibration.py` measures their coverage.

Shapes: c scores, t values of the statistic, r replicates, s seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

Array = np.ndarray
Statistic = Callable[[Array], Array]
BISECTIONS = 30  # of log p between the smallest p-value and 0.5: exact to a factor of 1 + 1e-8


@dataclass(frozen=True)
class Panel:
    """Seed-averaged scores of some cells: their values (c,), bootstrap replicates (c, r), and `left_out` (c, s), the
    scores without each seed (s is 0 if there is only one seed). `fewest_seeds` is that of the group of several cells
    that has the fewest; None if all have s."""

    value: Array
    replicates: Array
    left_out: Array
    fewest_seeds: int | None = None

    @property
    def seeds(self) -> int:
        """Number of seeds: the fewest of any group of several cells."""
        return self.fewest_seeds or max(self.left_out.shape[1], 1)

    def fit(self, statistic: Statistic) -> "Fit":
        """Estimate of a statistic, which maps scores (c, k) to values (t, k), for any number k of columns.

        Where the statistic is undefined it gives NaN.
        """
        with np.errstate(all="ignore"):
            estimate = np.asarray(statistic(self.value[:, None]), float)[:, 0]
            replicates = np.asarray(statistic(self.replicates))
            replicates = np.sort(np.where(np.isfinite(replicates), replicates, np.nan), axis=1)  # NaN sorts last
            variance = np.zeros(len(estimate))
            if (columns := self.left_out.shape[1]) > 1:
                values = np.asarray(statistic(self.left_out), float)
                squares = (values - values.mean(axis=1, keepdims=True)) ** 2
                variance = (columns - 1) / columns * squares.sum(axis=1)
        return Fit(estimate, replicates, np.where(np.isfinite(variance), variance, np.inf), self.seeds)


@dataclass(frozen=True)
class Fit:
    """Estimates (t,) of a statistic, its sorted replicates (t, r), and its variance (t,) between `seeds` seeds."""

    estimate: Array
    replicates: Array
    seed_variance: Array
    seeds: int

    def limits(self, confidence: float | Array = 0.95) -> tuple[Array, Array]:
        """Lower and upper limit (t,) of the two-sided interval; infinite where it is unbounded.

        `confidence` is one number or one per value.
        """
        tail = np.broadcast_to((1 - np.asarray(confidence, float)) / 2, self.estimate.shape)
        return self._limit(tail, upper=False), self._limit(tail, upper=True)

    def _limit(self, tail: Array, upper: bool) -> Array:
        """One limit (t,), beyond which the chance is `tail`."""
        end = self._percentile(1 - tail if upper else tail, upper)
        if self.seeds == 1:
            return end
        side = 1 if upper else -1
        with np.errstate(all="ignore"):
            seed_part = _t_quantile(1 - tail, self.seeds - 1) ** 2 * self.seed_variance
            return self.estimate + side * np.sqrt(seed_part + np.maximum(side * (end - self.estimate), 0) ** 2)

    def p_above(self, bound: float) -> Array:
        """One-sided p-value (t,) of "the value is at most `bound`": the smallest level at which its lower limit is
        above it, between 1 / (r + 1) and 0.5; 1 where the estimate is not above it or is undefined."""
        return np.where(self.estimate > bound, self._smallest(lambda p: self._limit(p, upper=False) > bound), 1.0)

    def p_below(self, bound: float) -> Array:
        """One-sided p-value (t,) of "the value is at least `bound`", as `p_above`."""
        return np.where(self.estimate < bound, self._smallest(lambda p: self._limit(p, upper=True) < bound), 1.0)

    def _smallest(self, rejected: Callable[[Array], Array]) -> Array:
        """The smallest one-sided level (t,) at which `rejected` holds, by bisection of its logarithm.

        r replicates say nothing about levels below 1 / (r + 1).
        """
        count, least = len(self.estimate), 1 / (self.replicates.shape[1] + 1)
        low, high = np.full(count, least), np.full(count, 0.5)
        for _ in range(BISECTIONS):
            middle = np.sqrt(low * high)
            holds = rejected(middle)
            low, high = np.where(holds, low, middle), np.where(holds, middle, high)
        return high

    def example_half_width(self) -> Array:
        """Half the width (t,) of the 95 % interval over examples alone."""
        low, high = (self._percentile(np.full(self.estimate.shape, p), p > 0.5) for p in (0.025, 0.975))
        return (high - low) / 2

    @cached_property
    def _undefined(self) -> Array:
        """Number of undefined replicates (t,)."""
        return np.isnan(self.replicates).sum(axis=1)

    def _percentile(self, p: Array, upper: bool) -> Array:
        """Percentiles (t,) of the replicates by linear interpolation. Undefined replicates count as minus infinity for
        a lower limit and as infinity for an upper one."""
        defined = self.replicates.shape[1] - self._undefined
        position = p * (self.replicates.shape[1] - 1) - (0 if upper else self._undefined)
        first = np.clip(np.floor(position).astype(int), 0, np.maximum(defined - 1, 0))
        second = np.minimum(first + 1, np.maximum(defined - 1, 0))
        at = np.arange(len(self.replicates))
        low, high = self.replicates[at, first].astype(float), self.replicates[at, second].astype(float)
        inside = (position >= 0) & (position <= defined - 1)
        return np.where(inside, low + (high - low) * (position - first), np.inf if upper else -np.inf)


def _t_quantile(p: Array, degrees: int) -> Array:
    if np.ptp(p) == 0 and p.size:  # nearly always one level, and scipy's function is slow
        return np.full(p.shape, _one_t_quantile(float(p.flat[0]), degrees))
    from scipy.special import stdtrit

    return stdtrit(degrees, p)


@cache
def _one_t_quantile(p: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, p))


def finite(value: float | None) -> float | None:
    """The value as a table shows it: None for an unbounded limit and for an undefined value."""
    return float(value) if value is not None and np.isfinite(value) else None


def wilson(score: float, examples: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a fraction of independent examples (Wilson 1927, doi 10.2307/2276774).

    For a displayed score of exactly 0 or 1, at which every bootstrap replicate is equal.
    """
    z2 = _normal_quantile() ** 2
    middle = (score + z2 / (2 * examples)) / (1 + z2 / examples)
    half = np.sqrt(z2 * (score * (1 - score) / examples + z2 / (4 * examples**2))) / (1 + z2 / examples)
    return float(np.clip(middle - half, 0, 1)), float(np.clip(middle + half, 0, 1))


@cache
def _normal_quantile() -> float:
    from scipy.special import ndtri

    return float(ndtri(0.975))
