"""The rows that a cell trains on, and the check that each row is usable for training."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from junkdna.errors import UserError, unknown_name
from junkdna.study.formats import FORMATS


@dataclass(frozen=True, kw_only=True)
class TrainRows:
    """Rows to train on in an answer format, as columns of a tokens file (`tokens_file.SCHEMA`).

    Columns that the format does not read may be missing. `full_rows` is the number of train rows before the knob
    data_fraction was applied; None if it was not.
    """

    format: str
    columns: dict[str, list]
    full_rows: int | None = None

    def __len__(self) -> int:
        return len(self.columns[read_columns(self.format)[0]])

    def labels(self, batch: list[int], device: str) -> dict[str, Tensor]:
        """The labels of the rows `batch` that a loss needs: `answer` or `target`, a tensor (B,). The loss of a language
        model needs none, because its labels are tokens of the batch."""
        types = {"answer": torch.int64, "target": torch.float32}
        return {
            name: torch.tensor([self.columns[name][i] for i in batch], dtype=types[name], device=device)
            for name in read_columns(self.format)
            if name in types and not FORMATS[self.format].is_language_model
        }


def read_columns(name: str) -> tuple[str, ...]:
    """The columns of the tokens file that training in an answer format reads."""
    return FORMATS[name].train_columns or FORMATS[name].columns


def check_rows(data: TrainRows, classes: int) -> None:
    """Raise UserError unless every row is usable for training; `classes` is the number of the classifier's outputs."""
    if data.format not in FORMATS:
        raise unknown_name("answer format", data.format, FORMATS)
    trainable = [name for name, each in FORMATS.items() if each.fits(trained=True)]
    if data.format not in trainable:
        raise UserError(
            f"answer format {data.format} cannot be trained (only {', '.join(trainable)} can). Use transfer: none."
        )
    columns = read_columns(data.format)
    if missing := [name for name in columns if data.columns.get(name) is None]:
        raise UserError(
            f"answer format {data.format} needs the columns {', '.join(missing)}, but the train rows of this task lack "
            "them. Check the task's kind."
        )
    assert len({len(data.columns[name]) for name in columns}) == 1, "columns of different lengths"
    if not len(data):
        raise UserError("There are no train rows. Check the task's train split and columns.require.")
    if problems := [(row, text) for row in range(len(data)) if (text := _problem(data, row, classes))]:
        row, text = problems[0]
        raise UserError(
            f"{len(problems)} of {len(data)} train rows are not usable for training (answer format {data.format}); the "
            f"first is row {row} (from 0): {text}. Correct the task's columns or exclude such rows."
        )


def _problem(data: TrainRows, row: int, classes: int) -> str | None:
    values = {name: data.columns[name][row] for name in read_columns(data.format)}
    language_model = FORMATS[data.format].is_language_model
    may_be_empty = "query" if language_model else ""  # windows of a text have no prompt
    missing = [name for name, value in values.items() if value is None or (value == [] and name != may_be_empty)]
    if missing:
        return f"no {' and no '.join(missing)}"
    if language_model:
        return _text_problem(**values)
    options = values.get("options")
    if options is not None and (len(options) < 2 or not all(options)):
        lengths = [len(option or []) for option in options]
        return f"a choice needs at least two options with at least one token each, but they have {lengths} tokens"
    if "target" in values:
        return None if math.isfinite(values["target"]) else f"target {values['target']} is not a finite number"
    count, noun = (classes, "classes") if options is None else (len(options), "options")
    answer = values["answer"]
    return None if answer in range(count) else f"answer {answer} is not one of {count} {noun} (from 0)"


def _text_problem(query: list[int], options: list, option_starts: list[int], answer: int = 0) -> str | None:
    """Why a language model cannot learn the texts of a row."""
    if answer not in range(len(options)):
        return f"answer {answer} is not one of {len(options)} options (from 0)"
    for option, start in zip(options, option_starts, strict=True):
        if start not in range(len(option or [])):
            return f"an answer of {len(option or [])} tokens, of which {start} are not predicted, leaves none to learn"
        if not query and not start:
            return "no token precedes the answer, so its first token has no probability"
    return None
