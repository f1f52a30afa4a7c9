"""The scalars of many matrices as one stream of flat parts, so that no pass over a model holds more than a part."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

CPU_PART = 2**18
"""Scalars in a part on the CPU: what is made of a part stays in the processor's cache."""
DEVICE_PART = 2**25
"""Scalars in a part elsewhere: few launches and waits for a model of many small matrices, some 300 MB at most."""


def part_lengths(total: int, device: torch.device) -> list[int]:
    """Lengths of the parts that `total` scalars on a device are cut into: all alike but the last."""
    size = CPU_PART if device.type == "cpu" else DEVICE_PART
    whole, rest = divmod(total, size)
    return [size] * whole + [rest] * (rest > 0)


def flat_parts(weights: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """All scalars in the mapping's order, then row-major, in parts; matrices are on one device.

    A part is a view where it lies in one row-major matrix, else a copy; dtypes that meet in one part are promoted to
    the one that holds both exactly. A part is read from the weights when it is asked for, or (of a matrix that is not
    row-major) when its matrix is.
    """
    total = sum(weight.numel() for weight in weights.values())
    flats = (weight.detach().flatten() for weight in weights.values())
    return recut(flats, part_lengths(total, next(iter(weights.values())).device))


def recut(flats: Iterable[Tensor], lengths: Iterable[int]) -> Iterator[Tensor]:
    """The same scalars in the same order, in flat tensors of the given lengths (1 or more): views where nothing is
    joined. No more of `flats` is taken than the lengths yielded so far need; in the end all of it is."""
    source = iter(flats)
    rest, left = None, 0
    for length in lengths:
        taken = []
        while length:
            if not left:
                rest = next(source)
                left = rest.numel()
            count = min(left, length)
            taken.append(rest if count == left else rest[:count])
            rest = rest[count:] if count < left else None
            left -= count
            length -= count
        yield taken[0] if len(taken) == 1 else torch.cat(taken)
    assert not left, "the lengths end inside a tensor"
    assert next(source, None) is None, "the lengths end before the tensors do"
