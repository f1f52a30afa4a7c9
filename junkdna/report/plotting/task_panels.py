"""Difficulty panels across tasks: conditions are rows, from easy at the top to hard at the bottom."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis import difficulty
from junkdna.analysis.series import natural
from junkdna.report.plotting import series, text, ticks, views
from junkdna.report.plotting.conditions import Conditions, two_lines
from junkdna.report.plotting.drawing import Axis, Mark, Panel
from junkdna.report.plotting.strands import TITLES, Group, label, point, tags

if TYPE_CHECKING:
    from collections.abc import Sequence

ROW_IN, GAP = 0.135, 1.2  # height of a strand, and space between conditions in strands
NAME_IN, NAME_CHARACTERS = 0.17, 30  # height of a line of a name, and its length
HUMAN_GAP = difficulty.HUMAN_GAP_BY_HUMAN
KINDS = {
    "choice": "multiple choice",
    "classify": "single text",
    "generate": "free answer",
    "likelihood": "given answer",
    "pair": "text pair",
    "regress": "number",
}
Built = tuple[list[Panel], list[Mark]]


@dataclass(frozen=True)
class Rows:
    """The rows of a panel: y of each condition and strand, and of the name of each condition."""

    at: dict[tuple[str, str], float]
    names: tuple[tuple[float, str], ...]
    dividers: tuple[float, ...]
    end: float


def message(words: str) -> Panel:
    """A panel with words instead of marks."""
    bare = Axis(label="", limits=(0.0, 1.0), ticks=())
    return Panel(title="", x=bare, y=bare, message=words, height_in=1.2)


def build(groups: Sequence[Group], named: Conditions) -> Built:
    """Two panels, score and retention, for each group and measure of difficulty."""
    panels: list[Panel] = []
    marks: list[Mark] = []
    every = pl.concat([rows for _, rows in groups])
    several = len(series.present(every)) > 1
    for name, rows in groups:
        for measure in ("", *([HUMAN_GAP] if has_human_gaps(rows) else [])):
            shown = rows.drop_nulls([measure, "retention"]) if measure else rows
            order = _rows(shown, named, measure, several)
            for view in ("score", "retention"):
                harder = "harder ↓ within a kind" if kinds_differ(shown) and not measure else "harder ↓"
                panel = _panel(shown, order, view, _title(name, view, measure), every, harder)
                marks += _marks(len(panels), shown, named, order, view)
                marks += _labels(len(panels), panel, order, several) if view == "retention" else []
                panels.append(panel)
    return panels, marks


def _title(name: str, view: str, measure: str) -> str:
    words = f"{name}: {TITLES[view].lower()}" if name else TITLES[view]
    return f"{words}, by human gap" if measure else words


def _rows(rows: pl.DataFrame, named: Conditions, measure: str, several: bool) -> Rows:
    """Conditions from easy to hard (first by kind, if tasks with free answers are among others), strands within."""
    first: dict[tuple, dict] = {}
    for row in rows.iter_rows(named=True):
        first.setdefault(named.key(row), row)
    kinds = kinds_differ(rows) and not measure
    ordered = sorted(first.items(), key=lambda item: _hard(item[1], measure, kinds))
    titles = [row["title"] for row in first.values()]
    at, names, dividers, y = {}, [], [], 0.0
    for key, row in ordered:
        own = set(rows.filter([named.key(each) == key for each in rows.iter_rows(named=True)])["compression"])
        shown = [tag for tag in tags(rows) if tag in own]
        at |= {(key, tag): y + step for step, tag in enumerate(shown)}
        title = row["title"] if titles.count(row["title"]) == 1 else two_lines(named.of[key])
        lines = "\n".join(fill(part, NAME_CHARACTERS) for part in title.split("\n"))
        names.append((y + (len(shown) - 1) / 2, f"{lines}\n{_measured(row, measure, kinds)}"))
        y += len(shown) - 1 + GAP + 1
        dividers.append(y - GAP / 2 - 0.5)
    return Rows(at, tuple(names), tuple(dividers[:-1]), y - GAP)


def _hard(row: dict, measure: str, kinds: bool) -> tuple:
    value = row[measure or "difficulty"]
    kind = (row["kind"] == "generate", row["kind"]) if kinds else ()
    return (*kind, value is None, value or 0.0, natural(row["label"]))


def _measured(row: dict, measure: str, kinds: bool) -> str:
    """The difficulty of a condition in words."""
    if measure:
        return f"human gap {ticks.number(row[measure])}"
    kind = f"{KINDS.get(row['kind'], row['kind'])}, " if kinds else ""
    return kind + (
        "difficulty unknown" if row["difficulty"] is None else f"difficulty {ticks.number(row['difficulty'])}"
    )


def _panel(rows: pl.DataFrame, order: Rows, view: str, title: str, every: pl.DataFrame, harder: str) -> Panel:
    low, high = views.limits(every if view == "retention" else rows, view)
    axis_label = views.axis_label(view, rows).replace("\n", " ")
    names = order.names if view == "score" else tuple((y, "") for y, _ in order.names)
    return Panel(
        title=title,
        x=Axis(label=axis_label, limits=(low, high), ticks=ticks.round_ticks(low, high, 5)),
        y=Axis(label=harder if view == "score" and len(names) > 1 else "", limits=(order.end - 0.3, -0.7), ticks=names),
        values="x",
        dividers=order.dividers,
        height_in=max(ROW_IN * (order.end + 0.4), sum(NAME_IN * (name.count("\n") + 1) for _, name in order.names)),
    )


def _marks(at: int, rows: pl.DataFrame, named: Conditions, order: Rows, view: str) -> list[Mark]:
    """Points of every condition and strand, its dense and baseline rules, and crosses where retention is undefined."""
    marks, marker = [], series.markers(series.present(rows))
    places: dict[object, list[float]] = {}
    for (key, _), y in order.at.items():
        places.setdefault(key, []).append(y)
    done = set()
    for row in rows.iter_rows(named=True):
        key = named.key(row)
        ends = {"low": min(places[key]) - 0.6, "high": max(places[key]) + 0.6}
        if key not in done:
            marks += _rules(at, row, view, **ends)
            done.add(key)
        if row["compression"] == "dense" and view == "retention":
            continue
        y, shape = order.at[key, row["compression"]], _shape(row, marker)
        if row["retention"] is None and view == "retention":
            why = "dense is not above its baseline"
            marks.append(Mark(panel=at, kind="missing", series="undefined", y=y, label=why, color="muted"))
        else:
            marks += point(at, row, view, row["compression"], shape, y=y)
    return marks


def _shape(row: dict, marker: dict) -> str:
    return "circle" if row["compression"] == "dense" else marker[series.series_of(row["compression"])]


def _rules(at: int, row: dict, view: str, low: float, high: float) -> list[Mark]:
    """The dense and baseline values of one condition."""
    values = {"baseline": (views.baseline(row, view), "muted", "dashed")}
    if view == "retention":
        values["dense"] = (1.0, "ink", "solid")
    return [
        Mark(panel=at, kind="rule", series=name, x=x, low=low, high=high, label=name, color=color, line=line)
        for name, (x, color, line) in values.items()
    ]


def _labels(at: int, panel: Panel, order: Rows, several: bool) -> list[Mark]:
    """The level of each row, right of the panel."""
    right = panel.x.limits[1]
    return [
        Mark(
            panel=at, kind="label", series=tag, x=right, y=y, label=label(tag, several),
            color=series.palette.level_color(tag),
        )
        for (_, tag), y in order.at.items()
        if tag != "dense"
    ]  # fmt: skip


def kinds_differ(rows: pl.DataFrame) -> bool:
    """Whether `rows` mix tasks with free answers and other tasks, so that the kind of task is a difficulty, too."""
    return (rows["kind"] == "generate").n_unique() > 1


def has_human_gaps(rows: pl.DataFrame) -> bool:
    """Whether two or more tasks have both a human score and a retention."""
    return rows.drop_nulls(["human", "retention"])["title"].n_unique() > 1


def remarks(rows: pl.DataFrame) -> list[str]:
    """Caption sentences: the measures, the human scores with their sources, and the tasks that have no human gap."""
    sentences = [f"Difficulty: {text.FORMULAS[difficulty.CHANCE_CORRECTED_DENSE_ERROR]}."]
    if not has_human_gaps(rows):
        return sentences
    known = rows.drop_nulls("human")
    hidden = known.filter(pl.col("retention").is_null())["title"]
    reasons = {
        "no human score": rows.filter(pl.col("human").is_null())["title"],
        "dense not above its baseline": hidden,
    }
    omitted = [f"{text.listed(titles)} ({reason})" for reason, titles in reasons.items() if len(titles)]
    sentences.append(f"Human gap: {text.FORMULAS[HUMAN_GAP]}, with the human scores {text.human_figures(known)}.")
    return sentences + ([f"Without a human gap: {'; '.join(omitted)}."] if omitted else [])
