"""The x axis of a difficulty figure: a knob, a measure of difficulty, or the kinds of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from junkdna.analysis import difficulty
from junkdna.report.plotting import marks, text
from junkdna.study.metrics import perfect_score

if TYPE_CHECKING:
    import polars as pl

Condition = tuple[str, str]  # task, knobs
DENSE_ERROR = difficulty.CHANCE_CORRECTED_DENSE_ERROR
HUMAN_GAPS = (difficulty.HUMAN_GAP_BY_HUMAN, difficulty.HUMAN_GAP_BY_DENSE)
# Axis label of each knob, and the direction that the paper considers harder. The first knob that varies is the axis.
KNOB_LABELS = {
    "context": ("tokens of context around the answer", "harder →"),
    "data_fraction": ("training rows used, %", "← harder"),
    "options": ("options per question", "harder →"),
    "shots": ("in-context examples (shots)", "← harder"),
    "answer_span": ("answer in the passage", "harder →"),
}
KIND_LABELS = {
    "choice": "multiple\nchoice",
    "classify": "single\ntext",
    "generate": "free\nanswer",
    "likelihood": "given\nanswer",
    "pair": "text\npair",
    "regress": "number",
}
CROWDED = 1 / 16  # of the axis: values closer than this are evenly spaced, because their labels would touch


@dataclass(frozen=True)
class Scale:
    """Position of each condition on the x axis, and the axis label, limits and ticks.

    `joined`: lines join the conditions from left to right, faintly across a divider. Matplotlib chooses the
    ticks if `ticks` is empty.
    """

    at: Mapping[Condition, float]
    label: str
    limits: tuple[float, float]
    ticks: tuple[tuple[float, str], ...] = ()
    dividers: tuple[float, ...] = ()
    joined: bool = False


def condition(row: dict) -> Condition:
    """The condition of a row, a key of `Scale.at`."""
    return row["task"], row["knobs"]


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


def variant(row: dict, knobs: tuple[str, ...]) -> str:
    """Label of the values of `knobs` in a row, such as "answer span masked"; empty if it has none of them."""
    values = knob_values(row)
    return ", ".join(f"{knob.replace('_', ' ')} {values[knob]}" for knob in knobs if knob in values)


def of_knob(rows: pl.DataFrame, knob: str) -> Scale:
    """The axis of one knob of one task: values at their numbers, or evenly spaced if they would be crowded.

    Values of context are always evenly spaced, "none" first and "passage" last. A divider sets "none" apart, because a
    task without context tests recall.
    """
    value_of = {condition(row): knob_values(row)[knob] for row in rows.iter_rows(named=True)}
    values = sorted(set(value_of.values()), key=_order)
    numbers = [float(value) for value in values] if knob != "context" and all(map(str.isdigit, values)) else None
    even = numbers is None or _nearest(numbers) < CROWDED * (numbers[-1] - numbers[0])
    positions = [float(at) for at in range(len(values))] if even else numbers
    pad = max(0.5 * _nearest(positions), 0.07 * (positions[-1] - positions[0]))
    name, harder = KNOB_LABELS[knob]
    note = "(evenly spaced)   " if even and len(values) > 2 else ""
    return Scale(
        at={key: positions[values.index(value)] for key, value in value_of.items()},
        label=f"{name}\n{note}{harder}",
        limits=(positions[0] - pad, positions[-1] + pad),
        ticks=tuple(zip(positions, values, strict=True)),
        dividers=(0.5,) if knob == "context" and values[0] == "none" else (),
        joined=True,
    )


def _nearest(positions: list[float]) -> float:
    """The smallest step between increasing positions; 1 if there is only one (in an incomplete study)."""
    return min((b - a for a, b in pairwise(positions)), default=1.0)


def _order(value: str) -> tuple:
    """Sort key of a knob's values: "none", then numbers, then words such as "passage"."""
    return (0, 0.0, "") if value == "none" else (1, float(value), "") if value.isdigit() else (2, 0.0, value)


def of_measure(rows: pl.DataFrame, measure: str) -> Scale:
    """The axis of a measure of difficulty, without the conditions for which it is undefined.

    An axis of the human gap also omits conditions without a retention: the gap by dense is unbounded if dense is near
    0, and would squeeze all other conditions together.
    """
    rows = rows if measure == DENSE_ERROR else rows.drop_nulls("retention")
    error = difficulty.chance_corrected_dense_error
    values = {
        condition(row): error(row["dense_score"], row["chance"], perfect_score(row["metric"]))
        if measure == DENSE_ERROR
        else row[measure]
        for row in rows.iter_rows(named=True)
    }
    at = {key: value for key, value in values.items() if value is not None}
    return Scale(
        at=at,
        label=f"{text.measure_label(measure)}\n= {text.FORMULAS[measure]}   harder →",
        limits=marks.around(at.values() or [0.0]),
    )


def of_kinds(rows: pl.DataFrame) -> Scale:
    """An axis of evenly spaced conditions, grouped by kind of task and ordered by dense error within a kind."""
    error = of_measure(rows, DENSE_ERROR).at
    kinds: dict[str, dict[Condition, None]] = {}
    ordered = sorted(rows.iter_rows(named=True), key=lambda row: error[condition(row)])
    for row in sorted(ordered, key=lambda row: (row["kind"] == "generate", row["kind"])):
        kinds.setdefault(row["kind"], {})[condition(row)] = None
    at, ticks, dividers = {}, [], []
    for kind, conditions in kinds.items():
        start = len(at)
        at |= {key: float(start + step) for step, key in enumerate(conditions)}
        ticks.append((start + (len(conditions) - 1) / 2, KIND_LABELS.get(kind, kind)))
        dividers += [start - 0.5] if start else []
    label = "kind of task; within a kind, by dense error   harder →"
    return Scale(at, label, (-0.6, len(at) - 0.4), tuple(ticks), tuple(dividers))


def kinds_differ(rows: pl.DataFrame) -> bool:
    """Whether `rows` mix tasks with free answers and other tasks, so that the kind of task is a difficulty, too."""
    return (rows["kind"] == "generate").n_unique() > 1
