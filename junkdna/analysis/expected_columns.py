"""Whether a table that another version may have written has the columns that this version works with."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from junkdna.analysis.columns import CELLS
from junkdna.analysis.result_columns import PARTIAL, RESULTS
from junkdna.errors import UserError


def columns_of(name: str) -> list[str]:
    """The columns of the table of cells, or of a table of `RESULTS`."""
    return [column.name for column in (CELLS if name == "cells" else RESULTS[name]).columns]


AGAIN = "Run snakemake again: this version writes new tables."


def with_columns(
    table: pl.DataFrame, columns: Collection[str], path: Path, fix: str = AGAIN, others: bool = False
) -> pl.DataFrame:
    """The table in `path` if it has these columns and, unless `others` may be there, only them and those of incomplete
    results.

    Raises UserError, which ends with `fix`, for any other.
    """
    found = [name for name in table.columns if name not in PARTIAL]
    lacking, more = [name for name in columns if name not in found], [name for name in found if name not in columns]
    if not lacking and (others or not more):
        return table
    parts = [f"{words} {', '.join(names[:8])}" for words, names in (("lacks", lacking), ("also has", more)) if names]
    differing = " and ".join(parts)
    raise UserError(f"{path} has other columns than this version of junkdna works with: it {differing}. {fix}")
