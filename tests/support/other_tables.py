"""The other tables of a study that fit a table of drops, simulated: nothing in them was measured."""

from pathlib import Path

import polars as pl

from junkdna.storage.tables import write_frame


def tables(drops: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Every table that figures are drawn from, by name."""
    return {"drops": drops}


def write_tables(drops: pl.DataFrame, path: Path) -> None:
    """Write every table of `tables` next to `path`, that of the drops."""
    for name, table in tables(drops).items():
        write_frame(table, path if name == "drops" else path.with_name(f"{name}.parquet"))
