"""Linear interpolation between the levels of a curve, for scores with many replicates."""

from itertools import pairwise

import numpy as np

from junkdna.analysis.retention import EQUAL

Array = np.ndarray


def segment(at: float, points: Array) -> tuple[int, int] | None:
    """Positions of the two neighbors among `points` (in order along the curve) that enclose `at`, the first such pair
    that differs; None if `at` is outside."""
    for first, (start, end) in enumerate(pairwise(points)):
        if abs(end - start) > EQUAL and min(start, end) - EQUAL <= at <= max(start, end) + EQUAL:
            return first, first + 1
    return None


def along(x: Array, points: Array, values: Array, between: tuple[int, int]) -> Array:
    """Value at `x` on the line through two neighbors of a curve.

    `x` has shape (r,), `points` (l, r), `values` (..., l, r). The neighbors are chosen once, from the point estimates,
    so in a replicate in which x moves past one of them, the line is extended. NaN in replicates in which both neighbors
    are equal.
    """
    first, second = between
    step = points[second] - points[first]
    weight = np.divide(x - points[first], step, out=np.full(np.shape(step), np.nan), where=np.abs(step) > EQUAL)
    return values[..., first, :] * (1 - weight) + values[..., second, :] * weight
