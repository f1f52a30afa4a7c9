"""Errors for incomplete or damaged files of a model: what is wrong, where the file is, and how to get it whole."""

from itertools import pairwise
from pathlib import Path

from junkdna.data.binary_files import binary_kind
from junkdna.errors import UserError
from junkdna.study.paths import MODELS

HUB_CACHE = ("snapshots", "blobs")  # folders of the Hub's cache


def damaged(path: Path, where: str, problem: str) -> UserError:
    """The error for a file with a problem, which follows `where`. Returned, not raised."""
    return UserError(f"{where} {problem}. {_fix(path)}")


def wrong_size(path: Path, where: str, found: int, expected: int) -> UserError:
    """The error for a file that has another number of bytes than its own header says. Returned, not raised."""
    if found < expected:
        return damaged(path, where, f"is incomplete: {found:,} of {expected:,} bytes are there")
    return damaged(path, where, f"is damaged: it has {found:,} bytes, and its header describes {expected:,}")


def not_safetensors(path: Path, where: str, start: bytes, found: int) -> UserError:
    """The error for a file of `found` bytes whose first 8 are no length of a header. Returned, not raised."""
    kind = binary_kind(start).partition(";")[0] if len(start) == 8 else ""
    what = f": it looks like {kind}" if kind else f", or a small part of one ({found:,} bytes)"
    return damaged(path, where, f"is no safetensors file{what}")


def _fix(path: Path) -> str:
    """Where a file comes from, after links, and how to get it again."""
    file = path.resolve()
    if any(before.startswith("models--") and part in HUB_CACHE for before, part in pairwise(file.parts)):
        return f"It is in the Hub's cache ({file}): delete it there and run again, which downloads it again."
    if not path.is_symlink() and path.parent.parent == Path(MODELS):
        return f"The workflow wrote it: delete the folder {path.parent} and run again, which builds it again."
    return (
        f"It is the local file {file}: copy it again, completely, from where it came from, or let the tool that wrote "
        "it save it again."
    )
