"""Exact selection of the k lowest scalars over many matrices, without sorting or joining them.

Every scalar gets a non-negative integer key. For magnitudes the key is the bit pattern of |w|, which for non-negative
IEEE floats grows with the value. The k-th smallest key is found by radix select: a histogram of the keys' highest 16
bits over all matrices picks one bin, a histogram of the next 16 bits inside that bin picks the next, until the key is
known to the last bit (two passes for 32-bit keys, four for 64-bit ones). Memory: one matrix of keys and 2^16 counters.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

Keys = Callable[[], Iterable[tuple[str, Tensor]]]
"""Gives (name, integer keys >= 0) of each matrix, in the fixed order; called once a pass, the same keys each time."""

DIGIT_BITS = 16


def key_dtype(weights: Mapping[str, Tensor]) -> torch.dtype:
    """int64 if any matrix is float64, else int32: the narrowest keys that tell all the magnitudes apart."""
    return torch.int64 if any(weight.dtype == torch.float64 for weight in weights.values()) else torch.int32


def magnitude_keys(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Bit patterns of |w| as integers of `dtype` (see `key_dtype`), row-major, of the weight's shape; w is finite.

    float16, bfloat16 and float32 cast to float32, and any of them to float64, without rounding: the order is exact.
    """
    wide = torch.float64 if dtype == torch.int64 else torch.float32
    return weight.detach().to(wide).abs().contiguous().view(dtype)


def kth_smallest(keys: Keys, k: int, dtype: torch.dtype) -> tuple[int, int]:
    """(the k-th smallest key, how many of the keys equal to it are among the k smallest); k counts from 1."""
    bits = torch.iinfo(dtype).bits
    prefix, rank = 0, k
    for shift in range(bits - DIGIT_BITS, -1, -DIGIT_BITS):
        counts = torch.zeros(2**DIGIT_BITS, dtype=torch.int64)
        for _, key in keys():
            flat = key.flatten()
            if shift + DIGIT_BITS < bits:
                flat = flat[(flat >> (shift + DIGIT_BITS)) == prefix]
            digits = (flat >> shift) & (2**DIGIT_BITS - 1)
            counts += torch.bincount(digits, minlength=2**DIGIT_BITS).cpu()
        up_to = counts.cumsum(0)
        digit = int(torch.searchsorted(up_to, rank))
        assert digit < 2**DIGIT_BITS, f"rank {k} asked for, fewer keys given"
        rank -= int(up_to[digit] - counts[digit])
        prefix = (prefix << DIGIT_BITS) | digit
    return prefix, rank


def keep_all_but_lowest(keys: Keys, count: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Bool masks of the keys' shapes, on their devices, False at exactly the `count` lowest keys over all matrices.

    Among equal keys at the threshold the earlier matrix goes first, then the lower row-major index. So the pruned
    sets are nested: what a smaller count prunes, a larger one prunes too.
    """
    threshold, ties_left = kth_smallest(keys, count, dtype) if count else (-1, 0)
    masks = {}
    for name, key in keys():
        kept = key >= threshold
        ties = (key == threshold).flatten().nonzero().flatten()[:ties_left]
        kept.view(-1)[ties] = False
        ties_left -= len(ties)
        masks[name] = kept
    assert ties_left == 0, "the keys changed between passes"
    return masks
