"""The uniform grid of a group of weights, and rounding to its points."""

from typing import NamedTuple

import torch
from torch import Tensor


class Grid(NamedTuple):
    """Grids of many groups: the points of a group are scale * k for the integers k from lowest to highest.

    The three tensors have the same shape (one entry per group), dtype and device. lowest and highest contain integers
    with lowest <= 0 <= highest and highest - lowest = 2^bits - 1. A file would store the unsigned codes k - lowest,
    with the zero point -lowest.
    """

    scale: Tensor
    lowest: Tensor
    highest: Tensor


def fit(weights: Tensor, bits: int, symmetric: bool) -> Grid:
    """The grids of groups along the first dimension: (group, ...) gives grids of shape (...).

    Asymmetric: the range is l = min(0, min w) to h = max(0, max w), with scale = (h - l) / (2^bits - 1) and zero point
    round(-l / scale), in 0..2^bits - 1.

    Symmetric: l = -max|w| and h = max|w| give scale = 2 max|w| / (2^bits - 1), and k runs from -2^(bits-1) to
    2^(bits-1) - 1. This uses all 2^bits codes, at 2 bits too, where a scale of max|w| / (2^(bits-1) - 1) would use only
    three. The largest weights are half a step off this grid, so the rounding of two divisions would decide their code.
    The scale is therefore reduced by 4 units in the last place: every weight halfway between two points of a symmetric
    grid rounds away from 0, and -max|w| gets the outermost code.

    Both are the grids of the GPTQ code (IST-DASLab/gptq, quant.py, without its search for a smaller range) and of
    compressed-tensors, with one difference. For groups without negative weights, the GPTQ code uses the range 0..max|w|
    on the symmetric grid too, which clips their weights at about half the maximum. Here every symmetric grid is
    symmetric.

    The weights are float32 or float64, finite, and below half the largest number of their dtype; scales keep that
    dtype. The 16-bit scales of a file (which the effective bits count) are not simulated. Rounding a scale to float16
    would change a weight by up to 2^-11 of its value, less than rounding the weight to bfloat16 does (2^-9). The change
    would be larger for scales below 6e-5, float16's smallest normal number, which are common at 8 bits. A group of
    zeros, or of weights so small that the scale would not be a normal number, gets scale 1, so its weights become 0.
    """
    steps = 2**bits - 1
    low, high = torch.aminmax(weights, dim=0)
    low, high = low.clamp(max=0), high.clamp(min=0)
    if symmetric:
        high = torch.maximum(-low, high)
        low = -high
    scale = (high - low) / torch.full_like(high, steps)  # CUDA divides by a number as by its reciprocal
    if symmetric:
        scale = scale * (1 - 4 * torch.finfo(scale.dtype).eps)
    scale = scale.masked_fill(scale < torch.finfo(scale.dtype).tiny, 1)
    lowest = torch.full_like(scale, -(2 ** (bits - 1))) if symmetric else torch.round(low / scale)
    return Grid(scale, lowest, lowest + steps)


def nearest(weights: Tensor, grid: Grid) -> Tensor:
    """The nearest grid point of each weight. The group is the first dimension, or the tensor is one weight per group
    without it.

    round(w / scale), with halves to even (`torch.round`; see `fit` for those of the symmetric grid), clipped to
    lowest..highest. So 0 stays 0 on any grid. For weights in the range that the grid was fitted to, the error is at
    most scale / 2.
    """
    return torch.round(weights / grid.scale).clamp_(grid.lowest, grid.highest).mul_(grid.scale)


def cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values in a weight's dtype. A grid can extend half a step beyond the weights, so values are clipped to the
    dtype's range.
    """
    limits = torch.finfo(dtype)
    return values.clamp(limits.min, limits.max).to(dtype).contiguous()
