"""What one cell answered, from its per-example rows: right or wrong, and the scores of all options."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from junkdna.analysis.option_probabilities import bits_per_byte, fitted_temperature
from junkdna.run.cell_file import examples_of
from junkdna.study.cell import Cell
from junkdna.study.formats import FORMATS, Format, format_of
from junkdna.study.study import Resolved

Array = np.ndarray
DECIDING = {"none": "scores", "token": "scores_per_token", "character": "scores_per_character"}
COLUMNS = ("gold", "prediction", "correct", "option_bytes")


@dataclass(frozen=True)
class Options:
    """Picked options or classes (n examples, k options): gold and predicted position, deciding scores, number of
    options, and bits per byte of the gold option (None unless options are compared by log-likelihood).

    `similarities`: scores are similarities, which have no unit and become probabilities with a fitted temperature.
    """

    gold_n: Array
    prediction_n: Array
    scores_nk: Array
    options_n: Array
    bits_per_byte_n: Array | None
    similarities: bool

    @cached_property
    def temperature(self) -> float | None:
        """The temperature under which scores become probabilities; 1 for logits and log-likelihoods."""
        return fitted_temperature(self.scores_nk, self.options_n, self.gold_n) if self.similarities else 1.0


@dataclass(frozen=True)
class CellAnswer:
    """`right_n`: whether each example is answered right; None for numbers and where a credit is between 0 and 1.
    `options`: None if nothing was picked (numbers, generated text)."""

    right_n: Array | None
    options: Options | None


def read_answer(cell: Cell, resolved: Resolved) -> CellAnswer:
    """The answer of a finished cell. Raises UserError for a corrupt file."""
    answer_format, kind = _format(cell, resolved)
    deciding = _deciding(cell, answer_format, resolved)
    table = examples_of(cell, (*dict.fromkeys((*COLUMNS, "scores", deciding)),))
    similarities = kind == "encoder" and not answer_format.head
    return CellAnswer(_right(table["correct"]), _options(table, deciding, similarities))


def _format(cell: Cell, resolved: Resolved) -> tuple[Format, str]:
    """The answer format of a cell and the kind of its model."""
    task, kind = resolved.tasks[cell.task], resolved.study.models[cell.model].kind
    picked = resolved.study.protocol(cell.protocol, task).picked(kind)
    return FORMATS[format_of(task.kind, kind, picked, cell.transfer != "none")], kind


def _deciding(cell: Cell, answer_format: Format, resolved: Resolved) -> str:
    """The column of the scores that decide."""
    if "option_bytes" not in answer_format.columns:
        return "scores"
    return DECIDING[resolved.study.protocol(cell.protocol, resolved.tasks[cell.task]).length_normalization]


def _right(correct: pl.Series) -> Array | None:
    if correct.null_count():
        return None
    credit_n = correct.to_numpy()
    return credit_n == 1 if np.isin(credit_n, (0, 1)).all() else None


def _options(table: pl.DataFrame, deciding: str, similarities: bool) -> Options | None:
    if table[deciding].null_count():
        return None
    gold_n = table["gold"].cast(pl.Int64).to_numpy()
    scores_nk, options_n = padded(table[deciding])
    return Options(
        gold_n, table["prediction"].cast(pl.Int64).to_numpy(), scores_nk, options_n, _bits(table, gold_n), similarities
    )


def _bits(table: pl.DataFrame, gold_n: Array) -> Array | None:
    if table["option_bytes"].null_count():
        return None
    gold = pl.Series(gold_n)
    likelihood_n, bytes_n = (table[name].list.get(gold).cast(pl.Float64) for name in ("scores", "option_bytes"))
    return bits_per_byte(likelihood_n.to_numpy(), bytes_n.to_numpy())


def padded(lists: pl.Series) -> tuple[Array, Array]:
    """(Numbers of each list as a row (n, k), with minus infinity after its end; lengths of the lists (n,))."""
    options_n = lists.list.len().to_numpy().astype(int)
    rows = np.full((len(lists), options_n.max()), -np.inf)
    rows[np.arange(options_n.max()) < options_n[:, None]] = lists.explode().to_numpy()
    return rows, options_n
