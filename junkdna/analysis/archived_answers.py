"""The analysis of an archive: the tables of a study from packed answers instead of cell files."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl

from junkdna.analysis.archive_files import Archive
from junkdna.analysis.cell_answers import Bins, CellAnswers
from junkdna.analysis.packed_values import Packed, unpack, unpack_flags
from junkdna.analysis.picked_options import CellAnswer
from junkdna.analysis.scored_cells import ScoredCell
from junkdna.analysis.study_tables import FROM_FILES, tables_of
from junkdna.evaluate.metrics import METRICS
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.study import Resolved

Array = np.ndarray
FROM_SCORES = (
    "agreement", "kappa", "kl_divergence", "kl_divergence_low", "kl_divergence_high", "temperature",
    "dense_information", "information_retained", "information_retained_low", "information_retained_high",
    "bits_per_byte", "dense_bits_per_byte",
)  # fmt: skip
"""Columns of the table of behavior that need the scores of all options, which an archive does not have."""
ROW = ("experiment", "model", "task", "knobs", "compression", "transfer", "protocol", "n_seeds")
_CONDITION = ("model", "task", "knobs", "compression", "transfer", "protocol")
STORED = {
    "behavior": ROW,
    "connectivity": ("experiment", *_CONDITION, "alpha"),
    "layers": ("model", "compression", "seed", "head", "matrix"),
    "margins": (*_CONDITION, "id"),
}
"""Tables that an archive keeps because answers do not give all of their numbers, with the columns that name a row."""


class ArchivedAnswers(CellAnswers):
    """Answers of the cells of an archive."""

    def __init__(self, resolved: Resolved, answers: pl.DataFrame, questions: pl.DataFrame, bins: Mapping[str, Bins]):
        super().__init__(resolved, bins)
        self.rows = {row["cell"]: row for row in answers.iter_rows(named=True)}
        self.sets = {part["set"][0]: part for part in questions.partition_by("set", maintain_order=True)}

    def questions(self, cell: Cell) -> pl.DataFrame:
        """The evaluation set of a cell (`archive_files.QUESTION_SCHEMA`)."""
        return self.sets[self.rows[cell.key]["set"]]

    def options(self, cell: Cell) -> Array | None:
        """Number of options of each example (n,); None if nothing is picked."""
        counts = self.questions(cell)["options"]
        return None if counts.null_count() else counts.to_numpy()

    def cell_answer(self, cell: Cell) -> CellAnswer:
        """Which examples are right. The scores of options are not archived."""
        return CellAnswer(self.right(cell), None)

    def given(self, cell: Cell) -> Array:
        """What the metric of its task takes (n,)."""
        return self._read(cell).given

    def right(self, cell: Cell) -> Array | None:
        """Whether each example (n,) is answered right; None if some credit is neither 0 nor 1."""
        row = self.rows[cell.key]
        if not row["has_right"]:
            return None
        given = self._read(cell)
        if row["right"] is not None:
            return unpack_flags(row["right"], len(given.given))
        return right_of(self.metric(cell.task), given.gold, given.given)

    def _read(self, cell: Cell) -> ScoredCell:
        if cell not in self._cells:
            row, table = self.rows[cell.key], self.questions(cell)
            given = unpack(Packed(row["kind"], row["values"], row["given"]), table.height)
            self._cells[cell] = ScoredCell(self._shared(cell.task, table), table["gold"].to_numpy(), given)
        return self._cells[cell]


def right_of(metric: str, gold: Array, given: Array) -> Array:
    """Which examples (n,) are right, from what a metric takes."""
    return given == 1 if METRICS[metric].column == "correct" else given == gold


class Analysis:
    """An archive with everything that follows from it."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.resolved = archive.resolved

    @cached_property
    def cells(self) -> pl.DataFrame:
        """The table of cells."""
        return self.archive.stored("cells")

    @cached_property
    def bins(self) -> dict[str, Bins]:
        """The bins of each task with a published difficulty that was archived."""
        tasks = dict(self.cells.select("cell", "task").iter_rows())
        of: dict[str, dict[str, str]] = {task: {} for task in self.archive.about["rated"]}
        sets = dict(self.archive.answers.select("set", pl.col("cell").replace_strict(tasks).alias("task")).iter_rows())
        for number, key, name in self.archive.questions.select("set", "id", "bin").iter_rows():
            if name is not None and sets.get(number) in of:
                of[sets[number]][key] = name
        return {task: Bins(tuple(self.resolved.tasks[task].difficulty.bins), ids) for task, ids in of.items()}

    @cached_property
    def answers(self) -> ArchivedAnswers:
        """The answers of all cells."""
        return ArchivedAnswers(self.resolved, self.archive.answers, self.archive.questions, self.bins)

    @property
    def missing(self) -> int:
        """The number of cells of the study that are not in the archive."""
        return len({cell.key for cell in all_cells(self.resolved)} - {*self.cells["cell"]})

    def tables(self) -> dict[str, pl.DataFrame]:
        """Name -> table, as `study_tables` has them.

        All numbers are computed again from the answers, except the tables `FROM_FILES`, which are the archived ones,
        and the columns `FROM_SCORES`: these are those of the archived table of behavior, and null in rows that it does
        not have with the same number of seeds.
        """
        stored = {name: self.archive.stored(name) for name in STORED}
        return archived_tables(self.resolved, self.cells, self.answers, self.bins, stored)


def archived_tables(
    resolved: Resolved, cells: pl.DataFrame, answers: ArchivedAnswers, bins: Mapping[str, Bins],
    stored: Mapping[str, pl.DataFrame],
) -> dict[str, pl.DataFrame]:  # fmt: skip
    """The tables of a study; `stored` are the tables `STORED`, with what answers alone do not give."""
    lacking = {cell.key for cell in all_cells(resolved)} - {*cells["cell"]}
    tables = tables_of(resolved, cells, answers, bins, partial=bool(lacking))
    tables["behavior"] = with_stored(tables["behavior"], stored["behavior"])
    return tables | {name: stored[name] for name in FROM_FILES}


def with_stored(computed: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The table of behavior with the columns `FROM_SCORES` of a stored one, where that has the row."""
    known = stored.select(*ROW, *FROM_SCORES).unique(ROW, keep="first", maintain_order=True)
    joined = computed.drop(*FROM_SCORES).join(known, on=ROW, how="left", maintain_order="left")
    return joined.select(computed.columns)
