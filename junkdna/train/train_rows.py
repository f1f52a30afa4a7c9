"""The rows that a cell trains on, and whether every one of them can be learned from."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from junkdna.errors import UserError, unknown_name
from junkdna.study.formats import FORMATS, load


@dataclass(frozen=True, kw_only=True)
class TrainRows:
    """Rows to train on in an answer format, as columns of a tokens file (`tokens_file.SCHEMA`).

    Columns that the format does not read may be missing. `full_rows` is the number of train rows before a data fraction
    took some; None: these are all.
    """

    format: str
    columns: dict[str, list]
    full_rows: int | None = None

    def __len__(self) -> int:
        return len(self.columns[FORMATS[self.format].columns[0]])

    def labels(self, batch: list[int], device: str) -> dict[str, Tensor]:
        """What a loss compares the outputs for the rows `batch` with: tensors (B,), `answer` or `target`."""
        types = {"answer": torch.int64, "target": torch.float32}
        return {
            name: torch.tensor([self.columns[name][i] for i in batch], dtype=types[name], device=device)
            for name in FORMATS[self.format].columns
            if name in types
        }


def check_rows(data: TrainRows, classes: int) -> None:
    """UserError unless every row can be learned from; `classes` is the number of the classifier's outputs."""
    if data.format not in FORMATS:
        raise unknown_name("answer format", data.format, FORMATS)
    if load(data.format).loss is None:
        trainable = [name for name, each in FORMATS.items() if each.training != "none"]
        raise UserError(
            f"answer format {data.format} cannot be trained; those that can are {', '.join(trainable)}. Use "
            "transfer: none."
        )
    columns = FORMATS[data.format].columns
    if absent := [name for name in columns if data.columns.get(name) is None]:
        raise UserError(
            f"answer format {data.format} reads {', '.join(absent)} of the train rows, which this task does not give; "
            "its kind probably is another one."
        )
    assert len({len(data.columns[name]) for name in columns}) == 1, "columns of different lengths"
    if not len(data):
        raise UserError("there are no train rows: check the task's train split and what it requires of a row.")
    problems = [(row, text) for row in range(len(data)) if (text := _problem(data, row, classes))]
    if problems:
        row, text = problems[0]
        raise UserError(
            f"{len(problems)} of {len(data)} train rows cannot be learned from (answer format {data.format}); the "
            f"first is row {row} (from 0): {text}. Correct the task's columns or leave such rows out."
        )


def _problem(data: TrainRows, row: int, classes: int) -> str | None:
    values = {name: data.columns[name][row] for name in FORMATS[data.format].columns}
    missing = [name for name, value in values.items() if value is None or value == []]
    if missing:
        return f"no {' and no '.join(missing)}"
    options = values.get("options")
    if options is not None and (len(options) < 2 or not all(options)):
        lengths = [len(option or []) for option in options]
        return f"a choice needs two options or more, each with tokens; these are {lengths} tokens long"
    if "target" in values:
        return None if math.isfinite(values["target"]) else f"target {values['target']} is no finite number"
    places = f"{classes} classes" if options is None else f"{len(options)} options"
    inside = values["answer"] in range(classes if options is None else len(options))
    return None if inside else f"answer {values['answer']} is none of its {places} (counted from 0)"
