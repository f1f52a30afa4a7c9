"""The file of one model's calibration rows: token ids as Parquet with a checksum, and what they were drawn from."""

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
    """Token ids of each sample, special tokens included and without padding; and where each comes from: "ID" for a
    whole text, "ID@K" for a window that begins at token K of that text (its own special tokens not counted)."""

    ids: list[list[int]]
    sample_ids: list[str]


def write_calibration(path: Path, rows: CalibrationRows, facts: dict) -> None:
    """Write the rows as Parquet with a checksum, `facts` as JSON in its footer: whole or not at all."""
    table = pa.table([rows.sample_ids, rows.ids], schema=SCHEMA)
    table = table.replace_schema_metadata({FOOTER_KEY: canonical_json(facts).encode()})
    write_parquet(table, path)


def read_calibration(path: Path) -> tuple[CalibrationRows, dict]:
    """The rows and the facts that `write_calibration` wrote; UserError for a missing, damaged or foreign file."""
    table = read_parquet(path, "file of calibration rows")
    try:
        facts = json.loads(table.schema.metadata[FOOTER_KEY])
        if not table.schema.equals(SCHEMA):
            raise ValueError(f"columns {', '.join(table.schema.names)}")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no file of calibration rows ({' '.join(str(error).split())[:200]}). Delete it "
            "and run the study again: it is made anew."
        ) from None
    return CalibrationRows(table["ids"].to_pylist(), table["sample_id"].to_pylist()), facts
