"""Checksums inside files: a file contains the SHA-256 of all its other bytes, which is verified on reading.

Parquet's page checksums cover neither page headers nor the footer, and Arrow IPC has no checksums, so a flipped bit
could change a result unnoticed. The checksum is an entry of the file's metadata, so any reader of the format can still
read the file.
"""

import hashlib
import mmap
import os
from functools import lru_cache
from pathlib import Path

from junkdna.storage.file_errors import corrupt_file


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes (of a link's target), read in chunks. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


CHECKSUM_KEY = "junkdna_checksum"
MARK = b"sha256 of the rest: "
DIGITS = 64
END_BYTES = 1 << 16  # the metadata with the checksum is within this many bytes of the end of a file
CHECKSUM_SLOT = {CHECKSUM_KEY: MARK.decode() + DIGITS * "0"}
"""Metadata entry for a file that will get a checksum: a placeholder that `add_checksum` fills in."""


def add_checksum(path: Path) -> None:
    """Writes the checksum into a file whose metadata contains `CHECKSUM_SLOT`. The file must not change afterwards."""
    data = path.read_bytes()
    start = data.rindex(MARK) + len(MARK)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(_digest(data, start))


def verify_checksum(data: bytes | mmap.mmap, path: Path, what: str) -> None:
    """Raises UserError if `data`, the bytes of `path`, do not match their checksum; `what` names the kind of file."""
    start = data.rfind(MARK) + len(MARK)
    if start < len(MARK):
        raise corrupt_file(path, what, "it has no checksum, so it is truncated or another program wrote it")
    if data[start : start + DIGITS] != _digest(data, start):
        raise corrupt_file(path, what, "its bytes do not match its checksum")


def read_verified(path: Path, what: str) -> bytes:
    """The bytes of a file with a checksum. Raises UserError if the file is missing, unreadable or corrupt."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise corrupt_file(path, what, error) from None
    verify_checksum(data, path, what)
    return data


def stored_checksum(path: Path | str) -> str | None:
    """The SHA-256 that a file contains, not verified; "" for a file without a checksum, None if it does not exist.

    Reads only the end of the file, and again only if its size or modification time has changed.
    """
    try:
        status = os.stat(path)
        return _checksum_of(os.fspath(path), status.st_size, status.st_mtime_ns)
    except OSError:
        return None


@lru_cache
def _checksum_of(path: str, size: int, _mtime_ns: int) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, size - END_BYTES))
        end = file.read()
    start = end.rfind(MARK) + len(MARK)
    return end[start : start + DIGITS].decode("ascii", "replace") if start >= len(MARK) else ""


def _digest(data: bytes | mmap.mmap, start: int) -> bytes:
    digest = hashlib.sha256()
    with memoryview(data) as view:
        digest.update(view[:start])
        digest.update(view[start + DIGITS :])
    return digest.hexdigest().encode()
