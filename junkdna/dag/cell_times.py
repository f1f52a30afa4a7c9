"""Expected times of cells: the mean of similar finished cells, else parameters x tokens over the throughput."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from statistics import fmean
from typing import NamedTuple

from junkdna.dag.cell_work import CellWork
from junkdna.dag.state import Finished
from junkdna.study.cell import Cell
from junkdna.study.study import Resolved


class Expected(NamedTuple):
    """Sum of seconds; cells estimated from other models or assumed rows; cells without an estimate, left out."""

    seconds: float
    guessed: list[Cell]
    unknown: list[Cell]


class CellTimes:
    """Expected wall seconds of cells, without process starts.

    The estimate is the mean of finished cells that differ only in level, options and seed; else of cells with equal
    model, task, transfer mode and protocol; else the mean loading time plus parameters x tokens over the throughput of
    finished cells of the model or, if there are none, of all models.
    """

    def __init__(self, resolved: Resolved, *finished: Mapping[Cell, Finished]) -> None:
        """The first of `finished` with similar cells gives the mean, the last one the throughput."""
        self._works = CellWork(resolved)
        self._means = [_mean_by_similarity(cells, lambda facts: facts.wall_s) for cells in finished]
        self._scoring = [_mean_by_similarity(cells, lambda facts: facts.score_s) for cells in finished]
        self._measured = finished[-1]
        self._models = {cell.model for cell in self._measured}
        self._throughput = cache(self._measure)

    def expected_s(self, cell: Cell) -> float | None:
        """Expected wall seconds of a cell; None if no finished cell gives an estimate."""
        work, mean = self._work(cell), self._mean_of_similar(cell)
        measured = self._throughput(cell.model if cell.model in self._models else "")
        return measured[0] + work / measured[1] if mean is None and work and measured else mean

    def scoring_s(self, cell: Cell) -> float | None:
        """Expected wall seconds of scoring a cell's model once, without loading it; None as in `expected_s`."""
        mean, work = _of_similar(self._scoring, cell), self._works.of(cell)
        measured = self._throughput(cell.model if cell.model in self._models else "")
        return work.scored / measured[1] if mean is None and work and measured else mean

    def total(self, cells: Iterable[Cell]) -> Expected:
        """The expected sum for some cells."""
        expected = {cell: self.expected_s(cell) for cell in cells}
        unknown = [cell for cell, seconds in expected.items() if seconds is None]
        scaled = [cell for cell, seconds in expected.items() if seconds and self._mean_of_similar(cell) is None]
        guessed = [cell for cell in scaled if cell.model not in self._models or None in self._works.rows(cell)]
        return Expected(sum(filter(None, expected.values())), guessed, unknown)

    def _mean_of_similar(self, cell: Cell) -> float | None:
        return _of_similar(self._means, cell)

    def _measure(self, model: str) -> tuple[float, float] | None:
        """Mean loading seconds, and parameters x tokens per second, of the finished cells of a model ("" for all)."""
        works = {cell: self._work(cell) for cell in self._measured if model in ("", cell.model)}
        facts = [self._measured[cell] for cell, work in works.items() if work]
        seconds = sum(each.wall_s - each.load_s for each in facts)
        return (fmean(each.load_s for each in facts), sum(filter(None, works.values())) / seconds) if seconds else None

    def _work(self, cell: Cell) -> float | None:
        """Parameters x tokens, trained ones weighted; None if the parameters are unknown."""
        work = self._works.of(cell)
        return work.total if work else None


def _of_similar(some: Iterable[Mapping[tuple, float]], cell: Cell) -> float | None:
    return next((means[key] for means in some for key in _similarity(cell) if key in means), None)


def _similarity(cell: Cell) -> tuple[tuple, ...]:
    """Keys that similar cells share, from the most to the least similar."""
    key = (cell.model, cell.task, cell.transfer, cell.protocol)
    return (*key, cell.knobs, cell.compression.method), (*key, cell.knobs), key


def _mean_by_similarity(finished: Mapping[Cell, Finished], seconds_of: Callable) -> dict[tuple, float]:
    walls: dict[tuple, list[float]] = defaultdict(list)
    for cell, facts in finished.items():
        for key in _similarity(cell):
            walls[key].append(seconds_of(facts))
    return {key: fmean(seconds) for key, seconds in walls.items()}
