"""Joins cell files into one table, after checking that each is the cell the study means."""

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from junkdna.compress.budget import DENSE_BITS
from junkdna.errors import UserError
from junkdna.grid import all_cells
from junkdna.job_settings import settings_text
from junkdna.keys import FOOTER_KEY, Cell
from junkdna.metric_names import METRIC_RANGES
from junkdna.provenance import digest
from junkdna.study import Resolved

SHARES = ("chance", "majority", "truncated", "achieved_sparsity")
ANSWERED = ("id", "gold", "prediction", "correct")


def read_footer(path: Path) -> dict:
    """The footer of a cell file. Raises UserError for a file that is broken or not a cell."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        footer = json.loads(metadata[FOOTER_KEY])
        if not {"settings_digest", "wall_s"} <= footer.keys():
            raise ValueError("its footer lacks the settings' digest")
        return footer
    except (OSError, pa.ArrowException, AttributeError, KeyError, ValueError) as error:
        raise UserError(f"{path} is not a whole cell file ({error}); delete it and run again.") from None


def state(cell: Cell, resolved: Resolved) -> str:
    """One of "missing", "broken", "stale" (made by other settings or other code) and "done"."""
    path = Path(cell.path)
    if not path.is_file():
        return "missing"
    try:
        footer = read_footer(path)
    except UserError:
        return "broken"
    return "done" if footer["settings_digest"] == digest(settings_text(cell, resolved)) else "stale"


def collect(resolved: Resolved) -> pl.DataFrame:
    """One row per cell: its metric columns and `wall_s`. Raises UserError naming missing, broken or stale files,
    and for rows that break the table's rules (a key twice, a share outside 0..1, a score outside its metric's range).
    """
    cells = all_cells(resolved)
    wrong = {cell.path: found for cell in cells if (found := state(cell, resolved)) != "done"}
    if wrong:
        shown = "\n  ".join(f"{found}: {path}" for path, found in list(wrong.items())[:10])
        raise UserError(
            f"{len(wrong)} of {len(cells)} cells cannot be joined:\n  {shown}\n"
            f"Stale and broken files re-run once they are gone: "
            f"`junkdna status --stale | xargs rm`, then run Snakemake again."
        )
    paths = [cell.path for cell in cells]
    table = _read(paths)
    walls = [sum(read_footer(Path(path))["wall_s"].values()) for path in paths]
    table = table.with_columns(pl.Series("wall_s", walls, dtype=pl.Float64))
    check(table)
    return table


def _read(paths: list[str]) -> pl.DataFrame:
    try:
        return pl.scan_parquet(paths).drop("examples").collect()
    except pl.exceptions.PolarsError as error:
        for path in paths:
            examples_of_file(Path(path))
        raise UserError(f"the cells cannot be joined: {error}") from None


def check(table: pl.DataFrame) -> None:
    """The table's own rules; raises UserError naming the first cell that breaks one."""
    twice = table.filter(pl.col("cell").is_duplicated())
    if twice.height:
        raise UserError(f"cell {twice['cell'][0]!r} stands twice in the joined table.")
    for metric in table["metric"].unique(maintain_order=True):
        _within(table.filter(pl.col("metric") == metric), "score", *METRIC_RANGES[metric], f" as {metric}")
    for name in SHARES:
        _within(table, name, 0, 1)
    _within(table, "effective_bits_per_weight", 0, DENSE_BITS)


def _within(table: pl.DataFrame, name: str, low: float, high: float, note: str = "") -> None:
    bad = table.filter(~pl.col(name).is_between(low, high) | pl.col(name).is_nan() | pl.col(name).is_null())
    if bad.height:
        value, cell = bad[name][0], bad["cell"][0]
        raise UserError(f"cell {cell!r}: {name} is {value}, which must lie in {low:g}..{high:g}{note}.")


def examples_of(cell: Cell, columns: tuple[str, ...] = ANSWERED) -> pl.DataFrame:
    """Per-example rows of a finished cell: `columns` of what `cell.EXAMPLES` holds, in that order."""
    return examples_of_file(Path(cell.path), columns)


def examples_of_file(path: Path, columns: tuple[str, ...] = ANSWERED) -> pl.DataFrame:
    """Like `examples_of`, by the file's path. Raises UserError for a file whose data are damaged or lack a column."""
    try:
        examples = pl.read_parquet(path, columns=["examples"]).explode("examples").unnest("examples")
        return examples.select(columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}); delete it and run again.") from None
