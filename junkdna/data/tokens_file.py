"""The tokens file: its schema, writing and reading."""

import mmap
from pathlib import Path

import pyarrow as pa

from junkdna.storage.atomic import atomic_write
from junkdna.storage.checksums import SLOT, add_checksum, verify_checksum
from junkdna.storage.file_errors import corrupt_file

INTEGERS = pa.list_(pa.int32())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("position", pa.int32()),
        ("answer", pa.int32()),
        ("target", pa.float64()),
        ("references", pa.list_(pa.string())),
        ("query", INTEGERS),
        ("second_start", pa.int32()),
        ("options", pa.list_(INTEGERS)),
        ("option_starts", INTEGERS),
        ("option_characters", INTEGERS),
        ("answer_shown", pa.bool_()),
        ("truncated", pa.bool_()),
    ]
)


def write_tokens(table: pa.Table, destination: Path) -> None:
    """Write uncompressed Arrow IPC (so that it can be memory-mapped), sealed: whole or not at all."""
    with atomic_write(destination) as temporary:
        with (
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, table.schema, metadata=SLOT) as writer,
        ):
            writer.write_table(table)
        add_checksum(temporary)


def read_tokens(path: Path) -> pa.Table:
    """Memory-mapped table of a tokens file, every byte checked; UserError where it cannot be read or is damaged."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise corrupt_file(path, "tokens file", error) from None
    verify_checksum(data, path, "tokens file")
    return pa.ipc.open_file(pa.py_buffer(data)).read_all()
