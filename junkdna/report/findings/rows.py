"""Rows of a study's tables for a page, chosen by their columns, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from junkdna.errors import UserError, unknown_name
from junkdna.report.page.sections import ROW
from junkdna.report.page.words import MODES
from junkdna.study.recovery import base_protocol

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.page.inputs import Inputs

TABLES = ("drops", "claims", "behavior", "difficulty", "cells", "reproduction", "connectivity")


def table_of(inputs: Inputs, name: str) -> pl.DataFrame:
    """A table of the study, with the label of each condition, and two columns made of the protocol: `base_protocol`,
    and `length`, the multiple of its training steps."""
    import polars as pl

    from junkdna.report.draw import with_labels
    from junkdna.storage.tables import read_frame

    if name not in TABLES:
        raise unknown_name("table", name, TABLES)
    table = getattr(inputs, name, None)
    if table is None:
        table = read_frame(inputs.tables / f"{name}.parquet", f"table of {name}")
    table = with_labels(table, inputs.drops)
    if "protocol" not in table.columns:
        return table
    parts = [base_protocol(protocol) for protocol in table["protocol"]]
    return table.with_columns(
        base_protocol=pl.Series([base for base, _ in parts], dtype=pl.String),
        length=pl.Series([length for _, length in parts], dtype=pl.Int64),
    )


def models(inputs: Inputs) -> list[str]:
    """The names of the models if the study has several: then tables have a column for them. Empty with one model."""
    names = sorted(inputs.drops["model"].unique())
    return names if len(names) > 1 else []


def without_model(text: str, models: Iterable[str]) -> str:
    """A label without the model in brackets, which has a column of its own."""
    for model in models:
        text = text.replace(f" ({model})", "")
    return text


def chosen(table: pl.DataFrame, options: dict[str, list[str]]) -> pl.DataFrame:
    """The rows whose columns have one of the values given for them, as text. Raises UserError for an unknown column and
    for a name (of a task, a model, ...) that the table does not have. Every transfer mode is known, in all studies."""
    import polars as pl

    for column, values in options.items():
        if column not in table.columns:
            raise unknown_name("column", column, table.columns)
        if table.schema[column].is_nested():
            raise UserError(f"{column} is a list in every row, so it cannot choose rows.")
        if column in NAMES:
            _check_values(table, column, values)
    for column, values in options.items():
        table = table.filter(pl.col(column).cast(pl.String).is_in(values))
    return table


NAMES = ("experiment", *ROW, "base_protocol")  # columns of names: a value that the table lacks is a mistake


def _check_values(table: pl.DataFrame, column: str, values: Sequence[str]) -> None:
    known = set(table[column].drop_nulls()) | (set(MODES) if column == "transfer" else set())
    for value in values:
        if known and value not in known:
            raise unknown_name(column, value, known)


def taken(options: dict[str, list[str]], key: str, default: str = "") -> str:
    """The only value of a key, which is removed from the options. Raises UserError for several values."""
    values = options.pop(key, [default])
    if len(values) > 1:
        raise UserError(f"{key} has {len(values)} values ({', '.join(values)}); it takes one.")
    return values[0]


def whole(options: dict[str, list[str]], key: str, default: int, most: int = 999) -> int:
    """As `taken`, for a whole number from 1 to `most`. Raises UserError for any other value."""
    text = taken(options, key, str(default))
    if not text.isdecimal() or not 1 <= int(text[:9]) <= most:
        raise UserError(f"{key}={text} must be a whole number from 1 to {most}.")
    return int(text)


def one_row(table: pl.DataFrame, options: dict[str, list[str]]) -> dict:
    """The only row that is chosen. Raises UserError, with the columns that still differ, if there are none or more."""
    rows = chosen(table, options)
    if rows.height == 1:
        return rows.row(0, named=True)
    shown = " ".join(f"{key}={value}" for key, values in options.items() for value in values)
    if not rows.height:
        known = {key: list(map(str, table[key].unique(maintain_order=True))) for key in options}
        raise UserError(f"no row has {shown}. The table has: " + "; ".join(
            f"{key} {', '.join(values[:12])}" for key, values in known.items()))  # fmt: skip
    names = [name for name in KEYS if name in rows.columns and name not in options and rows[name].n_unique() > 1]
    raise UserError(f"{rows.height} rows have {shown or 'no condition'}: also choose {' or '.join(names) or 'more'}.")


KEYS = ("experiment", "claim", "unit", "setting", "model", "task", "knobs", "compression", "transfer", "protocol",
        "bin", "seed")  # fmt: skip


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], nothing: str, most: int, rest: str) -> str:
    """A Markdown table of the first `most` rows, with the number of the others and where they are (`rest`); the
    sentence `nothing` without rows."""
    rows = list(rows)
    if not rows:
        return nothing
    lines = [head, ["---"] * len(head), *rows[:most]]
    more = "1 more row is" if len(rows) == most + 1 else f"{len(rows) - most:,} more rows are"
    text = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines)
    return text + (f"\n\n{more} in `{rest}`." if len(rows) > most else "")


def without_constants(head: list[str], lines: list[list[str]], end: int) -> tuple[list[str], list[list[str]]]:
    """A table in which columns before `end` that have the same text in all of several rows are left out. The first
    heading names these texts: `condition (mpnet, magnitude 70 %)`. The first column stays."""
    same = [at for at in range(1, end) if len(lines) > 1 and len({line[at] for line in lines}) == 1]
    if not same:
        return head, lines
    title = f"{head[0]} ({', '.join(lines[0][at] for at in same)})"
    kept = [at for at in range(1, len(head)) if at not in same]
    return [title, *(head[at] for at in kept)], [[line[0], *(line[at] for at in kept)] for line in lines]
