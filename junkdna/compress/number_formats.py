"""Rounding to number formats (`study.number_formats`): the values of their elements, and the scales of their blocks.

Sources:
- E2M1, E8M0 and MXFP4: OCP Microscaling Formats (MX) specification 1.0, sections 5.3 and 6.3.
- E4M3: OCP 8-bit Floating Point specification (OFP8) 1.0; Micikevicius et al. 2022, arXiv 2209.05433.
- NVFP4: NVIDIA 2025, Pretraining Large Language Models with NVFP4, arXiv 2509.25149, appendix.
- NF4: Dettmers et al. 2023, QLoRA, arXiv 2305.14314, appendix E.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from junkdna.errors import UserError
from junkdna.study.number_formats import NUMBER_FORMATS, NumberFormat

E8M0_RANGE = (2.0**-127, 2.0**127)
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


def float_values(exponent_bits: int, mantissa_bits: int, nans: int) -> tuple[float, ...]:
    """The values of a small float with a sign, ascending, 0 once.

    The bias is 2^(exponent_bits - 1) - 1, and the exponent 0 is that of subnormal numbers. Of each sign, the `nans`
    largest codes are not numbers. There is no infinity.
    """
    bias, steps = 2 ** (exponent_bits - 1) - 1, 2**mantissa_bits
    codes = range(2 ** (exponent_bits + mantissa_bits) - nans)
    parts = (divmod(code, steps) for code in codes)
    values = [
        (1 + mantissa / steps) * 2.0 ** (exponent - bias) if exponent else mantissa / steps * 2.0 ** (1 - bias)
        for exponent, mantissa in parts
    ]
    return (*(-value for value in values[:0:-1]), *values)


ELEMENTS = {"e2m1": float_values(2, 1, nans=0), "e4m3": float_values(4, 3, nans=1), "nf4": NF4}
"""The values of every type of element, ascending."""


class Table(NamedTuple):
    """The values of an element, ascending, and the boundaries between neighbors: a number up to a boundary is rounded
    down, a larger one up.
    """

    values: Tensor
    boundaries: Tensor


def table(element: str, like: Tensor) -> Table:
    """The table of an element in the dtype, float32 or float64, and on the device of a tensor.

    A number halfway between two values of a float goes to the one with the even code. There is one boundary for this:
    the half itself if the lower value is even, else the next smaller number. Halves of NF4 go to the lower value, as in
    bitsandbytes.
    """
    values = torch.tensor(ELEMENTS[element], dtype=torch.float64)
    halves = ((values[1:] + values[:-1]) / 2).to(like.dtype)
    even = torch.tensor(_lower_is_even(element))
    boundaries = torch.where(even, halves, halves.nextafter(torch.full_like(halves, -torch.inf)))
    return Table(values.to(like), boundaries.to(like.device))


@cache
def _lower_is_even(element: str) -> list[bool]:
    """Of each two neighbors, whether a half goes to the lower one."""
    values = ELEMENTS[element]
    zero = values.index(0)  # has code 0; codes grow by 1 with every step away from it
    return [element == "nf4" or (at - zero) % 2 == 0 for at in range(len(values) - 1)]


def nearest_value(numbers: Tensor, values: Tensor, boundaries: Tensor) -> Tensor:
    """The value of a `Table` nearest to each number. Numbers beyond the ends become the ends: nothing overflows."""
    return values[torch.bucketize(numbers.contiguous(), boundaries, out_int32=True)]


def nearest(weights: Tensor, scale: Tensor, values: Tensor, boundaries: Tensor) -> Tensor:
    """The nearest value, times the scale, of each weight. The block is the first dimension of the weights, or they are
    one of each block, without it; `scale` has the others. 0 stays 0, and -0 becomes 0.
    """
    return nearest_value(weights / scale, values, boundaries) * scale


def power_floor(numbers: Tensor) -> Tensor:
    """The largest power of two that is not above each positive number: exact, as a logarithm would not be."""
    return numbers / (2 * numbers.frexp().mantissa)


class BlockScales:
    """The scales of the blocks of one matrix, computed on its device without waiting for it.

    `weight` is the (out, in) matrix before rounding, float32 or float64. With `per_channel`, a format without blocks
    has one scale per row, otherwise one for the matrix.
    """

    def __init__(self, form: NumberFormat, weight: Tensor, per_channel: bool) -> None:
        self._form, self._per_tensor = form, not (form.block or per_channel)
        self._table = table(form.element, weight)
        self._top = self._table.values[-1]
        self._tiny = torch.finfo(weight.dtype).tiny
        self._none = torch.finfo(weight.dtype).max
        if form.tensor_scale:
            self._scales = table(form.scale, weight)
            self._tensor_scale = (weight.abs().amax() / (self._top * self._scales.values[-1])).clamp(min=self._tiny)

    def fit(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The scales and the table, as `nearest` takes them, of blocks along the first dimension.

        With a, the largest |w| of a block, and m, the largest value of an element (6 for E2M1, 448 for E4M3, 1 for
        NF4):
        - float32: a / m. It is in the dtype of the weights.
        - E8M0: 2^(floor(log2 a) - floor(log2 m)), between 2^-127 and 2^127. This is the rule of MX, section 6.3: a lies
          between 4 and 8 scales, and E2M1 cuts it at 6. Variants of later papers round the exponent up or to nearest.
        - E4M3: a / m, as a multiple of the tensor scale, rounded to E4M3. The tensor scale is the largest |w| of the
          original matrix / (448 m), so that its block gets the largest E4M3 scale.

        A block of zeros, or of weights so small that the scale would be 0 or not a normal number, becomes 0.
        """
        largest = weights.abs().amax(dim=0)
        if self._per_tensor:
            largest = largest.amax().expand_as(largest)
        return self._scale(largest), *self._table

    def _scale(self, largest: Tensor) -> Tensor:
        if self._form.scale == "e8m0":
            return self._power(largest)
        scale = largest / self._top
        if self._form.tensor_scale:
            scale = nearest_value(scale / self._tensor_scale, *self._scales) * self._tensor_scale
        return scale.masked_fill(scale < self._tiny, self._none)  # all weights of the block round to 0 with it

    def _power(self, largest: Tensor) -> Tensor:
        low, high = E8M0_RANGE
        top = power_floor(self._top)
        return (power_floor(largest.maximum(low * top)) / top).clamp(max=high)


def check_block(inputs: int, name: str) -> int:
    """The number of consecutive inputs of a row that share a scale in a format.

    Raises `UserError` unless it divides the inputs. Some libraries fill the last block with zeros instead; its bits
    would be counted incorrectly.
    """
    block = NUMBER_FORMATS[name].block or inputs
    if inputs % block:
        fitting = [other for other, form in NUMBER_FORMATS.items() if inputs % (form.block or 1) == 0]
        raise UserError(
            f"the blocks of {block} inputs of {name} do not divide the {inputs} inputs of a row. The format fixes "
            f"them: use {' or '.join(fitting)}, or an integer format (int2 to int8) with a `group` that divides the "
            "inputs."
        )
    return block
