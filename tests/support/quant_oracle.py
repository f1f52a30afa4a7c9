"""Independent answers for the tests of quantization: one weight at a time, rounding in exact arithmetic, matrices
inverted as they stand in float64."""

import math
from fractions import Fraction

import numpy as np
import torch

from junkdna.compress.input_stats import InputStatistics


def to_even(value):
    return round(value)  # of a fraction: exact, halves to even


def away_from_zero(value):
    return math.floor(abs(value) + Fraction(1, 2)) * (1 if value > 0 else -1)


def points_of(values, bits, symmetric):
    """(scale, codes, rule for halves): the points of one group are scale * code; the scale is a fraction, exact."""
    values = [Fraction(value) for value in values]
    if symmetric:
        codes = range(-(2 ** (bits - 1)), 2 ** (bits - 1))
        return 2 * max(abs(value) for value in values) / (2**bits - 1), codes, away_from_zero
    low, high = min(0, *values), max(0, *values)
    scale = (high - low) / (2**bits - 1)
    zero_point = to_even(-low / scale) if scale else 0
    return scale, range(-zero_point, 2**bits - zero_point), to_even


def nearest_point(value, scale, codes, rule):
    if scale == 0:
        return 0.0
    return float(scale * min(max(rule(Fraction(value) / scale), codes[0]), codes[-1]))


def rtn(weight, bits, group, symmetric):
    """The rounded matrix of a nested list or array (out, in)."""
    rounded = []
    for row in np.asarray(weight, dtype=np.float64).tolist():
        size = group or len(row)
        rounded.append([])
        for first in range(0, len(row), size):
            grid = points_of(row[first : first + size], bits, symmetric)
            rounded[-1] += [nearest_point(value, *grid) for value in row[first : first + size]]
    return np.array(rounded)


def damped(gram):
    """The Hessian that GPTQ inverts: 1 % of the mean live diagonal added, dead inputs given a diagonal of 1."""
    hessian = np.array(gram, dtype=np.float64)
    dead = np.diag(hessian) == 0
    mean = np.diag(hessian)[~dead].mean()
    return hessian + np.diag(dead * 1.0 + 0.01 * mean)


def gptq(weight, gram, bits, group, symmetric, act_order=False):
    """`in_order` on the grids of integers."""
    return in_order(weight, gram, group, lambda values: points_of(values, bits, symmetric), nearest_point, act_order)


def in_order(weight, gram, group, fit, nearest, act_order=False):
    """Optimal brain quantization in a fixed order (Frantar et al. 2022, equations 2 and 3), row by row.

    `fit` gives the grid of the values of a group, and `nearest(value, *grid)` a point of it. Of the inputs not yet
    rounded, the first is; the others move by -(w - q) / [H^-1]_00 * [H^-1]_:0, where H^-1 is the inverse of the Hessian
    of those inputs, computed anew each time.
    """
    weight, hessian = np.array(weight, dtype=np.float64), damped(gram)
    inputs = weight.shape[1]
    size = group or inputs
    order = sorted(range(inputs), key=lambda j: (-gram[j][j], j)) if act_order else list(range(inputs))
    rounded = np.zeros_like(weight)
    for position, j in enumerate(order):
        left = order[position:]
        inverse = np.linalg.inv(hessian[np.ix_(left, left)])
        if position % size == 0:
            grids = [fit(row[order[position : position + size]].tolist()) for row in weight]
        for i, grid in enumerate(grids):
            rounded[i, j] = nearest(weight[i, j], *grid)
            weight[i, left] -= (weight[i, j] - rounded[i, j]) / inverse[0, 0] * inverse[:, 0]
    return rounded


def statistics_of(x, device="cpu"):
    """InputStatistics with a gram, of calibration tokens (tokens, inputs)."""
    statistics = InputStatistics(x.shape[1], gram=True, device=device)
    statistics.add(torch.as_tensor(x).to(device))
    return statistics


def correlated_tokens(rng, tokens, inputs):
    """Tokens of small whole numbers (exact in float32) whose inputs share a common part, so that errors travel."""
    return rng.integers(-4, 5, (tokens, inputs)) + rng.integers(-3, 4, (tokens, 1)) * rng.integers(0, 3, inputs)
