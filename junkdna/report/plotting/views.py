"""The three views of a result: retention, percent of dense and the score itself. Worse is always lower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.report.plotting import text
from junkdna.report.plotting.ticks import within

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class View:
    """A view: its column in the table of drops, its name in titles, and the label of its axis with the unit."""

    column: str
    title: str
    label: str


VIEWS = {
    "retention": View("retention", "Retention", "retention\n(1: as dense, 0: at the baseline)"),
    "percent": View("relative_score", "Percent of dense", "score, % of dense"),
    "score": View("score", "Score", ""),
}


def value(row: dict, view: str) -> tuple[float | None, float | None, float | None]:
    """The value of a row of drops in a view and the ends of its interval; no ends for few seeds, and for dense
    compared with itself."""
    column = VIEWS[view].column
    itself = row["method"] == "dense" and view != "score"
    if row["n_seeds"] == text.FEW_SEEDS or itself:
        return row[column], None, None
    return row[column], row[f"{column}_low"], row[f"{column}_high"]


def seeds(row: dict, view: str) -> list[float]:
    """The value of each seed, if there are several; compared with the mean dense score. Empty if undefined."""
    scores = row["score_seeds"] or []
    if len(scores) < 2 or row[VIEWS[view].column] is None:
        return []
    dense, base = row["dense_score"], baseline_score(row)
    if view == "retention":
        return [(score - base) / (dense - base) for score in scores]
    return [100 * score / dense for score in scores] if view == "percent" else list(scores)


def baseline_score(row: dict) -> float:
    """The score of the row's baseline: chance, or the most frequent answer."""
    return row["majority"] if row["baseline"] == "majority" and row["majority"] is not None else row["chance"]


def dense(row: dict, view: str) -> float | None:
    """Where the dense model is in a view."""
    return {"retention": 1.0, "percent": 100.0, "score": row["dense_score"]}[view]


def baseline(row: dict, view: str) -> float | None:
    """Where the baseline is in a view; None if the percent of dense is undefined."""
    score = baseline_score(row)
    if view == "percent":
        return 100 * score / row["dense_score"] if row["dense_score"] > 0 else None
    return 0.0 if view == "retention" else score


def axis_label(view: str, rows: pl.DataFrame) -> str:
    """Label of the axis; a score has the name of its metric, or none if the metrics differ."""
    several = rows["metric"].n_unique() > 1
    return VIEWS[view].label or ("score (metric of each task)" if several else text.metric_label(rows["metric"][0]))


def limits(rows: pl.DataFrame, view: str, extra: list[float] | None = None) -> tuple[float, float]:
    """Limits that contain all points, dense, the baseline and chance, and intervals and seeds as far as reasonable."""
    must, ends = list(extra or []), []
    for row in rows.iter_rows(named=True):
        point, *interval = value(row, view)
        known = [point, dense(row, view), baseline(row, view)]
        known += [row["chance"]] if view == "score" else []
        must += [each for each in known if each is not None]
        ends += [each for each in (*interval, *seeds(row, view)) if each is not None]
    return within(must, ends)
