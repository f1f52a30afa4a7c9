"""How a level of quantization rounds a matrix: to integers or to a number format."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor

from junkdna.compress import number_formats, quant_grid
from junkdna.compress.checks import group_size
from junkdna.compress.number_formats import BlockScales, check_block
from junkdna.study.number_formats import NUMBER_FORMATS


class Rounding(NamedTuple):
    """The rounding of one matrix.

    - `group`: how many consecutive inputs of a row share a scale.
    - `fit(weights)`: tensors that say how to round groups along the first dimension; those with one entry per group
      have the shape of the others.
    - `nearest(weights, *fitted)`: the rounded weights. The same function for all matrices of a kind of level, so that
      CUDA captures it once (`column_sweep.sweep`).
    """

    group: int
    fit: Callable[[Tensor], tuple[Tensor, ...]]
    nearest: Callable[..., Tensor]


def rounding_of(weight: Tensor, level: int | str, group: int, symmetric: bool, per_channel: bool) -> Rounding:
    """The rounding of an (out, in) matrix, float32 or float64, at a level: bits, or the name of a number format.

    `group` and `symmetric` are for bits (`quant_grid.fit`), `per_channel` for formats without blocks
    (`number_formats.BlockScales`). Raises `UserError` if groups or blocks do not divide the inputs.
    """
    inputs = weight.shape[1]
    if isinstance(level, int):
        fit = partial(quant_grid.fit, bits=level, symmetric=symmetric)
        return Rounding(group_size(inputs, group), fit, _nearest_integer)
    block = check_block(inputs, level)
    return Rounding(block, BlockScales(NUMBER_FORMATS[level], weight, per_channel).fit, number_formats.nearest)


def _nearest_integer(weights: Tensor, scale: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    return quant_grid.nearest(weights, quant_grid.Grid(scale, lowest, highest))
