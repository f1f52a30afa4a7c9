"""Expected times of cells: the mean of similar finished cells, else parameters x tokens over the throughput."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cache
from statistics import fmean
from typing import NamedTuple, TypeVar

from junkdna.dag.cell_work import CellWork
from junkdna.dag.state import Finished
from junkdna.study.cell import Cell
from junkdna.study.study import Resolved

T = TypeVar("T")


class Expected(NamedTuple):
    """Sum of seconds; cells estimated from other models or assumed rows; cells without an estimate, left out."""

    seconds: float
    guessed: list[Cell]
    unknown: list[Cell]


class _Mean(NamedTuple):
    """Means over similar finished cells: wall seconds as in full stacks, those for loading, training and scoring,
    and the work (None if it is unknown)."""

    wall_s: float
    load_s: float
    train_s: float
    score_s: float
    work: float | None


class CellTimes:
    """Expected wall seconds of cells, without process starts.

    The estimate is the mean of finished cells that differ only in level, options and seed; else of cells with equal
    model, task, transfer mode and protocol, scaled by the work that the knobs leave (rows, options); else the mean
    loading time plus parameters x tokens over the throughput of finished cells of the model or, if there are none, of
    all models. Cells that generate text tell only of each other, and so do the others.
    """

    def __init__(self, resolved: Resolved, *finished: Mapping[Cell, Finished]) -> None:
        """The first of `finished` with similar cells gives the mean, the last one the throughput."""
        self._resolved = resolved
        self._works = CellWork(resolved)
        self._means = [self._mean_by_similarity(cells) for cells in finished]
        self._measured = finished[-1]
        self._models = {cell.model for cell in self._measured}
        self._throughput = cache(self._measure)

    def expected_s(self, cell: Cell, places: float = 1.0) -> float | None:
        """Expected wall seconds of a cell that takes so many `places` of a stack; None if no finished cell gives an
        estimate."""
        if mean := self._mean_of_similar(cell):
            scale = self._scale(cell, mean)
            return mean.load_s + (mean.wall_s - mean.load_s + mean.train_s * (places - 1)) * scale
        work = self._works.of(cell)
        measured = self._throughput(cell.model if cell.model in self._models else "", self._generates(cell))
        if not work or not measured:
            return None
        return measured[0] + (work.scored + work.trained * places) / measured[1]

    def scoring_s(self, cell: Cell) -> float | None:
        """Expected wall seconds of scoring a cell's model once, without loading it; None as in `expected_s`."""
        if mean := self._mean_of_similar(cell):
            return mean.score_s * self._scale(cell, mean)
        work = self._works.of(cell)
        measured = self._throughput(cell.model if cell.model in self._models else "", self._generates(cell))
        return work.scored / measured[1] if work and measured else None

    def total(self, cells: Collection[Cell]) -> Expected:
        """The expected sum for all cells that will run; those of them that a GPU trains together fill its stacks
        (`stack_places`), as far as the finished ones ran on a GPU."""
        on_gpu = any(facts.on_gpu for facts in self._measured.values())
        places = self._works.places(cells) if on_gpu else {}
        expected = {cell: self.expected_s(cell, places.get(cell, 1.0)) for cell in cells}
        unknown = [cell for cell, seconds in expected.items() if seconds is None]
        scaled = [cell for cell, seconds in expected.items() if seconds and self._mean_of_similar(cell) is None]
        guessed = [cell for cell in scaled if cell.model not in self._models or None in self._works.rows(cell)]
        return Expected(sum(filter(None, expected.values())), guessed, unknown)

    def _mean_of_similar(self, cell: Cell) -> _Mean | None:
        return next((means[key] for means in self._means for key in _similarity(cell) if key in means), None)

    def _scale(self, cell: Cell, mean: _Mean) -> float:
        """Work of a cell relative to that of the similar ones; 1 if it is unknown."""
        work = self._works.of(cell)
        return work.total / mean.work if work and mean.work else 1.0

    def _mean_by_similarity(self, finished: Mapping[Cell, Finished]) -> dict[tuple, _Mean]:
        alike: dict[tuple, list[Cell]] = defaultdict(list)
        for cell in finished:
            for key in _similarity(cell):
                alike[key].append(cell)
        return {key: self._mean({cell: finished[cell] for cell in cells}) for key, cells in alike.items()}

    def _mean(self, finished: Mapping[Cell, Finished]) -> _Mean:
        facts, works = finished.values(), list(map(self._works.of, finished))
        work = fmean(each.total for each in works) if all(works) else None
        seconds = ((each.full_s, each.load_s, each.full_train_s, each.score_s) for each in facts)
        return _Mean(*map(fmean, zip(*seconds, strict=True)), work)

    def _measure(self, model: str, generates: bool) -> tuple[float, float] | None:
        """Mean loading seconds, and parameters x tokens per second, of the finished cells of a model ("" for all) that
        generate text or do not."""
        cells = [cell for cell in self._measured if model in ("", cell.model) and self._generates(cell) == generates]
        works = {cell: work.total for cell in cells if (work := self._works.of(cell))}
        facts = [self._measured[cell] for cell in works]
        seconds = sum(each.full_s - each.load_s for each in facts)
        return (fmean(each.load_s for each in facts), sum(works.values()) / seconds) if seconds else None

    def _generates(self, cell: Cell) -> bool:
        return self._resolved.tasks[cell.task].kind == "generate"


def _similarity(cell: Cell) -> tuple[tuple, ...]:
    """Keys that similar cells share, from the most to the least similar."""
    key = (cell.model, cell.task, cell.transfer, cell.protocol)
    return (*key, cell.knobs, cell.compression.method), (*key, cell.knobs), key
