"""Safetensors files of this package: atomic writes with the kind of file, its facts and a checksum of its contents.

The file's metadata has one JSON text under the key "junkdna": `kind` (the kind of file with its layout version),
`digest` (SHA-256 of all names, dtypes, shapes, bytes and facts) and `facts` (information from the writer). It is one
text because safetensors writes several keys in no fixed order, and equal contents must give equal files. Nothing is
pickled.
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
from junkdna.storage.atomic import atomic_write, scratch_folder
from junkdna.storage.file_errors import not_there, replacing
from junkdna.storage.tensor_header import METADATA_KEY


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 of the tensors' names, dtypes, shapes and bytes (row-major, in the order of the names)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _digest(tensors: Mapping[str, Tensor], facts: dict) -> str:
    """Hex SHA-256 of tensors and facts, with facts as JSON returns them."""
    text = json.dumps(json.loads(json.dumps(facts, allow_nan=False)), sort_keys=True)
    return hashlib.sha256((tensors_digest(tensors) + text).encode()).hexdigest()


def write_tensors(path: Path, kind: str, tensors: Mapping[str, Tensor], facts: dict) -> None:
    """Writes tensors and facts (JSON values) to `path` as an atomic write; concurrent writers do not interfere.

    Equal contents give equal bytes. Tensors may be on any device, with any strides.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"kind": kind, "digest": _digest(plain, facts), "facts": facts}
    text = json.dumps(metadata, sort_keys=True, allow_nan=False)
    with atomic_write(path) as temporary:
        scratch = scratch_folder(temporary)  # safetensors writes an extra temporary file in the folder of its target
        scratch.mkdir()
        save_file(plain, scratch / "tensors", metadata={METADATA_KEY: text})
        (scratch / "tensors").replace(temporary)
        scratch.rmdir()


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict]:
    """(tensors on the CPU, facts) of a file that `write_tensors` wrote as the same kind.

    Raises UserError, with the fix, if the file is missing, truncated, not a safetensors file, of another kind, or
    corrupt.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = json.loads((file.metadata() or {})[METADATA_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        stored_kind, digest, facts = metadata["kind"], metadata["digest"], metadata["facts"]
    except FileNotFoundError:
        raise not_there(path, f"file of {kind.rstrip(' 0123456789')}") from None
    except (OSError, SafetensorError) as error:
        reason = f"truncated or not a safetensors file ({' '.join(str(error).split())})"
        raise corrupt_tensors(path, kind, reason) from None
    except (KeyError, TypeError, ValueError):
        raise corrupt_tensors(path, kind, "a safetensors file that junkdna did not write") from None
    if stored_kind != kind:
        raise corrupt_tensors(path, kind, f"of kind {stored_kind!r}, which another version or another step wrote")
    if digest != _digest(tensors, facts):
        raise corrupt_tensors(path, kind, "corrupt: its contents do not match their checksum")
    return tensors, facts


def corrupt_tensors(path: Path, kind: str, reason: str) -> UserError:
    """UserError for a file that must be rebuilt, with `reason`. Returned, not raised."""
    return UserError(f"{path} should be {kind!r}, but is {reason}. {replacing(path)}")


CHUNK = 2**20
"""Packed bytes per step; temporary memory is a few times eight of these."""


def pack(mask: Tensor) -> Tensor:
    """A bool tensor of n elements and any shape as ceil(n / 8) bytes: 1-D uint8, on the mask's device.

    Elements are read in row-major order. Element i is bit i % 8 of byte i // 8, counted from the least significant bit
    (as in `numpy.packbits` with bitorder "little"). The unused bits of the last byte are 0. The shape is not stored:
    `unpack` needs it. A mask that is not contiguous is copied first.
    """
    assert mask.dtype == torch.bool, f"a mask of {mask.dtype}"
    flat = mask.detach().reshape(-1).view(torch.uint8)
    full_bytes, rest = divmod(flat.numel(), 8)
    packed = torch.empty(packed_size(mask.shape), dtype=torch.uint8, device=mask.device)
    powers = _powers(mask.device)
    for start in range(0, full_bytes, CHUNK):
        stop = min(start + CHUNK, full_bytes)
        bits = flat[8 * start : 8 * stop].view(-1, 8)
        packed[start:stop] = (bits * powers).sum(dim=1, dtype=torch.uint8)
    if rest:
        packed[full_bytes] = (flat[8 * full_bytes :] * powers[:rest]).sum(dtype=torch.uint8)
    return packed


def unpack(packed: Tensor, shape: Sequence[int]) -> Tensor:
    """The bool mask of `shape`, row-major, that `pack` converted to `packed`; on the device of `packed`."""
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
    """Number of bytes of a packed mask with this shape."""
    return -(-math.prod(shape) // 8)


def _powers(device: torch.device) -> Tensor:
    return torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8, device=device)
