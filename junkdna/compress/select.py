"""Exact selection of the k lowest scalars over many matrices, without sorting or joining them.

Every scalar gets a non-negative integer key. For magnitudes the key is the bit pattern of |w|, which for non-negative
IEEE floats grows with the value (16 bits of it for 16-bit weights). The k-th smallest key is found in one pass: a
sample brackets it, the pass counts the keys below the bracket and keeps those inside, and selects among these. Where
the sample misleads, the key is found by bisection on counts, a pass for each bit at worst: slower, and as exact. One
more pass makes the masks. Nothing is drawn at random. Memory: one part of keys (`parts`), the sample, and the keys
inside the bracket (less than 1 % of those of a large model).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from junkdna.compress.checks import checked_parts
from junkdna.compress.chunks import flat_parts, part_lengths, recut

UNSAMPLED = 2**16
"""Up to so many scalars all are kept in the one pass, and no sample is taken."""
SAMPLE = 2**19
"""Keys in the sample of a large model, about. More would take longer to sort, fewer make the bracket wider."""
SAMPLE_STEP = 64
"""At least so many scalars to one of the sample."""
DEVIATIONS = 5
"""Half width of the bracket in standard deviations of the sampled quantile: a miss costs passes, so it is rare."""

KEY_DTYPES = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


class Order(NamedTuple):
    """The order in which the scalars of some matrices are pruned: the lowest key first, of equal ones the earlier.

    `shapes` are those of the matrices, in order. `key_parts` gives the keys of all their scalars, row-major, as
    flat parts, the same on each call; they are at least 0 and below the largest value of their dtype. `sample`: some of
    the keys, or of keys distributed as they are, sorted; in the keys' dtype; empty where all are few.
    """

    shapes: dict[str, torch.Size]
    key_parts: Callable[[], Iterator[Tensor]]
    sample: Tensor

    @property
    def total(self) -> int:
        return sum(shape.numel() for shape in self.shapes.values())

    @property
    def top(self) -> int:
        """What every key is below."""
        return torch.iinfo(self.sample.dtype).max


def magnitude_order(weights: Mapping[str, Tensor], largest_first: bool = False) -> Order:
    """Smallest |w| first, or largest first. Matrices are on one device, of one or several dtypes.

    Raises `UserError` as `checks.check_weights` does. Weights are read anew on each pass, unless all are one part. What
    gives a matrix' mask (`keep_from`) has read that matrix for the last time when it yields the mask: it may be changed
    then.
    """
    parts = checked_parts(weights)
    shapes = {name: weight.shape for name, weight in weights.items()}
    total = sum(shape.numel() for shape in shapes.values())
    dtype = key_dtype(weights)
    highest = torch.iinfo(dtype).max - 1  # the keys of finite weights end below that of infinity, which is lower

    def keys(part: Tensor) -> Tensor:
        key = magnitude_keys(part, dtype)
        return highest - key if largest_first else key

    one_part = len(part_lengths(total, next(iter(weights.values())).device)) == 1
    step = max(SAMPLE_STEP, total // SAMPLE) | 1  # odd: it does not fall into step with the width of a matrix
    seen = [keys(part if one_part else part[::step]) for part in parts]
    sample = seen[0][::step] if one_part else torch.cat(seen)
    return Order(
        shapes,
        (lambda: iter(seen)) if one_part else (lambda: map(keys, flat_parts(weights))),
        sample[:0] if total <= UNSAMPLED else sample.sort().values,
    )


def key_dtype(weights: Mapping[str, Tensor]) -> torch.dtype:
    """The narrowest integers that tell all the magnitudes apart: 16 bits where all are of one 16-bit dtype."""
    dtypes = {weight.dtype for weight in weights.values()}
    if len(dtypes) == 1:
        return KEY_DTYPES[dtypes.pop()]
    return torch.int64 if torch.float64 in dtypes else torch.int32


def magnitude_keys(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Bit patterns of |w| as integers of `dtype` (see `key_dtype`), a new tensor of the weight's shape; w is finite.

    float16, bfloat16 and float32 cast to float32, and any of them to float64, without rounding: the order is exact.
    """
    wide = {torch.int16: weight.dtype, torch.int32: torch.float32, torch.int64: torch.float64}[dtype]
    return weight.detach().to(wide).view(dtype) & torch.iinfo(dtype).max


def keep_all_but_lowest(order: Order, count: int) -> Iterator[tuple[str, Tensor]]:
    """(name, bool mask of its shape, on its device) of each matrix, False at exactly the first `count` of the order.

    Among equal keys at the threshold the earlier matrix goes first, then the lower row-major index. So the pruned
    sets are nested: what a smaller count prunes, a larger one prunes too. The threshold is found before this returns,
    the masks when they are asked for.
    """
    threshold, ties = kth_lowest(order, count) if count else (0, 0)
    return keep_from(order, threshold, ties)


def keep_from(order: Order, threshold: int, ties: int = 0) -> Iterator[tuple[str, Tensor]]:
    """(name, mask) of each matrix, False where a key is below `threshold`, and at the first `ties` keys equal to it."""
    kept = recut(_kept(order, threshold, ties), (shape.numel() for shape in order.shapes.values()))
    for (name, shape), flat in zip(order.shapes.items(), kept, strict=True):
        yield name, flat.view(shape)


def _kept(order: Order, threshold: int, ties: int) -> Iterator[Tensor]:
    for key in order.key_parts():
        if not ties:
            yield key >= threshold
            continue
        equal = key == threshold
        here = int(equal.count_nonzero())
        kept = key > threshold
        if here > ties:
            kept |= equal
            kept[equal.nonzero().flatten()[:ties]] = False
        ties -= min(here, ties)
        yield kept
    assert ties == 0, "the keys changed between passes"


def kth_lowest(order: Order, k: int) -> tuple[int, int]:
    """(the k-th lowest key, how many of the keys equal to it are among the k lowest); k counts from 1."""
    assert 1 <= k <= order.total, f"rank {k} of {order.total} keys"
    low, high = _bracket(order, k)
    to_low, inside = _count_and_gather(order, low, high)
    if inside is None:
        return _bisect(order, k, below=-1, fewer=0, value=order.top, probe=low)
    rank = k - to_low
    if rank < 1:  # many keys may equal `low`, so that is asked first
        return _bisect(order, k, below=-1, fewer=0, value=low, probe=low - 1)
    if rank > len(inside):
        return _bisect(order, k, below=high - 1, fewer=to_low + len(inside), value=order.top, probe=high)
    value = int(inside.topk(rank, largest=False, sorted=False).values.max())
    return value, rank - int((inside < value).count_nonzero())


def _bracket(order: Order, k: int) -> tuple[int, int]:
    """Two keys, low < high, between which the k-th lowest should lie, and few others with it.

    The position of a quantile q in a sample of n has the standard deviation sqrt(n q (1 - q)). A key that many scalars
    share is at one end of the bracket, not inside it.
    """
    count = len(order.sample)
    if count == 0:
        return -1, order.top
    quantile = k / order.total
    margin = DEVIATIONS * math.sqrt(count * quantile * (1 - quantile)) + 1
    first, last = math.floor(quantile * count - margin), math.ceil(quantile * count + margin)
    low = int(order.sample[first]) if first >= 0 else -1
    high = int(order.sample[last]) if last < count else order.top
    return low, max(high, low + 1)


def _count_and_gather(order: Order, low: int, high: int) -> tuple[int, Tensor | None]:
    """(how many keys are at most `low`, the keys strictly between). None for them where they are far more than the
    bracket is made for (twice its width at the median), so that memory stays bounded: then the count is of no use."""
    limit = 2 * DEVIATIONS * order.total / math.sqrt(len(order.sample)) if len(order.sample) else order.total
    to_low, inside, held = [], [], 0
    for key in order.key_parts():
        under = key <= low
        to_low.append(under.count_nonzero())
        inside.append(_chosen(key, under ^ (key < high)))
        held += len(inside[-1])
        if held > limit:
            return 0, None
    return int(torch.stack(to_low).sum()), torch.cat(inside)


def _chosen(key: Tensor, where: Tensor) -> Tensor:
    """key[where]; through numpy on the CPU, which skips what is not chosen about ten times faster."""
    if key.device.type == "cpu":
        return torch.from_numpy(key.numpy()[where.numpy()])
    return key[where]


def _bisect(order: Order, k: int, *, below: int, fewer: int, value: int, probe: int) -> tuple[int, int]:
    """`kth_lowest` of what lies in (below, value], by counting; `fewer` < k keys are at most `below`. The key `probe`,
    below <= probe <= value, is asked first."""
    while value - below > 1:
        if below < probe < value:
            counts = [(key <= probe).count_nonzero() for key in order.key_parts()]
            count = int(torch.stack(counts).sum())
            below, fewer, value = (probe, count, value) if count < k else (below, fewer, probe)
        probe = (below + value) // 2
    return value, k - fewer
