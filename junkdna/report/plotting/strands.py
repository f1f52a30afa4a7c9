"""Strands of a difficulty figure: dense, or one level of one method, over the conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.analysis.series import series_of, strength
from junkdna.report.plotting import curves, palette, series, views
from junkdna.report.plotting.drawing import Mark
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    import polars as pl

Group = tuple[str, "pl.DataFrame"]  # name and rows of one model and transfer mode
MODE = "_mode"  # column: the transfer mode of a row, or that of the rows for which a dense row is drawn
TITLES = {"score": "Score", "retention": "Retention"}


def tags(rows: pl.DataFrame) -> list[str]:
    """The compressions of `rows`: dense first, then by method and from weak to strong."""
    order = {item: at for at, item in enumerate(series.present(rows))}
    compressed = sorted(set(rows["compression"]) - {"dense"}, key=lambda tag: (order[series_of(tag)], strength(tag)))
    return ["dense", *compressed]


def label(tag: str, several: bool) -> str:
    """A short name of a level, with its method if the figure has several."""
    if tag == "dense":
        return "dense"
    level, item = series.level_label(tag), series_of(tag)
    named = several and item.method != "nm"  # `2 of 4 kept` says what it is
    return f"{METHODS[item.method].label} {level}" if named else level


def point(panel: int, row: dict, view: str, name: str, marker: str, **place: object) -> list[Mark]:
    """A point of a strand with its seeds."""
    y, low, high = views.value(row, view)
    color = palette.level_color(row["compression"])
    axis = "x" if "y" in place else "y"  # of the values
    where = {"panel": panel, "series": name, "color": color, **place}
    runs = [Mark(kind="run", **where | {axis: seed, "line": ""}) for seed in views.seeds(row, view)]
    share = row["collapsed"] / max(row["n_seeds"], 1)
    words = curves.described(row, view)
    own = {"low": low, "high": high, "label": words, "marker": marker, "collapsed": share}
    return [Mark(kind="point", **where | {axis: y}, **own), *runs]
