"""Joins cell files into one table, after checking that each file belongs to the study."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from junkdna.compress.effective_bits import DENSE_BITS
from junkdna.errors import UserError
from junkdna.models.manifest import model_digest
from junkdna.run.cell_file import read_cell_file
from junkdna.storage.checksums import stored_checksum
from junkdna.storage.fingerprint import digest
from junkdna.storage.tensor_header import contents_digest
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.metrics import METRIC_RANGES
from junkdna.study.paths import REPORT
from junkdna.study.settings_from_study import settings_text
from junkdna.study.study import Resolved

READERS = 8  # more than cores: reads from a shared disk mostly wait
FILES_IN_MEMORY = 1000
SHARES = ("truncated", "achieved_sparsity")


class Opened(NamedTuple):
    """A cell's file and its state.

    `state` is "missing", "broken", "stale" (computed with other settings, other code or other inputs) or "done".
    `data` and `footer` (without the per-matrix report) are empty for a file that cannot be read.
    """

    state: str
    data: bytes = b""
    footer: dict = {}


def state(cell: Cell, resolved: Resolved) -> str:
    """The `Opened.state` of a cell's file."""
    return open_cell(cell, resolved).state


def open_cell(cell: Cell, resolved: Resolved) -> Opened:
    """Read a cell's file once and decide its state."""
    path = Path(cell.path)
    try:
        data, footer = read_cell_file(path)
    except UserError:
        return Opened("broken" if path.exists() else "missing")
    same = footer["settings_fingerprint"] == digest(settings_text(cell, resolved)) and _same_inputs(cell, footer)
    return Opened("done" if same else "stale", data, footer)


def _same_inputs(cell: Cell, footer: dict) -> bool:
    """Whether a cell's input files are unchanged since it read them. A deleted input counts as unchanged."""
    stored = cell.compressed_path
    return (
        all(stored_checksum(cell.tokens_path(role)) in (None, footer["tokens_sha256"].get(role)) for role in cell.roles)
        and model_digest(cell.model_folder) in (None, footer["model"]["digest"])
        and (stored is None or contents_digest(stored) in (None, footer["compressed_digest"]))
    )


def collect(resolved: Resolved) -> pl.DataFrame:
    """One row per cell: its metric columns and `wall_s`. Each file is read once.

    Raises UserError that names missing, broken or stale files, cells computed from different versions of one tokens
    file, and rows that break the table's rules (a duplicate key, a share outside 0..1, a score or baseline outside the
    range of its metric).
    """
    table, wrong = collect_done(resolved)
    if wrong:
        shown = "\n  ".join(f"{found}: {path}" for path, found in list(wrong.items())[:10])
        raise UserError(
            f"{len(wrong)} of {len(all_cells(resolved))} cells cannot be joined:\n  {shown}\n"
            f"Delete stale and broken files and rerun Snakemake: "
            f"`{resolved.commands.junkdna('status', '--stale')} | xargs -r rm`. "
            f"To join only the finished cells: `{resolved.commands.junkdna('partial')}`."
        )
    return table


def collect_done(resolved: Resolved) -> tuple[pl.DataFrame, dict[str, str]]:
    """The rows of the finished cells, as `collect` returns them, and the state of every other cell by its path.

    With no finished cell the table has no columns. Raises UserError when finished cells contradict each other.
    """
    cells = all_cells(resolved)
    wrong: dict[str, str] = {}
    tokens: dict[str, tuple[str, str]] = {}
    parts = []
    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(cells), FILES_IN_MEMORY):
            some = cells[start : start + FILES_IN_MEMORY]
            opened = list(pool.map(partial(open_cell, resolved=resolved), some))
            wrong |= {cell.path: each.state for cell, each in zip(some, opened, strict=True) if each.state != "done"}
            done = [pair for pair in zip(some, opened, strict=True) if pair[1].state == "done"]
            if done:
                _check_tokens([cell for cell, _ in done], [each for _, each in done], tokens)
                parts.append(_rows([each for _, each in done]))
    if not parts:
        return pl.DataFrame(), wrong
    table = pl.concat(parts)
    check(table)
    return table, wrong


def _rows(opened: list[Opened]) -> pl.DataFrame:
    """The rows of some cells, without their per-example and per-matrix columns."""
    walls = [sum(each.footer["wall_s"].values()) for each in opened]
    table = pl.scan_parquet([each.data for each in opened]).drop("examples", REPORT).collect()
    return table.with_columns(pl.Series("wall_s", walls, dtype=pl.Float64))


def _check_tokens(cells: list[Cell], opened: list[Opened], known: dict[str, tuple[str, str]]) -> None:
    """UserError if a tokens file changed between two cells that read it. `known` collects files over several calls."""
    for cell, each in zip(cells, opened, strict=True):
        for role in cell.roles:
            sha256 = each.footer["tokens_sha256"][role]
            first, other = known.setdefault(cell.tokens_path(role), (sha256, cell.path))
            if first != sha256:
                raise UserError(
                    f"{cell.path} and {other} were computed from different versions of {cell.tokens_path(role)}: the "
                    "examples changed in between. Delete the older of the two cells and rerun Snakemake."
                )


def check(table: pl.DataFrame) -> None:
    """Check the rules of the table; raises UserError that names the first cell that breaks one."""
    twice = table.filter(pl.col("cell").is_duplicated())
    if twice.height:
        raise UserError(f"cell {twice['cell'][0]!r} occurs twice in the joined table. This is a bug: please report it.")
    for metric in table["metric"].unique(maintain_order=True):
        low, high = METRIC_RANGES[metric]
        baseline = low if high <= 0 else 0  # below 0 only for a metric that always is
        lowest = {"score": low, "chance": baseline, "majority": baseline}
        for name, least in lowest.items():
            _within(table.filter(pl.col("metric") == metric), name, least, high, f" as {metric}")
    for name in SHARES:
        _within(table, name, 0, 1)
    _within(table, "effective_bits_per_weight", 0, DENSE_BITS)


def _within(table: pl.DataFrame, name: str, low: float, high: float, note: str = "") -> None:
    bad = table.filter(~pl.col(name).is_between(low, high) | pl.col(name).is_nan() | pl.col(name).is_null())
    if bad.height:
        value, cell = bad[name][0], bad["cell"][0]
        raise UserError(f"cell {cell!r}: {name} is {value}, but must lie in {low:g}..{high:g}{note}.")
