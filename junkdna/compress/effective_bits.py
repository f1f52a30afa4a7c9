"""Effective bits a weight: what a compressed matrix would take on disk, so that unlike methods share one axis.

The count is of the smallest plain format of each method, with 16 bits for every number that is kept as a number
(weights, group scales, factors) whatever dtype the run computed in. It is a count on paper: nothing here is stored that
way, and no speed follows from it. A matrix that would take more than DENSE_BITS a weight is counted as stored dense.
"""

import math
from collections.abc import Iterable

DENSE_BITS = 16


def sparse_bits(kept_share: float) -> float:
    """Unstructured pruning: 16 kept_share + 1, kept weights in 16 bits and a bitmask over all of them."""
    assert 0 <= kept_share <= 1, kept_share
    return min(DENSE_BITS, DENSE_BITS * kept_share + 1)


def keep_of_bits(keep: int, of: int) -> float:
    """Keep n of m: 16 n/m + ceil(log2 C(m, n)) / m, kept weights and, for each group, which pattern it has.

    2 of 4 takes 8.75 by this formula; the layout that GPUs run keeps two 2-bit indices a group and takes 9.
    """
    assert 0 <= keep <= of >= 1, (keep, of)
    index = (math.comb(of, keep) - 1).bit_length()  # ceil(log2), exactly
    return min(DENSE_BITS, (DENSE_BITS * keep + index) / of)


def quantized_bits(bits: int, group: int, inputs: int, outputs: int, symmetric: bool, act_order: bool) -> float:
    """Uniform grids of `bits` bits over groups of `group` inputs of each row (0: one group a row).

    b + (16 + b) / g: the integers, and for each group a 16-bit scale and a b-bit zero point; b + 16 / g where the grid
    is symmetric and has no zero point. Where the groups follow an order of the inputs by activation (`act_order`),
    + ceil(log2 groups) / outputs: each input names its group, once for all rows.
    """
    assert group == 0 or inputs % group == 0, (group, inputs)
    groups = inputs // group if group else 1
    shared = groups * (16 if symmetric else 16 + bits) / inputs
    index = (groups - 1).bit_length() / outputs if act_order else 0
    return min(DENSE_BITS, bits + shared + index)


def low_rank_bits(rank: int, outputs: int, inputs: int) -> float:
    """Two factors of rank r: 16 r (outputs + inputs) / (outputs inputs), singular values inside one of them."""
    assert 0 <= rank <= min(outputs, inputs), (rank, outputs, inputs)
    return min(DENSE_BITS, DENSE_BITS * rank * (outputs + inputs) / (outputs * inputs))


def mean_bits(parts: Iterable[tuple[int, float]]) -> float:
    """Mean over a model of (number of weights, bits a weight) of each matrix; one left dense counts DENSE_BITS."""
    parts = list(parts)
    return math.fsum(weights * bits for weights, bits in parts) / sum(weights for weights, _ in parts)
