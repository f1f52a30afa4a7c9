"""How a table differs from another that should have the same numbers, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import compress
from typing import TYPE_CHECKING

from junkdna.errors import short_repr

if TYPE_CHECKING:
    import polars as pl

CLOSE = 1e-5  # relative or absolute: resampled means are float32 (`mean_panels`), which processors sum in other orders
NAMES = (
    "experiment", "claim", "unit", "setting", "model", "task", "knobs", "compression", "transfer", "protocol", "bin",
    "easy", "hard", "seed", "head", "matrix", "alpha", "id",
)  # fmt: skip
"""Columns that name a row, in any of the tables."""


def changes(made: pl.DataFrame, archived: pl.DataFrame) -> Iterator[str]:
    """A line for each column of a table with other values than in the archive: the first such row, both values, and how
    many more rows there are. Numbers count as equal within `CLOSE`. Tables with other columns or another number of rows
    are one line."""
    if made.columns != archived.columns:
        lacking = [name for name in archived.columns if name not in made.columns]
        more = [name for name in made.columns if name not in archived.columns]
        parts = [f"{words} {', '.join(names)}" for words, names in (("without", lacking), ("with", more)) if names]
        yield f"other columns than in the archive ({' and '.join(parts) or 'another order'}): another version wrote it"
    elif made.height != archived.height:
        yield f"{made.height:,} rows, in the archive {archived.height:,}: another version wrote it"
    else:
        for column in made.columns:
            yield from _column(made, archived, column)


def _column(made: pl.DataFrame, archived: pl.DataFrame, column: str) -> Iterator[str]:
    one, two = made[column], archived[column]
    if one.dtype == two.dtype and one.equals(two, null_equal=True):
        return
    if one.dtype != two.dtype:
        yield f"column {column}: type {one.dtype}, in the archive {two.dtype}"
        return
    values = one.to_list(), two.to_list()
    other = [not _alike(*pair) for pair in zip(*values, strict=True)]
    rows = list(compress(range(made.height), other))
    if rows:
        first = rows[0]
        mine, theirs = (short_repr(each[first]) for each in values)
        more = f" (and {len(rows) - 1:,} more rows)" if rows[1:] else ""
        yield f"column {column}, row {first + 1} ({_row(archived, first)}): {mine}, in the archive {theirs}{more}"


def _row(table: pl.DataFrame, at: int) -> str:
    """What names a row."""
    row = table.row(at, named=True)
    return ", ".join(f"{name} {row[name]}" for name in NAMES if row.get(name) not in (None, ""))


def _alike(one: object, two: object) -> bool:
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_alike, one, two))
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=CLOSE, abs_tol=CLOSE) or (math.isnan(one) and math.isnan(two))
    return one == two
