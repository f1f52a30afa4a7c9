"""The tokens file: schema, writing and reading."""

import mmap
from pathlib import Path

import pyarrow as pa

from junkdna.storage.atomic import atomic_write
from junkdna.storage.checksums import CHECKSUM_SLOT, add_checksum, verify_checksum
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
        ("cluster", pa.string()),
        ("query", INTEGERS),
        ("second_start", pa.int32()),
        ("options", pa.list_(INTEGERS)),
        ("option_starts", INTEGERS),
        ("option_characters", INTEGERS),
        ("option_bytes", INTEGERS),
        ("blind", pa.list_(INTEGERS)),
        ("answer_shown", pa.bool_()),
        ("truncated", pa.bool_()),
    ]
)


def write_tokens(table: pa.Table, destination: Path) -> None:
    """Writes uncompressed Arrow IPC (for memory-mapping) with a checksum, as an atomic write."""
    with atomic_write(destination) as temporary:
        with (
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, table.schema, metadata=CHECKSUM_SLOT) as writer,
        ):
            writer.write_table(table)
        add_checksum(temporary)


def read_tokens(path: Path) -> pa.Table:
    """The memory-mapped table of a tokens file. Raises UserError if it is missing, unreadable or fails its checksum."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise corrupt_file(path, "tokens file", error) from None
    verify_checksum(data, path, "tokens file")
    return pa.ipc.open_file(pa.py_buffer(data)).read_all()
