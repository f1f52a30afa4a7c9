"""Files that know their own bytes: the SHA-256 of all else in a file stands inside it, and is checked when it is read.

Parquet's page checksums cover neither page headers nor the footer, Arrow IPC has none: a flipped bit could pass for a
result. The seal is a line of the file's own metadata, so every reader of the format still reads the file.
"""

import hashlib
import mmap
import os
from functools import lru_cache
from pathlib import Path

from junkdna.storage.file_errors import corrupt_file


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes (of what a link points to), read in pieces. OSError passes through."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


SEAL_KEY = "junkdna_checksum"
MARK = b"sha256 of the rest: "
DIGITS = 64
END_BYTES = 1 << 16  # in which the metadata of a sealed file lie, at its end
SLOT = {SEAL_KEY: MARK.decode() + DIGITS * "0"}
"""Metadata for a file that is to be sealed: the place that `seal` fills in."""


def add_checksum(path: Path) -> None:
    """Fill in the seal of a file that was written with `SLOT` among its metadata; nothing of it may change after."""
    data = path.read_bytes()
    start = data.rindex(MARK) + len(MARK)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(_digest(data, start))


def verify_checksum(data: bytes | mmap.mmap, path: Path, what: str) -> None:
    """UserError naming `path` where `data`, its bytes, are not those that were sealed; `what` should be there."""
    start = data.rfind(MARK) + len(MARK)
    if start < len(MARK):
        raise corrupt_file(path, what, "it is cut short, or something else wrote it")
    if data[start : start + DIGITS] != _digest(data, start):
        raise corrupt_file(path, what, "its bytes are not those that were written")


def read_verified(path: Path, what: str) -> bytes:
    """The bytes of a sealed file. UserError where it cannot be read or was damaged since it was written."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise corrupt_file(path, what, error) from None
    verify_checksum(data, path, what)
    return data


def stored_checksum(path: Path | str) -> str | None:
    """What a sealed file says its SHA-256 is, unchecked; "" for a file without a seal, None where there is no file.

    Reads the file's end only, and that again only when its size or time has changed.
    """
    try:
        found = os.stat(path)
        return _seal_of(os.fspath(path), found.st_size, found.st_mtime_ns)
    except OSError:
        return None


@lru_cache
def _seal_of(path: str, size: int, _mtime_ns: int) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, size - END_BYTES))
        end = file.read()
    start = end.rfind(MARK) + len(MARK)
    return end[start : start + DIGITS].decode("ascii", "replace") if start >= len(MARK) else ""


def _digest(data: bytes | mmap.mmap, start: int) -> bytes:
    found = hashlib.sha256()
    with memoryview(data) as view:
        found.update(view[:start])
        found.update(view[start + DIGITS :])
    return found.hexdigest().encode()
