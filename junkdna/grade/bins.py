"""Bins of questions from easy to hard: by a difficulty that the log has, or by the confidence of the dense model."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from junkdna.analysis.cell_answers import Bins
from junkdna.errors import UserError, short_repr
from junkdna.grade.answers import TaskAnswers

MOST_VALUES = 8  # numbers with more different values are grouped into quarters
QUARTERS = ("easiest quarter", "second quarter", "third quarter", "hardest quarter")
CONFIDENT = ("most confident quarter", "second quarter", "third quarter", "least confident quarter")
MADE_UP = "confidence of the dense model (score of its answer minus the next best), in quarters"


class Graded(NamedTuple):
    """The bins of a task; `published` says whether they come from the log, and not from the dense model's scores."""

    title: str
    bins: Bins
    published: bool
    notes: tuple[str, ...] = ()


def graded_bins(dense: TaskAnswers, column: str, order: Sequence[str]) -> Graded | None:
    """The bins of a task's questions, from the answers of the dense model; None if nothing orders them.

    A difficulty in words needs `order`, its values from easy to hard. Numbers are ordered by value, with one bin for
    each of up to `MOST_VALUES` values, else four with about as many questions each. Without a difficulty, bins are
    quarters of the dense model's confidence. They describe and test nothing: the order shares the noise of the
    scores. Raises UserError for words without an order.
    """
    values = {key: answer.difficulty for key, answer in dense.answers.items() if answer.difficulty is not None}
    if not values:
        return _by_confidence(dense)
    bins = _in_order(values, order) if order and {*values.values()} & {*order} else _by_number(dense, values)
    notes = []
    if without := len(dense.answers) - len(bins.of):
        notes = [f"{without} questions of {dense.task} are in no bin of {column}"]
    return Graded(column, bins, True, tuple(notes)) if len({*bins.of.values()}) > 1 else None


def _in_order(values: Mapping[str, str], order: Sequence[str]) -> Bins:
    return Bins(tuple(order), {key: value for key, value in values.items() if value in order})


def _by_number(dense: TaskAnswers, values: Mapping[str, str]) -> Bins:
    try:
        numbers = {key: float(value) for key, value in values.items()}
    except ValueError:
        word = next(value for value in values.values() if not _is_number(value))
        raise UserError(
            f"{dense.file}: the difficulty {short_repr(word)} of task {dense.task} is no number, so its order is "
            "unknown. Name the values from easy to hard: --difficulty-order easy,medium,hard."
        ) from None
    numbers = {key: value for key, value in numbers.items() if math.isfinite(value)}
    distinct = sorted({*numbers.values()})
    if len(distinct) <= MOST_VALUES:
        return Bins(tuple(f"{value:g}" for value in distinct), {key: f"{value:g}" for key, value in numbers.items()})
    return quarters(numbers, QUARTERS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _by_confidence(dense: TaskAnswers) -> Graded | None:
    deciding = {key: answer.per_character or answer.scores for key, answer in dense.answers.items()}
    if not dense.picks or not all(deciding.values()):
        return None
    doubt = {key: -_lead(scores) for key, scores in deciding.items()}
    bins = quarters(doubt, CONFIDENT)
    return Graded(MADE_UP, bins, False) if len({*bins.of.values()}) > 1 else None


def _lead(scores: Sequence[float]) -> float:
    second, first = sorted(scores)[-2:]
    return 0.0 if first == second else first - second


def quarters(values: Mapping[str, float], names: tuple[str, ...]) -> Bins:
    """Four bins of about equal size, lowest values first; equal values are in one bin."""
    limits = np.quantile([*values.values()], (0.25, 0.5, 0.75))
    at = np.searchsorted(limits, [*values.values()])
    return Bins(names, {key: names[position] for key, position in zip(values, at, strict=True)})
