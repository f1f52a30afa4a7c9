"""Knobs as an axis: the knob that an experiment varies, the order of its values, and how the paper reads it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

# Axis label of each knob, and which values the paper (arXiv 2310.02277, section 3) reads as harder. The first knob that
# varies is the axis.
KNOB_LABELS = {
    "context": ("tokens of context around the answer", "more text to search, and above all no passage,"),
    "data_fraction": ("training rows used, %", "fewer training rows"),
    "options": ("options per question", "more options"),
    "shots": ("in-context examples (shots)", "fewer shots"),
    "answer_span": ("answer in the passage", "a masked answer"),
}
RISING = {"context": True, "data_fraction": False, "options": True, "shots": False, "answer_span": True}


def knob_values(row: dict) -> dict[str, str]:
    """The value of every knob of a row's task, defaults included."""
    return dict(pair.split("=", 1) for pair in row["knob_values"].split(",") if "=" in pair)


def varying(rows: pl.DataFrame) -> dict[str, set[str]]:
    """The knobs with two or more values in `rows`, and these values."""
    values_of: dict[str, set[str]] = {}
    for row in rows.select("knob_values").unique().iter_rows(named=True):
        for knob, value in knob_values(row).items():
            values_of.setdefault(knob, set()).add(value)
    return {knob: values for knob, values in values_of.items() if len(values) > 1}


def shared_knob(rows: pl.DataFrame) -> str | None:
    """The knob that varies within every task of `rows`, or None if there is none.

    Of several such knobs, the one with the most values is chosen, and `answer_span` last. Without one, tasks can only
    be compared by a measure of difficulty.
    """
    by_task = [varying(task) for task in rows.partition_by("task")]
    common = [knob for knob in KNOB_LABELS if all(knob in knobs for knobs in by_task)]
    count = {knob: (knob != "answer_span", max(len(knobs[knob]) for knobs in by_task)) for knob in common}
    return max(common, key=count.__getitem__, default=None)


def other_knobs(rows: pl.DataFrame, axis: str) -> tuple[str, ...]:
    """The knobs that vary within a task of `rows`, except the one on the axis."""
    knobs = {knob for task in rows.partition_by("task") for knob in varying(task)}
    return tuple(sorted(knobs - {axis}))


def variant(row: dict, knobs: Sequence[str]) -> str:
    """Label of the values of `knobs` in a row, such as "answer span masked"; empty if it has none of them."""
    values = knob_values(row)
    return ", ".join(f"{knob.replace('_', ' ')} {values[knob]}" for knob in knobs if knob in values)


def value_order(value: str) -> tuple:
    """Sort key of a knob's values: numbers, then words such as "passage", and "none" (no context) last."""
    number = value.replace(".", "", 1).isdigit()
    return (3, 0.0, "") if value == "none" else (1, float(value), "") if number else (2, 0.0, value)


def ordered(difficulty_of: Mapping[str, float | None]) -> list[str]:
    """The values of a knob in numeric order, turned so that measured difficulty is higher at the end than at the start.

    `difficulty_of` is the measured difficulty of each value; None counts as unknown.
    """
    values = sorted(difficulty_of, key=value_order)
    known = [difficulty_of[value] for value in values if difficulty_of[value] is not None]
    return values[::-1] if len(known) > 1 and known[0] > known[-1] else values


def rises(measured: Sequence[float | None]) -> bool:
    """Whether measured difficulty rises with every step from left to right."""
    return None not in measured and all(a < b for a, b in pairwise(measured))


def reading(knob: str, values: Sequence[str], rising: bool) -> str:
    """How the paper reads a knob, and whether the measured difficulty agrees. `values` are in the order of the axis,
    in which measured difficulty is `rising` or not."""
    words = f"The paper reads {KNOB_LABELS[knob][1]} as harder"
    numeric = value_order(values[0]) <= value_order(values[-1])
    if not rising:
        return f"{words}; the measured difficulty does not rise or fall steadily with this knob."
    return (
        f"{words}; so does the dense model."
        if numeric == RISING[knob]
        else f"{words}; for the dense model it is easier."
    )
