"""The x axis of a difficulty figure: a knob, a measure of difficulty, or the kinds of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from junkdna.analysis import difficulty
from junkdna.report.plotting import marks, text

if TYPE_CHECKING:
    import polars as pl

Place = tuple[str, str]
DENSE_ERROR = difficulty.CHANCE_CORRECTED_DENSE_ERROR
HUMAN_GAPS = (difficulty.HUMAN_GAP_BY_HUMAN, difficulty.HUMAN_GAP_BY_DENSE)
# Label of a knob's axis, and which way is harder by the paper's reading. The first that varies is the axis.
KNOB_LABELS = {
    "context": ("tokens of context around the answer", "harder →"),
    "data_fraction": ("training rows used, %", "← harder"),
    "options": ("options per question", "harder →"),
    "shots": ("examples in the prompt (shots)", "← harder"),
    "answer_span": ("answer in the passage", "harder →"),
}
KIND_LABELS = {
    "choice": "multiple\nchoice",
    "classify": "text\nclass",
    "generate": "free\nanswer",
    "pair": "text\npair",
    "regress": "number",
}
CROWDED = 1 / 16  # of the axis: numbers closer than this go in equal steps, or their labels would touch


@dataclass(frozen=True)
class Scale:
    """Place of each condition (task, knobs) on x, and what is written below.

    `joined`: lines join the conditions from left to right, faint across a `divider`. Without `ticks` matplotlib puts
    its own numbers.
    """

    at: Mapping[Place, float]
    label: str
    limits: tuple[float, float]
    ticks: tuple[tuple[float, str], ...] = ()
    dividers: tuple[float, ...] = ()
    joined: bool = False


def place(row: dict) -> Place:
    """The condition of a row, as `Scale.at` names it."""
    return row["task"], row["knobs"]


def knob_values(row: dict) -> dict[str, str]:
    """Every knob of a row's task and the value it has there, defaults included."""
    return dict(part.split("=", 1) for part in row["knob_values"].split(",") if "=" in part)


def varying(rows: pl.DataFrame) -> dict[str, set[str]]:
    """The knobs that have two or more values among `rows`, with these values."""
    values_of: dict[str, set[str]] = {}
    for row in rows.select("knob_values").unique().iter_rows(named=True):
        for knob, value in knob_values(row).items():
            values_of.setdefault(knob, set()).add(value)
    return {knob: values for knob, values in values_of.items() if len(values) > 1}


def shared_knob(rows: pl.DataFrame) -> str | None:
    """The knob that varies within every task of `rows`: of several the one with most values, `answer_span` last.

    None where the tasks have no such knob in common: then they can only be compared by a measure.
    """
    by_task = [varying(task) for task in rows.partition_by("task")]
    common = [knob for knob in KNOB_LABELS if all(knob in knobs for knobs in by_task)]
    count = {knob: (knob != "answer_span", max(len(knobs[knob]) for knobs in by_task)) for knob in common}
    return max(common, key=count.__getitem__, default=None)


def other_knobs(rows: pl.DataFrame, axis: str) -> tuple[str, ...]:
    """The knobs that vary within a task of `rows`, without the one on the axis."""
    knobs = {knob for task in rows.partition_by("task") for knob in varying(task)}
    return tuple(sorted(knobs - {axis}))


def variant(row: dict, knobs: tuple[str, ...]) -> str:
    """Label of the values of `knobs` in a row, such as "answer span masked"; empty without any."""
    values = knob_values(row)
    return ", ".join(f"{knob.replace('_', ' ')} {values[knob]}" for knob in knobs if knob in values)


def of_knob(rows: pl.DataFrame, knob: str) -> Scale:
    """The axis of one knob of one task, its values in order: at their numbers, or in equal steps where they crowd.

    Context always goes in equal steps, "none" first and "passage" last. "none" is divided off: with nothing to read
    the task is recall, which is no small amount of context.
    """
    value_of = {place(row): knob_values(row)[knob] for row in rows.iter_rows(named=True)}
    values = sorted(set(value_of.values()), key=_order)
    numbers = [float(value) for value in values] if knob != "context" and all(map(str.isdigit, values)) else None
    even = numbers is None or _nearest(numbers) < CROWDED * (numbers[-1] - numbers[0])
    positions = [float(at) for at in range(len(values))] if even else numbers
    pad = max(0.5 * _nearest(positions), 0.07 * (positions[-1] - positions[0]))
    name, harder = KNOB_LABELS[knob]
    note = "(equal steps)   " if even and len(values) > 2 else ""
    return Scale(
        at={condition: positions[values.index(value)] for condition, value in value_of.items()},
        label=f"{name}\n{note}{harder}",
        limits=(positions[0] - pad, positions[-1] + pad),
        ticks=tuple(zip(positions, values, strict=True)),
        dividers=(0.5,) if knob == "context" and values[0] == "none" else (),
        joined=True,
    )


def _nearest(positions: list[float]) -> float:
    """The smallest step between rising positions; 1 for a single one (of an incomplete study)."""
    return min((b - a for a, b in pairwise(positions)), default=1.0)


def _order(value: str) -> tuple:
    """Sort key of a knob's values: "none", then numbers, then other words such as "passage"."""
    return (0, 0.0, "") if value == "none" else (1, float(value), "") if value.isdigit() else (2, 0.0, value)


def of_measure(rows: pl.DataFrame, measure: str) -> Scale:
    """The axis of a measure of difficulty; conditions for which it is not defined have no place on it.

    Nor has, on an axis of the human gap, a condition with no retention: the gap by dense has no bound where dense is
    near 0, and would push all others to the edge.
    """
    shown = rows if measure == DENSE_ERROR else rows.drop_nulls("retention")
    values = {place(row): _measured(row, measure) for row in shown.iter_rows(named=True)}
    at = {condition: value for condition, value in values.items() if value is not None}
    return Scale(
        at=at,
        label=f"{text.measure_label(measure)}\n= {text.FORMULAS[measure]}   harder →",
        limits=marks.around(at.values() or [0.0]),
    )


def _measured(row: dict, measure: str) -> float | None:
    if measure == DENSE_ERROR:
        return difficulty.chance_corrected_dense_error(row["dense_score"], row["chance"])
    return row[measure]


def of_kinds(rows: pl.DataFrame) -> Scale:
    """Conditions in equal steps, tasks of one kind side by side, inside a kind by rising dense error."""
    error = of_measure(rows, DENSE_ERROR).at
    kinds: dict[str, dict[Place, None]] = {}
    ordered = sorted(rows.iter_rows(named=True), key=lambda row: error[place(row)])
    for row in sorted(ordered, key=lambda row: (row["kind"] == "generate", row["kind"])):
        kinds.setdefault(row["kind"], {})[place(row)] = None
    at, ticks, dividers = {}, [], []
    for kind, places in kinds.items():
        start = len(at)
        at |= {condition: float(start + step) for step, condition in enumerate(places)}
        ticks.append((start + (len(places) - 1) / 2, KIND_LABELS.get(kind, kind)))
        dividers += [start - 0.5] if start else []
    label = "kind of task; inside a kind, by dense error   harder →"
    return Scale(at, label, (-0.6, len(at) - 0.4), tuple(ticks), tuple(dividers))


def kinds_differ(rows: pl.DataFrame) -> bool:
    """Whether some tasks of `rows` are answered freely and others by choosing: then the kind is a difficulty, too."""
    return (rows["kind"] == "generate").n_unique() > 1
