"""Margins of the right answer in the dense and in the compressed model, example by example."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.margins import EXAMPLES
from junkdna.analysis.series import natural, strength
from junkdna.report.catalog import Figure
from junkdna.report.plotting import series, text, theme, ticks
from junkdna.report.plotting.conditions import plain_label, two_lines
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURE = Figure(
    label="Margins of the right answer, dense against compressed",
    caption="Each dot is an example: from left to right its margin in the dense model, upward in the compressed one. "
    "The margin is the deciding score of the right answer minus the highest other score, in the unit of the task's "
    "scores; above 0 the answer is right. Right of the vertical line the dense model is right, above the horizontal "
    "line the compressed one: answers at the lower right broke, those at the upper left were fixed. The counts are "
    "those of all examples. Answers with a dense margin near 0 were nearly undecided before. Dots on the diagonal kept "
    "their margin.",
    order=9,
    per="study",
    table="margins",
)
CONDITIONS = 30
STYLES = {  # change -> kind of mark, color, marker
    "wrong": ("run", "muted", ""),
    "right": ("run", "muted", ""),
    "broken": ("point", "bad", "triangle_down"),
    "fixed": ("point", "good", "triangle"),
}
CONDITION = ("model", "task", "knobs", "protocol", "transfer")


def marks(margins: pl.DataFrame) -> Drawing:
    """One panel per condition at one level, the same in all of them, from easy to hard for the dense model.

    The level is the middle one of those that the most conditions have in the table of margins. Conditions without
    fine-tuning are drawn, or if there are none the others; at most `CONDITIONS`. If there is nothing to draw, the
    figure says why.
    """
    rows, hidden = select(margins)
    groups = _ordered(rows)
    drawn = [mark for at, group in enumerate(groups[:CONDITIONS]) for mark in _marks(at, group)]
    panels = [_panel(group, at) for at, group in enumerate(groups[:CONDITIONS])]
    points = [Key(label=name, color=color, marker=marker) for name, (_, color, marker) in STYLES.items() if marker]
    keys = [*points, Key(label="right or wrong both times", color="muted", marker="circle")]
    return Drawing(
        title=FIGURE.label,
        panels=tuple(panels) or (_nothing(),),
        marks=tuple(drawn),
        columns=min(3, len(panels)) or 1,
        keys=(tuple(keys),),
        caption=" ".join(_facts(rows, len(groups), hidden)),
    )


def select(margins: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Rows of the level to draw, and the number of conditions that lack it."""
    plain = margins.filter(pl.col("transfer") == "none")
    rows = margins if plain.is_empty() else plain
    pairs = rows.select(*CONDITION, "compression").unique()
    counts = Counter(pairs["compression"])
    if not counts:
        return rows, 0
    most = sorted((tag for tag, count in counts.items() if count == max(counts.values())), key=_place)
    chosen = most[(len(most) - 1) // 2]
    return rows.filter(pl.col("compression") == chosen), pairs.select(CONDITION).n_unique() - counts[chosen]


def _place(tag: str) -> tuple:
    return (series.series_of(tag).order, strength(tag))


def _ordered(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Rows of each condition: by model, then from easy to hard."""
    groups = rows.partition_by(CONDITION, maintain_order=True)
    return sorted(groups, key=lambda group: _order(group.row(0, named=True)))


def _order(row: dict) -> tuple:
    hard = inf if row["difficulty"] is None else row["difficulty"]
    return (natural(row["model"]), hard, *(natural(row[name]) for name in CONDITION))


def _marks(at: int, rows: pl.DataFrame) -> Iterator[Mark]:
    """Lines at 0 and along the diagonal, then dots, those that kept their verdict first."""
    low, high = _limits(rows)
    line = {"color": "ink", "line": "solid"}
    yield Mark(panel=at, kind="rule", series="undecided", y=0.0, label="margin 0", **line)
    for series_name, x, y in (("dense undecided", (0.0, 0.0), (low, high)), ("same margin", (low, high), (low, high))):
        style = {"color": "faint" if x == y else "ink", "line": "solid"}
        for end in zip(x, y, strict=True):
            yield Mark(panel=at, kind="point", series=series_name, x=end[0], y=end[1], **style)
    own = rows.sort("change", maintain_order=True)
    for change, (kind, color, marker) in STYLES.items():
        for row in own.filter(pl.col("change") == change).iter_rows(named=True):
            said = f"{row['id']}, {change}: margin dense {_number(row['dense_margin'])}, compressed "
            label = said + _number(row["margin"]) if kind == "point" else ""
            where = {"x": row["dense_margin"], "y": row["margin"], "label": label}
            yield Mark(panel=at, kind=kind, series=change, color=color, marker=marker, **where)


def _number(value: float) -> str:
    return ticks.number(value, 3)


def _limits(rows: pl.DataFrame) -> tuple[float, float]:
    """Limits of both axes: all margins, and 0."""
    values = [0.0, *rows["dense_margin"], *rows["margin"]]
    pad = 0.05 * (max(values) - min(values)) or 1.0
    return min(values) - pad, max(values) + pad


def _panel(rows: pl.DataFrame, at: int) -> Panel:
    limits = _limits(rows)
    row = rows.row(0, named=True)
    label = two_lines(plain_label(row | {"label": row["label"] or row["task"]}))
    known = dict(rows.select("change", "n_change").unique().rows())
    counts = f"({known.get('broken', 0):,} broken, {known.get('fixed', 0):,} fixed)"
    return Panel(
        title=f"{label}\n{counts}",
        x=Axis(label="margin, dense model", limits=limits, ticks=ticks.round_ticks(*limits, 5)),
        y=Axis(
            label="margin, compressed model" if at % 3 == 0 else "", limits=limits, ticks=ticks.round_ticks(*limits, 5)
        ),
        height_in=2.0,
    )


def _nothing() -> Panel:
    empty = Axis(label="", limits=(0.0, 1.0), ticks=())
    return Panel(title="", x=empty, y=empty, message="no compressed answer has a margin", height_in=1.2)


def _facts(rows: pl.DataFrame, conditions: int, hidden: int) -> Iterator[str]:
    """Sentences of the caption: models, level, and which examples are drawn."""
    if rows.is_empty():
        yield "Nothing to show."
        return
    models = sorted(rows["model"].unique(), key=natural)
    yield f"Model{'s' if models[1:] else ''}: {', '.join(models)}."
    yield f"Compression: {series.compression_label(rows['compression'][0])}."
    modes = [theme.mode_style(mode)[2] for mode in theme.tuned_modes(set(rows["transfer"]))]
    yield from [f"Fine-tuned: {', '.join(modes)}."] if modes else []
    yield f"Seed {text.span(rows['seed'])}; n = {text.span(rows['n_examples'])} examples."
    yield f"Drawn: at most {EXAMPLES} of each condition, the first in the order of a hash of task and id."
    yield from [f"{conditions - CONDITIONS} further conditions are in the table."] if conditions > CONDITIONS else []
    yield from [f"{hidden} conditions do not have this level."] if hidden else []
