"""One of the two studies that are compared: its tables, its cells and where their files are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.analysis.archive_files import is_archive, read_archive
from junkdna.analysis.expected_columns import columns_of, with_columns
from junkdna.compare.keys import Run, chosen
from junkdna.report.page.inputs import Inputs, read_inputs
from junkdna.report.results import open_results
from junkdna.study.cell import parse_compression
from junkdna.study.methods import METHODS, with_methods
from junkdna.study.paths import CELLS
from junkdna.study.results_folder import results_folder, stored_study

if TYPE_CHECKING:
    import polars as pl

CONDITION = ("model", "task", "knobs", "compression", "transfer", "protocol")


@dataclass(frozen=True)
class Side:
    """A study: `letter` is "A" or "B", `folder` its results, `root` the folder with its `results/cells`. `wanted` are
    the parts of keys by which its cells are chosen."""

    letter: str
    folder: Path
    root: Path
    inputs: Inputs
    wanted: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the study, with what was chosen of it."""
        return f"{self.inputs.name} ({', '.join(self.wanted.values())})" if self.wanted else self.inputs.name

    @property
    def file_name(self) -> str:
        """The name as a part of a file name."""
        return re.sub(r"[^A-Za-z0-9_.+-]", "_", "-".join((self.inputs.name, *self.wanted.values())))

    @cached_property
    def facts(self) -> dict[str, dict]:
        """The row of the table of cells by the key of the cell."""
        return {row["cell"]: row for row in self.inputs.cells.iter_rows(named=True)}

    @cached_property
    def runs(self) -> list[Run]:
        """Every cell."""
        return [Run.of(row) for row in self.facts.values()]

    @cached_property
    def chosen(self) -> list[Run]:
        """The cells to compare. Raises UserError for an unknown part or value of `wanted`."""
        return chosen(self.letter, self.runs, self.wanted)

    @cached_property
    def _rows(self) -> dict[tuple, dict]:
        return {tuple(row[name] for name in CONDITION): row for row in self._reversed.iter_rows(named=True)}

    @property
    def _reversed(self) -> pl.DataFrame:
        return self.inputs.drops.reverse()  # so that of a condition of several experiments the first one counts

    def drop(self, run: Run) -> dict | None:
        """The row of the table of drops that contains a cell."""
        facts = self.facts[run.cell]
        return self._rows.get(tuple(facts[name] for name in CONDITION))

    @cached_property
    def _dense(self) -> dict[tuple, dict[int, Run]]:
        found: dict[tuple, dict[int, Run]] = {}
        for run in self.runs:
            if run.method == "dense":
                found.setdefault((run.model, run.task, run.knobs, run.protocol, run.transfer), {})[run.seed] = run
        return found

    def references(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """The dense cells to which some cells of one condition are compared, by seed; empty if one is missing.

        A dense cell that depends on no seed is that of all seeds.
        """
        first = runs[0]
        mode = "none" if first.transfer == "none" else "dense"
        by_seed = self._dense.get((first.model, first.task, first.knobs, first.protocol, mode), {})
        if mode == "none":
            return tuple(by_seed.values())[:1]
        return tuple(by_seed[run.seed] for run in runs) if all(run.seed in by_seed for run in runs) else ()

    def file(self, run: Run) -> Path:
        """The file of a cell."""
        return self.root / CELLS / f"{run.cell}.parquet"


def read_side(letter: str, path: Path, wanted: Mapping[str, str]) -> Side:
    """The study in a folder of results or in its folder of tables, or in an archive; `wanted` chooses cells.

    Raises UserError for a folder without tables, and for a missing or corrupt file.
    """
    folder = results_folder(path)
    results = open_results(folder)
    if is_archive(folder):  # its answers are packed: cell files that happen to be near are not those of the archive
        read_archive(folder)
    root = folder if is_archive(folder) else results.root
    inputs = read_inputs(folder / "tables", stored_study(folder))
    for name, table in (("drops", inputs.drops), ("claims", inputs.claims)):
        with_columns(table, columns_of(name), folder / f"tables/{name}.parquet", others=True)
    return Side(letter, folder, root, inputs, wanted)


@contextmanager
def known_methods(*sides: Side) -> Iterator[None]:
    """Within the block, methods that only the names of logs know (`junkdna grade`) have labels."""
    from junkdna.grade.names import logged_method

    tags = {tag for side in sides for tag in side.inputs.cells["compression"]}
    names = sorted({parse_compression(tag).method for tag in tags} - {*METHODS, "dense"})
    with with_methods(logged_method(name, at) for at, name in enumerate(names)):
        yield
