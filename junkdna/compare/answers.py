"""The answers of the cells of two studies, in one order of the examples, so that differences are paired by example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from junkdna.analysis.draws import clusters
from junkdna.analysis.scores import Answers
from junkdna.evaluate.metrics import METRICS
from junkdna.run.cell_file import KIND
from junkdna.storage.checksums import read_verified
from junkdna.storage.file_errors import corrupt_file

Array = np.ndarray


@dataclass(frozen=True)
class Group:
    """Cells of one study that differ only in their seed: the metric, and the file of each seed."""

    metric: str
    files: tuple[tuple[int, Path], ...]


@dataclass(frozen=True)
class CellAnswers:
    """What one cell answered (n examples). `right_n` is None where a credit is between 0 and 1."""

    ids: tuple[str, ...]
    cluster: Array | None
    gold_n: Array
    given_n: Array
    right_n: Array | None


class AnswersOfBoth:
    """Answers of groups of cells of both studies. Every file is read once.

    Cells that answered the same examples in another order are brought into the order of the one that is read first, and
    get its clusters. `forget` frees the memory.
    """

    def __init__(self) -> None:
        self._cells: dict[tuple[str, Path], CellAnswers] = {}
        self._orders: dict[frozenset[str], tuple[tuple[str, ...], Array | None]] = {}

    def __call__(self, group: Group) -> Answers:
        """The answers of a group, whose cells have the same examples (`same_examples`)."""
        cells = [self.cell(group.metric, path) for _, path in group.files]
        return Answers(
            metric=group.metric, ids=cells[0].ids, gold=cells[0].gold_n,
            given=np.stack([cell.given_n for cell in cells]), seeds=tuple(seed for seed, _ in group.files),
            cluster=cells[0].cluster,
        )  # fmt: skip

    def cell(self, metric: str, path: Path) -> CellAnswers:
        """The answers of one cell. Raises UserError if its file is corrupt."""
        if (metric, path) not in self._cells:
            self._cells[metric, path] = self._read(metric, path)
        return self._cells[metric, path]

    def same_examples(self, groups: Iterable[Group]) -> bool:
        """Whether all cells of some groups answered the same examples."""
        return len({self.cell(group.metric, path).ids for group in groups for _, path in group.files}) == 1

    def forget(self) -> None:
        """Drop all answers."""
        self._cells.clear()
        self._orders.clear()

    def _read(self, metric: str, path: Path) -> CellAnswers:
        known = METRICS[metric]
        table = examples_in(path, ("id", "cluster", known.gold_column, known.column, "correct"))
        ids = tuple(table["id"])
        order, cluster = self._orders.setdefault(frozenset(ids), (ids, clusters(table["cluster"].to_list())))
        if ids != order:
            table = table[_places(ids, order)]
        gold_n, given_n = (table[name].cast(pl.Float64).to_numpy() for name in (known.gold_column, known.column))
        return CellAnswers(order, cluster, gold_n, given_n, _right(table["correct"]))


def _places(ids: tuple[str, ...], order: tuple[str, ...]) -> list[int]:
    """The place in `ids` of each id of `order`."""
    at: Mapping[str, int] = {name: place for place, name in enumerate(ids)}
    return [at[name] for name in order]


def _right(correct: pl.Series) -> Array | None:
    credit_n = correct.cast(pl.Float64).to_numpy()
    return credit_n == 1 if np.isin(credit_n, (0, 1)).all() else None


def examples_in(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Columns of the per-example rows in a cell's file. Raises UserError if it is corrupt or lacks a column."""
    data = read_verified(path, KIND)
    try:
        rows = pl.read_parquet(data, columns=["examples"]).explode("examples").unnest("examples")
        return rows.select([*dict.fromkeys(columns)])
    except pl.exceptions.PolarsError as error:
        raise corrupt_file(path, KIND, error) from None
