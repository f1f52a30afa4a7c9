"""The uniform grid of a group of weights: where its points lie, and rounding to them."""

from typing import NamedTuple

import torch
from torch import Tensor


class Grid(NamedTuple):
    """Grids of many groups: the points of a group are scale * k for the whole numbers k from lowest to highest.

    The three tensors share one shape (one entry a group), dtype and device; lowest and highest hold whole numbers with
    lowest <= 0 <= highest and highest - lowest = 2^bits - 1. What a file would store are unsigned codes k - lowest,
    with the zero point -lowest.
    """

    scale: Tensor
    lowest: Tensor
    highest: Tensor


def fit(weights: Tensor, bits: int, symmetric: bool) -> Grid:
    """The grids of the groups that lie along the first dimension: (group, ...) gives grids of shape (...).

    Asymmetric: from l = min(0, min w) to h = max(0, max w): scale = (h - l) / (2^bits - 1), zero point
    round(-l / scale), in 0..2^bits - 1. Symmetric: l = -max|w| and h = max|w| give scale = 2 max|w| / (2^bits - 1), and
    k runs from -2^(bits-1) to 2^(bits-1) - 1: all 2^bits codes are used, also at 2 bits, where a scale of
    max|w| / (2^(bits-1) - 1) would leave three. Its largest weights lie half a step off the grid, where the rounding of
    two divisions would decide; so the scale is made smaller by 4 units in the last place: every weight half-way between
    two points of a symmetric grid goes away from 0, -max|w| to the outermost code.
    Both are the grids of the GPTQ code (IST-DASLab/gptq, quant.py, without its search for a smaller range) and of
    compressed-tensors. One difference: the GPTQ code gives groups without a negative weight the range 0..max|w| on the
    symmetric grid too, which cuts their weights at about half the maximum; here every symmetric grid is symmetric.

    The weights are float32 or float64, finite and below half the largest number of their dtype; scales keep that dtype.
    That a file stores 16-bit scales (the effective bits count so many) is not simulated: in float16 it would move a
    weight by up to 2^-11 of itself, less than rounding the weight to bfloat16 does (2^-9), but more where a scale is
    below 6e-5, float16's smallest normal number, as at 8 bits it often is. A group of zeros, or of weights so small
    that the scale would be no normal number, gets scale 1, so that it becomes 0.
    """
    steps = 2**bits - 1
    low, high = torch.aminmax(weights, dim=0)
    low, high = low.clamp(max=0), high.clamp(min=0)
    if symmetric:
        high = torch.maximum(-low, high)
        low = -high
    scale = (high - low) / torch.full_like(high, steps)  # a number would be made a factor on CUDA, and round otherwise
    if symmetric:
        scale = scale * (1 - 4 * torch.finfo(scale.dtype).eps)
    scale = scale.masked_fill(scale < torch.finfo(scale.dtype).tiny, 1)
    lowest = torch.full_like(scale, -(2 ** (bits - 1))) if symmetric else torch.round(low / scale)
    return Grid(scale, lowest, lowest + steps)


def nearest(weights: Tensor, grid: Grid) -> Tensor:
    """The point of the grid for each weight; the group lies along the first dimension, or is one weight without it.

    round(w / scale), halves to the even number (`torch.round`; see `fit` for those of the symmetric grid), cut to
    lowest..highest. So 0 stays 0 on any grid. The result is at most scale / 2 from a weight in the range that the grid
    was fitted to.
    """
    return torch.round(weights / grid.scale).clamp_(grid.lowest, grid.highest).mul_(grid.scale)


def cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values in a weight's dtype. A grid can reach half a step beyond the weights: cut to what float16 holds."""
    limits = torch.finfo(dtype)
    return values.clamp(limits.min, limits.max).to(dtype).contiguous()
