"""The file of a model's calibration rows: token ids as Parquet with a checksum, and metadata on their origin."""

import json
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from junkdna.errors import UserError
from junkdna.storage.fingerprint import canonical_json
from junkdna.storage.tables import read_parquet, write_parquet
from junkdna.study.paths import FOOTER_KEY

SCHEMA = pa.schema([("sample_id", pa.string()), ("ids", pa.list_(pa.int32()))])


class CalibrationRows(NamedTuple):
    """Token ids of each sample, with special tokens and without padding, and its origin: "ID" for a complete text,
    "ID@K" for a window that starts at token K of that text, special tokens not counted."""

    ids: list[list[int]]
    sample_ids: list[str]


def write_calibration(path: Path, rows: CalibrationRows, metadata: dict) -> None:
    """Write the rows atomically as Parquet with a checksum, with `metadata` as JSON in the footer."""
    table = pa.table([rows.sample_ids, rows.ids], schema=SCHEMA)
    table = table.replace_schema_metadata({FOOTER_KEY: canonical_json(metadata).encode()})
    write_parquet(table, path)


def read_calibration(path: Path) -> tuple[CalibrationRows, dict]:
    """Rows and metadata that `write_calibration` wrote. Raises UserError for a missing, corrupt or other file."""
    table = read_parquet(path, "file of calibration rows")
    try:
        metadata = json.loads(table.schema.metadata[FOOTER_KEY])
        if not table.schema.equals(SCHEMA):
            raise ValueError(f"columns {', '.join(table.schema.names)}")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a file of calibration rows ({' '.join(str(error).split())[:200]}). Delete it and rerun."
        ) from None
    return CalibrationRows(table["ids"].to_pylist(), table["sample_id"].to_pylist()), metadata
