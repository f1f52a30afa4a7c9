"""Parquet files with checksums."""

from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.storage.atomic import atomic_write
from junkdna.storage.checksums import CHECKSUM_SLOT, add_checksum, read_verified

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def write_parquet(table: "pa.Table", destination: Path, **options: object) -> None:
    """Writes a Parquet file with a checksum as an atomic write; the schema's metadata goes into the footer.

    `options` are those of `pyarrow.parquet.ParquetWriter`.
    """
    from pyarrow import parquet

    with atomic_write(destination) as temporary:
        bare = table.replace_schema_metadata(None)
        with parquet.ParquetWriter(temporary, bare.schema, **options) as writer:
            writer.write_table(bare)
            writer.add_key_value_metadata({**(table.schema.metadata or {}), **CHECKSUM_SLOT})
        add_checksum(temporary)


def read_parquet(path: Path, what: str) -> "pa.Table":
    """The table of a Parquet file with a checksum, with the footer's metadata in its schema.

    `what` names the kind of file in messages. Raises UserError if the file is missing, unreadable or corrupt.
    """
    import pyarrow as pa
    from pyarrow import parquet

    file = parquet.ParquetFile(pa.BufferReader(read_verified(path, what)))
    return file.read().replace_schema_metadata(file.metadata.metadata)


def write_frame(frame: "pl.DataFrame", destination: Path) -> None:
    """Writes a polars table as Parquet with a checksum, as an atomic write."""
    with atomic_write(destination) as temporary:
        frame.write_parquet(temporary, metadata=CHECKSUM_SLOT)
        add_checksum(temporary)


def read_frame(path: Path, what: str) -> "pl.DataFrame":
    """The table that `write_frame` wrote. Raises UserError if the file is missing, unreadable or corrupt."""
    import polars as pl

    return pl.read_parquet(read_verified(path, what))
