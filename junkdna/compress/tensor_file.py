"""Safetensors files of this package: written whole or not at all, with what they are and a digest of their contents.

The file's metadata holds one JSON text under the key "junkdna": `kind` (what the file is, with the number of its
layout), `digest` (of all names, dtypes, shapes, bytes and facts), `facts` (what the writer says about it). One text,
since safetensors writes several keys in no fixed order and equal contents shall give equal files. Nothing is pickled.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from junkdna.compress.tensor_header import METADATA_KEY
from junkdna.errors import UserError
from junkdna.files import parts_of, replacing
from junkdna.missing_files import making, not_there


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
    """Writes tensors and facts (JSON values) to `path`, replacing what stands there; two writers do not disturb.

    Equal contents give equal bytes. Tensors come from any device, strides and storage of their own each.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"kind": kind, "digest": _digest(plain, facts), "facts": facts}
    text = json.dumps(about, sort_keys=True, allow_nan=False)
    with replacing(path) as temporary:
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
