"""The file of a connection: one row per point of the line, with the answers and losses of all examples; its footer."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.storage.checksums import read_verified
from junkdna.storage.file_errors import corrupt_file
from junkdna.storage.fingerprint import canonical_json
from junkdna.study.paths import FOOTER_KEY

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

KIND = "connection file"
EXAMPLE_COLUMNS = ("id", "cluster", "gold", "prediction", "correct", "loss")


def connection_table(points: dict[str, list], examples: list[dict[str, list]], footer: dict) -> pa.Table:
    """The table of a connection. `points` has the columns of the points, `examples` those of the examples of each."""
    import pyarrow as pa

    kinds = dict.fromkeys(("alpha", "score", "loss"), pa.float64()) | {"collapsed": pa.bool_()}
    kind = pa.struct(
        [("id", pa.string()), ("cluster", pa.string()), ("gold", pa.float64()), ("prediction", pa.float64()),
         ("correct", pa.bool_()), ("loss", pa.float64())]
    )  # fmt: skip
    rows = [[dict(zip(each, row, strict=True)) for row in zip(*each.values(), strict=True)] for each in examples]
    columns = {name: pa.array(points[name], kinds[name]) for name in kinds}
    columns["examples"] = pa.array(rows, pa.list_(kind))
    return pa.table(columns).replace_schema_metadata({FOOTER_KEY: canonical_json(footer).encode()})


def write_connection(table: pa.Table, destination: Path) -> None:
    """Write the table of a connection atomically with its checksum."""
    from junkdna.storage.tables import write_parquet

    write_parquet(table, destination, compression="zstd")


def read_connection(path: Path) -> tuple[pl.DataFrame, dict]:
    """The table and the footer of a connection's file. Raises UserError for a missing or corrupt file."""
    import polars as pl

    data = read_verified(path, KIND)
    try:
        footer = json.loads(pl.read_parquet_metadata(BytesIO(data))[FOOTER_KEY.decode()])
        return pl.read_parquet(data), footer
    except (pl.exceptions.PolarsError, KeyError, ValueError) as error:
        raise corrupt_file(path, KIND, error) from None
