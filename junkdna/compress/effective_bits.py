"""Effective bits per weight: the size of a compressed matrix on disk, so that different methods share one axis.

Counts the smallest simple format of each method, with 16 bits for every number stored as a number (weights, group
scales, factors), in whatever dtype the run computed; number formats fix the bits of their scales. This is a
calculation: nothing is stored in these formats, and they imply no speedup. A matrix that would take more than
DENSE_BITS per weight counts as stored dense.
"""

import math
from collections.abc import Iterable

from junkdna.study.number_formats import NUMBER_FORMATS, SCALE_BITS

DENSE_BITS = 16


def sparse_bits(kept_share: float) -> float:
    """Unstructured pruning: 16 kept_share + 1, for the kept weights in 16 bits and a bitmask of all weights."""
    assert 0 <= kept_share <= 1, kept_share
    return min(DENSE_BITS, DENSE_BITS * kept_share + 1)


def keep_of_bits(keep: int, of: int) -> float:
    """N:M sparsity (n of m kept): 16 n/m + ceil(log2 C(m, n)) / m, for the kept weights and the pattern of each group.

    2 of 4 kept takes 8.75 by this formula; the layout that GPUs run stores two 2-bit indices per group and takes 9.
    """
    assert 0 <= keep <= of >= 1, (keep, of)
    index = (math.comb(of, keep) - 1).bit_length()  # ceil(log2), exactly
    return min(DENSE_BITS, (DENSE_BITS * keep + index) / of)


def quantized_bits(bits: int, group: int, inputs: int, outputs: int, symmetric: bool, act_order: bool) -> float:
    """Uniform grids of `bits` bits for groups of `group` inputs of each row (0: one group per row).

    b + (16 + b) / g, for the integers and, per group, a 16-bit scale and a b-bit zero point; b + 16 / g for a symmetric
    grid, which has no zero point. If groups follow the order of inputs by activation (`act_order`), + ceil(log2 groups)
    / outputs: each input stores the number of its group, once for all rows.
    """
    assert group == 0 or inputs % group == 0, (group, inputs)
    groups = inputs // group if group else 1
    shared = groups * (16 if symmetric else 16 + bits) / inputs
    index = (groups - 1).bit_length() / outputs if act_order else 0
    return min(DENSE_BITS, bits + shared + index)


def format_bits(name: str, inputs: int, outputs: int, act_order: bool, per_channel: bool) -> float:
    """A number format (`study.number_formats`): b + s / g, for elements of b bits and a scale of s bits for each block
    of g inputs, + 32 / (outputs inputs) for a tensor scale.

    NVFP4 takes 4 + 8/16, MXFP4 4 + 8/32 and NF4 4 + 32/64 (its scales are not quantized again). FP8 takes 8 + 32 /
    (outputs inputs), or 8 + 32 / inputs with one scale per row (`per_channel`). `act_order` as in `quantized_bits`.
    """
    form = NUMBER_FORMATS[name]
    assert form.block == 0 or inputs % form.block == 0, (form.block, inputs)
    shared = SCALE_BITS[form.scale] / (form.block or (inputs if per_channel else inputs * outputs))
    whole = SCALE_BITS["float32"] / (inputs * outputs) if form.tensor_scale else 0
    groups = inputs // form.block if form.block else 1
    index = (groups - 1).bit_length() / outputs if act_order else 0
    return min(DENSE_BITS, form.bits + shared + whole + index)


def low_rank_bits(rank: int, outputs: int, inputs: int) -> float:
    """Two factors of rank r: 16 r (outputs + inputs) / (outputs inputs); the singular values are multiplied into one of
    them.
    """
    assert 0 <= rank <= min(outputs, inputs), (rank, outputs, inputs)
    return min(DENSE_BITS, DENSE_BITS * rank * (outputs + inputs) / (outputs * inputs))


def mean_bits(matrices: Iterable[tuple[int, float]]) -> float:
    """Mean over (number of weights, bits per weight) of all matrices of a model; a dense matrix has DENSE_BITS."""
    matrices = list(matrices)
    return math.fsum(weights * bits for weights, bits in matrices) / sum(weights for weights, _ in matrices)
