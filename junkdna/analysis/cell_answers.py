"""The answers of a study's groups of cells, read from the cell files, and the subsets of their examples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from junkdna.analysis.draws import clusters
from junkdna.analysis.picked_options import CellAnswer, read_answer
from junkdna.analysis.scored_cells import EvaluationSet, ScoredCell
from junkdna.analysis.scores import Answers
from junkdna.errors import UserError
from junkdna.evaluate.metrics import METRICS
from junkdna.run.cell_file import examples_of
from junkdna.seeds import seed_for
from junkdna.study.cell import Cell
from junkdna.study.study import Resolved

Array = np.ndarray
HALVES = ("half 0", "half 1")


@dataclass(frozen=True)
class Group:
    """Cells that differ only in their seed, scored on all their examples or on a named subset of them.

    `subset` is "" for all, one of `HALVES`, or "bin NAME" for a bin of external difficulty. Examples of one cluster are
    in the same half.
    """

    cells: tuple[Cell, ...]
    subset: str = ""

    def joined(self, other: "Group") -> "Group":
        """The cells of both groups, by seed."""
        return Group(tuple(sorted({*self.cells, *other.cells}, key=lambda cell: cell.seed)), self.subset)

    @property
    def first(self) -> Cell:
        """The cell of the first seed."""
        return self.cells[0]


@dataclass(frozen=True)
class Bins:
    """The bins of one task from easy to hard, and the bin of each example id; ids without one are in no bin."""

    order: tuple[str, ...]
    of: Mapping[str, str]


class CellAnswers:
    """Answers of groups of finished cells; every file is read once.

    `bins` maps a task with external difficulty to its bins.
    """

    def __init__(self, resolved: Resolved, bins: Mapping[str, Bins]) -> None:
        self.resolved = resolved
        self.bins = bins
        self._cells: dict[Cell, ScoredCell] = {}
        self._examples: dict[tuple[str, tuple[str, ...]], EvaluationSet] = {}

    def metric(self, task: str) -> str:
        """Name of a task's metric."""
        return self.resolved.tasks[task].metric

    def __call__(self, group: Group) -> Answers:
        """The answers of a group. Raises UserError if its cells were scored on different examples."""
        cells = [self._read(cell) for cell in group.cells]
        self.check_same_examples(group.cells)
        first = cells[0]
        return Answers(
            metric=self.metric(group.first.task),
            ids=first.examples.ids,
            gold=first.gold,
            given=np.stack([cell.given for cell in cells]),
            seeds=tuple(cell.seed for cell in group.cells),
            cluster=first.examples.cluster,
            subset=self._subset(group.first.task, group.subset, first.examples) if group.subset else None,
        )

    def check_same_examples(self, cells: tuple[Cell, ...]) -> None:
        """UserError if a cell was scored on other examples than the first: drops are paired by example."""
        for cell in cells[1:]:
            if self._read(cell).examples.ids != self._read(cells[0]).examples.ids:
                raise UserError(
                    f"{cell.path} was scored on other examples than {cells[0].path}: the tokens file changed in "
                    f"between. Delete the older of the two and rerun Snakemake."
                )

    def baselines(self, group: Group) -> tuple[float, float]:
        """Chance and majority baseline on the examples that count in a group with a subset.

        Chance needs the number of options of each example; for tasks without options, it is that of the metric.
        """
        answers = self(group)
        metric, gold = METRICS[answers.metric], answers.gold[answers.kept]
        options = self.options(group.first)
        chance = metric.chance(gold, None if options is None else options[answers.kept])
        return chance, chance if metric.majority is None else metric.majority(gold)

    def options(self, cell: Cell) -> Array | None:
        """Number of options (or classes) of each example (n,); None if nothing is picked."""
        scores = examples_of(cell, ("scores",))["scores"]
        return None if scores.null_count() else scores.list.len().to_numpy()

    def cell_answer(self, cell: Cell) -> CellAnswer:
        """What a cell answered, as far as it is known, to compare it with another cell."""
        return read_answer(cell, self.resolved)

    def _subset(self, task: str, name: str, examples: EvaluationSet) -> Array:
        if name in HALVES:
            return np.array([seed_for("half", task, each) % 2 == HALVES.index(name) for each in examples.units])
        of = self.bins[task].of
        return np.array([of.get(each) == name.removeprefix("bin ") for each in examples.ids])

    def _read(self, cell: Cell) -> ScoredCell:
        if cell not in self._cells:
            metric = METRICS[self.metric(cell.task)]
            table = examples_of(cell, ("id", "cluster", metric.gold_column, metric.column))
            examples = self._shared(cell.task, table)
            gold_n, given_n = (table[name].cast(pl.Float64).to_numpy() for name in (metric.gold_column, metric.column))
            self._cells[cell] = ScoredCell(examples, gold_n, given_n)
        return self._cells[cell]

    def _shared(self, task: str, table: pl.DataFrame) -> EvaluationSet:
        """The evaluation set of a table; most cells of a task have the same one, so one copy is kept. Other tasks may
        have the same ids with other passages."""
        ids = tuple(table["id"])
        if (task, ids) not in self._examples:
            names = table["cluster"].to_list()
            cluster_n = clusters(names)
            named = zip(names, ids, strict=True)
            units = ids if cluster_n is None else tuple(each if name is None else name for name, each in named)
            self._examples[task, ids] = EvaluationSet(ids, cluster_n, units)
        return self._examples[task, ids]
