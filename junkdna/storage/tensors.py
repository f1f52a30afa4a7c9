"""Safetensors files of this package: written whole or not at all, with what they are and a digest of their contents.

The file's metadata holds one JSON text under the key "junkdna": `kind` (what the file is, with the number of its
layout), `digest` (of all names, dtypes, shapes, bytes and facts), `facts` (what the writer says about it). One text,
since safetensors writes several keys in no fixed order and equal contents shall give equal files. Nothing is pickled.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write, parts_of
from junkdna.storage.file_errors import making, not_there
from junkdna.storage.tensor_header import METADATA_KEY


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 of the tensors' names, dtypes, shapes and bytes (row-major, in the order of the names)."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def _digest(tensors: Mapping[str, Tensor], facts: dict) -> str:
    """Hex SHA-256 of tensors and facts; equal for facts that went through JSON."""
    told = json.dumps(json.loads(json.dumps(facts, allow_nan=False)), sort_keys=True)
    return hashlib.sha256((tensors_digest(tensors) + told).encode()).hexdigest()


def write_tensors(path: Path, kind: str, tensors: Mapping[str, Tensor], facts: dict) -> None:
    """Writes tensors and facts (JSON values) to `path`, atomic_write what stands there; two writers do not disturb.

    Equal contents give equal bytes. Tensors come from any device, strides and storage of their own each.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"kind": kind, "digest": _digest(plain, facts), "facts": facts}
    text = json.dumps(about, sort_keys=True, allow_nan=False)
    with atomic_write(path) as temporary:
        parts = parts_of(temporary)  # safetensors writes a file of a name of its own beside the one it is given
        parts.mkdir()
        save_file(plain, parts / "whole", metadata={METADATA_KEY: text})
        (parts / "whole").replace(temporary)
        parts.rmdir()


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict]:
    """(tensors on the CPU, facts) of a file that `write_tensors` wrote as the same kind.

    Raises `UserError`, naming the file and what to do, where it is missing, is no safetensors file or cut short, is of
    another kind, or holds other bytes than were written.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            about = json.loads((file.metadata() or {})[METADATA_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found, digest, facts = about["kind"], about["digest"], about["facts"]
    except FileNotFoundError:
        raise not_there(path, f"file of {kind.rstrip(' 0123456789')}") from None
    except (OSError, SafetensorError) as error:
        reason = f"no safetensors file, or cut short ({' '.join(str(error).split())})"
        raise broken(path, kind, reason) from None
    except (KeyError, TypeError, ValueError):
        raise broken(path, kind, "a safetensors file from elsewhere") from None
    if found != kind:
        raise broken(path, kind, f"of the kind {found!r}, which another version or another step wrote")
    if digest != _digest(tensors, facts):
        raise broken(path, kind, "damaged: its contents have another digest than when it was written")
    return tensors, facts


def broken(path: Path, kind: str, reason: str) -> UserError:
    """Error for a file that cannot be used, whose remedy is to make it anew. Returned, not raised."""
    fix = making(path) or "it is made anew."
    return UserError(f"{path} should hold {kind!r}, but is {reason}. Delete it and run again: {fix}")


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
