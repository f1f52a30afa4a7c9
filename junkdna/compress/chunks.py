"""Stream the scalars of many matrices as flat chunks, so a pass over a model needs memory for one chunk only."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

CPU_CHUNK = 2**18
"""Scalars per chunk on the CPU: intermediate results of a chunk stay in the processor's cache."""
DEVICE_CHUNK = 2**25
"""Scalars per chunk on other devices: few launches and waits for a model of many small matrices, at most about 300 MB.
"""


def chunk_lengths(total: int, device: torch.device) -> list[int]:
    """Lengths of the chunks that cover `total` scalars on a device; all are equal except the last."""
    size = CPU_CHUNK if device.type == "cpu" else DEVICE_CHUNK
    full, rest = divmod(total, size)
    return [size] * full + [rest] * (rest > 0)


def flat_chunks(weights: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """All scalars in chunks, in the order of the mapping and then row-major. The matrices are on one device.

    A chunk inside one row-major matrix is a view; all others are copies. Different dtypes in one chunk are promoted to
    one that represents both exactly. Weights are read when their chunk is requested, or, for a matrix that is not
    row-major, when the first chunk of the matrix is.
    """
    total = sum(weight.numel() for weight in weights.values())
    flats = (weight.detach().flatten() for weight in weights.values())
    return rechunk(flats, chunk_lengths(total, next(iter(weights.values())).device))


def rechunk(flats: Iterable[Tensor], lengths: Iterable[int]) -> Iterator[Tensor]:
    """The same scalars in the same order as flat tensors of the given lengths (1 or more); views unless tensors are
    joined.

    Reads no more of `flats` than the lengths so far need. Asserts that the lengths cover all of it.
    """
    source = iter(flats)
    rest = None
    for length in lengths:
        pieces = []
        while length:
            rest = next(source) if rest is None else rest
            pieces.append(rest[:length])
            rest = rest[length:] if len(rest) > length else None
            length -= len(pieces[-1])
        yield pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    assert rest is None, "the lengths end inside a tensor"
    assert next(source, None) is None, "the lengths end before the tensors"
