"""Where a table of results comes from: a record in the footer of its Parquet file.

It is no part of the table, so the same cells give the same rows whenever and wherever they are joined.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.storage.atomic import atomic_write
from junkdna.storage.checksums import CHECKSUM_SLOT, add_checksum, sha256_file

if TYPE_CHECKING:
    import polars as pl

KEY = "junkdna_made_from"


def study_record(study_file: Path) -> dict[str, str]:
    """The record of a table that is made from the checked study in a file. Raises OSError."""
    return {"study": study_file.name, "study_sha256": sha256_file(study_file)}


def write_recorded(frame: "pl.DataFrame", destination: Path, record: dict) -> None:
    """Writes a table as `storage.tables.write_frame` does, with a record (plain data, may be empty) in the footer."""
    metadata = {**({KEY: json.dumps(record, sort_keys=True)} if record else {}), **CHECKSUM_SLOT}
    with atomic_write(destination) as temporary:
        frame.write_parquet(temporary, metadata=metadata)
        add_checksum(temporary)


def record_of(path: Path) -> dict:
    """The record of a table; empty if it has none, or if the file is missing or damaged, which its reader reports."""
    import polars as pl

    try:
        record = json.loads(pl.read_parquet_metadata(path)[KEY])
    except (OSError, KeyError, ValueError, pl.exceptions.PolarsError):
        return {}
    return record if isinstance(record, dict) else {}
