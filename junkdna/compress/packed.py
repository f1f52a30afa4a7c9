"""Masks at one bit a weight."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

CHUNK = 2**20
"""Bytes made or read at a time: what is held beside mask and packed bytes is a few times eight of these."""


def pack(mask: Tensor) -> Tensor:
    """A bool tensor of n elements, any shape, as ceil(n / 8) bytes: 1-D uint8, on the mask's device.

    Elements are taken row-major. Element i is bit i % 8 of byte i // 8, counted from the least significant one (as
    `numpy.packbits` with bitorder "little"); the spare bits of the last byte are 0. Beside the result it holds one
    chunk, and a row-major copy of a mask that is not stored so. The shape is not kept: `unpack` wants it back.
    """
    assert mask.dtype == torch.bool, f"a mask of {mask.dtype}"
    flat = mask.detach().reshape(-1).view(torch.uint8)
    whole, spare = divmod(flat.numel(), 8)
    packed = torch.empty(packed_size(mask.shape), dtype=torch.uint8, device=mask.device)
    powers = _powers(mask.device)
    for start in range(0, whole, CHUNK):
        stop = min(start + CHUNK, whole)
        bits = flat[8 * start : 8 * stop].view(-1, 8)
        packed[start:stop] = (bits * powers).sum(dim=1, dtype=torch.uint8)
    if spare:
        packed[whole] = (flat[8 * whole :] * powers[:spare]).sum(dtype=torch.uint8)
    return packed


def unpack(packed: Tensor, shape: Sequence[int]) -> Tensor:
    """The bool mask of `shape`, row-major, that `pack` made `packed` of; on the device of `packed`."""
    assert packed.dtype == torch.uint8, f"packed masks are bytes, not {packed.dtype}"
    assert packed.shape == (packed_size(shape),), f"{tuple(packed.shape)} bytes for a mask of {tuple(shape)}"
    mask = torch.empty(math.prod(shape), dtype=torch.bool, device=packed.device)
    powers = _powers(packed.device)
    for start in range(0, len(packed), CHUNK):
        target = mask[8 * start : 8 * (start + CHUNK)]
        bits = (packed[start : start + CHUNK, None] & powers) != 0
        target.copy_(bits.view(-1)[: len(target)])
    return mask.view(tuple(shape))


def packed_size(shape: Sequence[int]) -> int:
    """How many bytes a packed mask of a shape takes."""
    return -(-math.prod(shape) // 8)


def _powers(device: torch.device) -> Tensor:
    return torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8, device=device)
