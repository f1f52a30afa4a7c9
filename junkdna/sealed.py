"""Files that know their own bytes: the SHA-256 of all else in a file stands inside it, and is checked when it is read.

Parquet's page checksums cover neither page headers nor the footer, Arrow IPC has none: a flipped bit could pass for a
result. The seal is a line of the file's own metadata, so every reader of the format still reads the file.
"""

import hashlib
import mmap
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.files import replacing
from junkdna.missing_files import making, not_there

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

SEAL_KEY = "junkdna_seal"
MARK = b"sha256 of the rest: "
DIGITS = 64
END_BYTES = 1 << 16  # in which the metadata of a sealed file lie, at its end
SLOT = {SEAL_KEY: MARK.decode() + DIGITS * "0"}
"""Metadata for a file that is to be sealed: the place that `seal` fills in."""


def seal(path: Path) -> None:
    """Fill in the seal of a file that was written with `SLOT` among its metadata; nothing of it may change after."""
    data = path.read_bytes()
    start = data.rindex(MARK) + len(MARK)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(_digest(data, start))


def check_seal(data: bytes | mmap.mmap, path: Path, what: str) -> None:
    """UserError naming `path` where `data`, its bytes, are not those that were sealed; `what` should be there."""
    start = data.rfind(MARK) + len(MARK)
    if start < len(MARK):
        raise not_whole(path, what, "it is cut short, or something else wrote it")
    if data[start : start + DIGITS] != _digest(data, start):
        raise not_whole(path, what, "its bytes are not those that were written")


def read_sealed(path: Path, what: str) -> bytes:
    """The bytes of a sealed file. UserError where it cannot be read or was damaged since it was written."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise not_whole(path, what, error) from None
    check_seal(data, path, what)
    return data


def seal_of(path: Path | str) -> str | None:
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


def not_whole(path: Path, what: str, reason: object) -> UserError:
    """Error for a file that cannot be used: it is damaged or, where `reason` is a FileNotFoundError, not there.

    Says how to make it. Returned, not raised.
    """
    if isinstance(reason, FileNotFoundError):
        return not_there(path, what)
    if isinstance(reason, OSError):
        return UserError(f"{path}, {what}, cannot be read: {reason.strerror or reason}.")
    return UserError(
        f"{path} is not a whole {what} ({reason}); delete it and run again: {making(path) or 'it is made anew.'}"
    )


def _digest(data: bytes | mmap.mmap, start: int) -> bytes:
    found = hashlib.sha256()
    with memoryview(data) as view:
        found.update(view[:start])
        found.update(view[start + DIGITS :])
    return found.hexdigest().encode()


def write_parquet(table: "pa.Table", destination: Path, **options: object) -> None:
    """Write a sealed Parquet file, whole or not at all; the schema's metadata go into the footer.

    `options` are those of `pyarrow.parquet.ParquetWriter`.
    """
    from pyarrow import parquet

    with replacing(destination) as temporary:
        bare = table.replace_schema_metadata(None)
        with parquet.ParquetWriter(temporary, bare.schema, **options) as writer:
            writer.write_table(bare)
            writer.add_key_value_metadata({**(table.schema.metadata or {}), **SLOT})
        seal(temporary)


def read_parquet(path: Path, what: str) -> "pa.Table":
    """The table of a sealed Parquet file, the footer's metadata in its schema; UserError where the file cannot be read
    or was damaged since it was written."""
    import pyarrow as pa
    from pyarrow import parquet

    file = parquet.ParquetFile(pa.BufferReader(read_sealed(path, what)))
    return file.read().replace_schema_metadata(file.metadata.metadata)


def write_frame(frame: "pl.DataFrame", destination: Path) -> None:
    """Write a table of polars as sealed Parquet, whole or not at all."""
    with replacing(destination) as temporary:
        frame.write_parquet(temporary, metadata=SLOT)
        seal(temporary)


def read_frame(path: Path, what: str) -> "pl.DataFrame":
    """What `write_frame` wrote; UserError where it cannot be read or was damaged since."""
    import polars as pl

    return pl.read_parquet(read_sealed(path, what))
