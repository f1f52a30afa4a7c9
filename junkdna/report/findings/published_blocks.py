"""Blocks on the published curves: how far the study's curves are from them, and both side by side.

With `like=HUB`, every model of the study stands for that published model: the curves are then of different models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from junkdna.report.findings import rows
from junkdna.report.page.words import interval, mode, number
from junkdna.report.plotting.conditions import plain_label

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.page.inputs import Inputs

Options = dict[str, list[str]]
MOST = 20  # rows of a table
CURVE = ("label", "model", "task", "knobs", "method", "family", "transfer", "protocol")
LEVELS = ["0.5", "0.7", "0.9"]
NOTHING = "No curve of this study was published: models, tasks or methods differ ([published](published.md))."


def _published(inputs: Inputs, options: Options) -> str:
    """How far the study's curves are from the published ones."""
    from junkdna.analysis.published_overlay import reproduction

    options = dict(options)
    most, drops = rows.whole(options, "most", MOST), _drops(inputs, options)
    found = rows.chosen(reproduction(drops), options).unique(CURVE, keep="first", maintain_order=True)
    lines = [
        [plain_label(row), row["model"], mode(row["transfer"]), row["figure"], str(row["levels"]),
         number(row["rmse_relative_score"], 1), number(row["rmse_retention"]),
         "–" if row["share_inside"] is None else f"{100 * row['share_inside']:.0f} %"]
        for row in found.iter_rows(named=True)
    ]  # fmt: skip
    head = ["condition", "model", "training", "figure of the paper", "common levels", "RMSE, percent of dense",
            "RMSE of retention", "published points inside"]  # fmt: skip
    return rows.markdown(head, lines, NOTHING, most, "tables/reproduction.csv")


def _published_curves(inputs: Inputs, options: Options) -> str:
    """Percent of dense at some levels (`level=0.5`), the study's with its interval and the published one."""
    import polars as pl

    from junkdna.analysis.published_overlay import covered_rows, overlay

    options = dict(options)
    most, levels, drops = rows.whole(options, "most", MOST), options.pop("level", LEVELS), _drops(inputs, options)
    points = overlay(drops).select(*CURVE, "level", "percent_of_dense", "doubt").unique(maintain_order=True)
    ours = covered_rows(drops).unique([*CURVE, "level"], keep="first", maintain_order=True)
    both = rows.chosen(ours, options).join(points, on=[*CURVE, "level"], how="inner", maintain_order="left")
    both = both.filter(pl.col("level").is_in(levels))
    lines = [
        [plain_label(curve.row(0, named=True)), curve[0, "model"], mode(curve[0, "transfer"]),
         *(_both(curve.filter(level=level)) for level in levels)]
        for curve in both.partition_by(CURVE, maintain_order=True)
    ]  # fmt: skip
    head = ["condition", "model", "training", *(f"{level}: here / published" for level in levels)]
    return rows.markdown(head, lines, NOTHING, most, "tables/drops.csv")


def _both(points: pl.DataFrame) -> str:
    """One level of a curve: the study's percent of dense with its interval, and the published one."""
    if points.is_empty():
        return "–"
    row = points.row(0, named=True)
    limits = interval(row["relative_score_low"], row["relative_score_high"], 1)
    published = f"{number(row['percent_of_dense'], 1)}{' (in doubt)' * bool(row['doubt'])}"
    return f"{number(row['relative_score'], 1)} ({limits}) / {published}"


def _drops(inputs: Inputs, options: Options) -> pl.DataFrame:
    """The table of drops; with the option `like`, which is removed, as if its models were that published model."""
    from junkdna.analysis.published_overlay import stand_in

    like = rows.taken(options, "like")
    return stand_in(inputs.drops, like) if like else inputs.drops


BLOCKS: dict[str, Callable[[Inputs, Options], str]] = {
    "published": _published, "published_curves": _published_curves,
}  # fmt: skip
