"""Exact selection of the k lowest scalars over many matrices, without sorting or joining them.

Every scalar gets a non-negative integer key. For magnitudes the key is the bit pattern of |w|, which increases with the
value for non-negative IEEE floats (16 bits for 16-bit weights). The k-th smallest key is determined in one pass: a
sample brackets it, and the pass counts the keys below the bracket, keeps those inside, and selects among them. If the
sample is misleading, bisection on counts determines the key, with at worst one pass per bit: slower, but equally exact.
One more pass computes the masks. Nothing is drawn at random. Memory: one chunk of keys (`chunks`), the sample, and the
keys inside the bracket (less than 1 % of those of a large model).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from junkdna.compress.checks import checked_chunks
from junkdna.compress.chunks import chunk_lengths, flat_chunks, rechunk

UNSAMPLED = 2**16
"""Up to this number of scalars, the one pass keeps all of them and no sample is taken."""
SAMPLE = 2**19
"""Approximate number of keys in the sample of a large model. More take longer to sort; fewer widen the bracket."""
SAMPLE_STEP = 64
"""Minimum number of scalars per sampled key."""
DEVIATIONS = 5
"""Half width of the bracket in standard deviations of the sampled quantile. A miss costs passes, so it must be rare."""

KEY_DTYPES = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


class Order(NamedTuple):
    """The order in which the scalars of some matrices are pruned: the lowest key first, among equal keys the earlier
    scalar.

    `shapes` are those of the matrices, in order. `key_chunks` returns the keys of all scalars, row-major, as flat
    chunks, the same on each call; keys are at least 0 and below the largest value of their dtype. `sample` contains
    some of the keys, or keys with the same distribution, sorted, in the keys' dtype; it is empty if there are few keys.
    """

    shapes: dict[str, torch.Size]
    key_chunks: Callable[[], Iterator[Tensor]]
    sample: Tensor

    @property
    def total(self) -> int:
        return sum(shape.numel() for shape in self.shapes.values())

    @property
    def top(self) -> int:
        """An upper bound that no key reaches."""
        return torch.iinfo(self.sample.dtype).max


def magnitude_order(weights: Mapping[str, Tensor], largest_first: bool = False) -> Order:
    """Orders scalars by |w|, smallest or largest first. Matrices are on one device and may have several dtypes.

    Raises `UserError` as `checks.check_weights` does. Each pass reads the weights again, unless all fit into one chunk.
    When `keep_from` yields the mask of a matrix, that matrix has been read for the last time and may be changed.
    """
    chunks = checked_chunks(weights)
    shapes = {name: weight.shape for name, weight in weights.items()}
    total = sum(shape.numel() for shape in shapes.values())
    dtype = key_dtype(weights)
    highest = torch.iinfo(dtype).max - 1  # finite weights have keys below that of infinity, which is lower still

    def keys(chunk: Tensor) -> Tensor:
        key = magnitude_keys(chunk, dtype)
        return highest - key if largest_first else key

    one_chunk = len(chunk_lengths(total, next(iter(weights.values())).device)) == 1
    step = max(SAMPLE_STEP, total // SAMPLE) | 1  # odd, so that samples do not align with the columns of a matrix
    sampled = [keys(chunk if one_chunk else chunk[::step]) for chunk in chunks]
    sample = sampled[0][::step] if one_chunk else torch.cat(sampled)
    return Order(
        shapes,
        (lambda: iter(sampled)) if one_chunk else (lambda: map(keys, flat_chunks(weights))),
        sample[:0] if total <= UNSAMPLED else sample.sort().values,
    )


def key_dtype(weights: Mapping[str, Tensor]) -> torch.dtype:
    """The narrowest integer dtype that distinguishes all magnitudes: 16 bits if all weights share a 16-bit dtype."""
    dtypes = {weight.dtype for weight in weights.values()}
    if len(dtypes) == 1:
        return KEY_DTYPES[dtypes.pop()]
    return torch.int64 if torch.float64 in dtypes else torch.int32


def magnitude_keys(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Bit patterns of |w| as integers of `dtype` (see `key_dtype`): a new tensor of the weight's shape. w is finite.

    The order is exact, because casts of float16, bfloat16 and float32 to float32, and of any dtype to float64, do not
    round.
    """
    wide = {torch.int16: weight.dtype, torch.int32: torch.float32, torch.int64: torch.float64}[dtype]
    return weight.detach().to(wide).view(dtype) & torch.iinfo(dtype).max


def keep_all_but_lowest(order: Order, count: int) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, bool mask of the matrix's shape, on its device), False at exactly the first `count` scalars of the
    order.

    Among equal keys at the threshold, the earlier matrix and then the lower row-major index is pruned first. Pruned
    sets are therefore nested: what a smaller count prunes, a larger one prunes too. The threshold is computed before
    this returns, each mask when it is requested.
    """
    threshold, ties = kth_lowest(order, count) if count else (0, 0)
    return keep_from(order, threshold, ties)


def keep_from(order: Order, threshold: int, ties: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, mask), False where a key is below `threshold`, and at the first `ties` keys equal to it."""
    flats = rechunk(_flat_masks(order, threshold, ties), (shape.numel() for shape in order.shapes.values()))
    for (name, shape), flat in zip(order.shapes.items(), flats, strict=True):
        yield name, flat.view(shape)


def _flat_masks(order: Order, threshold: int, ties: int) -> Iterator[Tensor]:
    for key in order.key_chunks():
        if not ties:
            yield key >= threshold
            continue
        equal = key == threshold
        count = int(equal.count_nonzero())
        kept = key > threshold
        if count > ties:
            kept |= equal
            kept[equal.nonzero().flatten()[:ties]] = False
        ties -= min(count, ties)
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
    if rank < 1:  # many keys may equal `low`: probe just below it first
        return _bisect(order, k, below=-1, fewer=0, value=low, probe=low - 1)
    if rank > len(inside):
        return _bisect(order, k, below=high - 1, fewer=to_low + len(inside), value=order.top, probe=high)
    value = int(inside.topk(rank, largest=False, sorted=False).values.max())
    return value, rank - int((inside < value).count_nonzero())


def _bracket(order: Order, k: int) -> tuple[int, int]:
    """Two keys, low < high, that should enclose the k-th lowest key and few others.

    The position of a quantile q in a sample of n has the standard deviation sqrt(n q (1 - q)). A key that many scalars
    share becomes an end of the bracket and is not inside it.
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
    """(the number of keys up to `low`, the keys strictly between low and high).

    To bound the memory, returns (0, None) if far more keys are inside than expected (twice the bracket's width at the
    median).
    """
    limit = 2 * DEVIATIONS * order.total / math.sqrt(len(order.sample)) if len(order.sample) else order.total
    to_low, inside, gathered = [], [], 0
    for key in order.key_chunks():
        under = key <= low
        to_low.append(under.count_nonzero())
        inside.append(_masked_select(key, under ^ (key < high)))
        gathered += len(inside[-1])
        if gathered > limit:
            return 0, None
    return int(torch.stack(to_low).sum()), torch.cat(inside)


def _masked_select(key: Tensor, mask: Tensor) -> Tensor:
    """key[mask]. On the CPU through numpy, which skips unselected elements about ten times faster."""
    if key.device.type == "cpu":
        return torch.from_numpy(key.numpy()[mask.numpy()])
    return key[mask]


def _bisect(order: Order, k: int, *, below: int, fewer: int, value: int, probe: int) -> tuple[int, int]:
    """`kth_lowest` among the keys in (below, value], by counting. `fewer` < k keys are at most `below`. The key
    `probe`, below <= probe <= value, is tried first.
    """
    while value - below > 1:
        if below < probe < value:
            counts = [(key <= probe).count_nonzero() for key in order.key_chunks()]
            count = int(torch.stack(counts).sum())
            below, fewer, value = (probe, count, value) if count < k else (below, fewer, probe)
        probe = (below + value) // 2
    return value, k - fewer
