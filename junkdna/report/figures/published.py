"""Curves of one experiment next to the published curves of the same conditions."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from junkdna.analysis.published_overlay import covered_rows, overlay, reproduction
from junkdna.analysis.series import natural
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, series, text, theme, ticks, views
from junkdna.report.plotting.axes import SPARSITY
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark
from junkdna.report.plotting.drawing import Panel as DrawnPanel
from junkdna.study.methods import METHODS

FIGURE = Figure(
    label="This study and the published curves",
    caption="One panel per condition, method and transfer mode. Solid lines: percent of dense of this study, "
    "color the level, with 95 % intervals. Dashed lines: points of the paper's first version (arXiv 2310.02277) "
    "for the same model, task, method and transfer mode, read from its figures. They have no intervals. Crosses: "
    "published points that may be wrong; the reason is in the caption of the figure. RMSE is the root mean square "
    "difference in percent points at the levels that both have. 2:4 is not 4:8, and is only drawn if the study has "
    "no N of 8.",
    order=6,
    published=True,
)
VIEW = "percent"
SOURCE = "published (arXiv 2310.02277)"


class Panel(NamedTuple):
    """What names the curve of one panel."""

    model: str
    label: str
    task: str
    knobs: str
    method: str
    family: str
    protocol: str
    transfer: str


def marks(drops: pl.DataFrame, experiment: str) -> Drawing:
    """Percent of dense against sparsity for each curve of `experiment` that a published curve covers, with it.

    A series of the study is drawn if it has a published level, or if none has; so 2:4 is not drawn next to 4:8. Raises
    UserError if no published curve covers a curve.
    """
    drops = drops.filter(pl.col("experiment") == experiment)
    rows, points = covered_rows(drops), overlay(drops)
    if points.is_empty():
        raise UserError(
            f"experiment {experiment!r}: no published curve shows one of its conditions. "
            f"`junkdna published` says which conditions the published curves show."
        )
    scores = reproduction(drops)
    panels = sorted({Panel(*row) for row in rows.select(Panel._fields).iter_rows()}, key=_order)
    found, drawn = [], []
    for at, panel in enumerate(panels):
        title = f"{_title(panel, panels)}\nRMSE: {_rmse(_of(scores, panel))}"
        own, theirs = _of(rows, panel), _of(points, panel)
        drawn += [*_own(at, own, theirs), *_published(at, theirs)]
        found.append(_panel(title, own, theirs))
    return Drawing(
        title=f"{FIGURE.label}{_of_other(rows)}: {text.spaced(experiment)}",
        panels=tuple(found),
        marks=tuple(drawn),
        columns=curves.COLUMNS.get(len(panels), 3),
        keys=(tuple(_keys(points, _of_other(rows))), tuple(curves.other_keys(rows))),
        caption=_caption(rows, points),
    )


def _order(panel: Panel) -> tuple:
    """Sort key: conditions by name, unstructured before N:M, modes in their order."""
    condition = (panel.model, panel.label, panel.task, panel.knobs)
    modes = ["none", *theme.MODE_STYLES]
    place = modes.index(panel.transfer) if panel.transfer in modes else len(modes)
    return (*map(natural, condition), panel.family == "nm", panel.method, panel.protocol, place, panel.transfer)


def _of(table: pl.DataFrame, panel: Panel) -> pl.DataFrame:
    """The rows of a panel."""
    return table.filter(*(pl.col(name) == value for name, value in panel._asdict().items()))


def _title(panel: Panel, panels: list[Panel]) -> str:
    """Condition and method, with the model, the protocol and the transfer mode if the panels have several."""
    condition = panel.label.removesuffix(f" ({panel.model})")
    method = METHODS[panel.method].label
    words = [condition, method if panel.family == "unstructured" or "N:M" in method else f"{method} N:M"]
    for name in ("model", "protocol", "transfer"):
        if len({getattr(each, name) for each in panels}) > 1:
            words.append(getattr(panel, name).replace("_", " ") if name == "transfer" else getattr(panel, name))
    return ", ".join(words)


def _rmse(scores: pl.DataFrame) -> str:
    rmse = scores["rmse_relative_score"][0]
    return "no common level" if rmse is None else f"{rmse:.1f} points"


def _panel(title: str, rows: pl.DataFrame, points: pl.DataFrame) -> DrawnPanel:
    """A panel with limits that contain both curves."""
    low, high = views.limits(rows, VIEW, [100.0, *points["percent_of_dense"]])
    y = Axis(label="score, % of dense", limits=(low, high), ticks=ticks.round_ticks(low, high))
    both = pl.concat([rows.select("sparsity"), points.select("sparsity")])
    return DrawnPanel(title=title, x=SPARSITY.axis(both), y=y, height_in=1.9)


# ---- marks -----------------------------------------------------------------------------------------------------------


def _own(at: int, rows: pl.DataFrame, points: pl.DataFrame) -> list[Mark]:
    """The curve of this study, of the series that has a published level, if any has."""
    shared = rows.filter(pl.col("level").is_in(points["level"].unique().implode()))
    found = curves.references(at, rows, VIEW)
    for item in series.present(shared) or series.present(rows):
        own, mode = SPARSITY.in_order(series.select(rows, [item])), rows["transfer"][0]
        marker = theme.method_marker(item.method) if mode == "none" else theme.mode_style(mode)[0]
        found += curves.curve(at, own, SPARSITY.x(own), VIEW, f"this study, {item.key}", marker, "solid")
    return found


def _published(at: int, points: pl.DataFrame) -> list[Mark]:
    """The published curve, dashed, with crosses at doubtful points."""
    found = []
    ordered = points.sort("sparsity")
    for x, row in zip(SPARSITY.x(ordered), ordered.iter_rows(named=True), strict=True):
        label = f"published: {ticks.number(row['percent_of_dense'], 1)} % of dense" + (
            f" ({row['doubt']})" * bool(row["doubt"])
        )
        style = {"color": "ink", "marker": "cross" if row["doubt"] else "bar", "line": "dashed"}
        found.append(
            Mark(panel=at, kind="point", series="published", x=x, y=row["percent_of_dense"], label=label, **style)
        )
    return found


# ---- legends and caption ---------------------------------------------------------------------------------------------


def _of_other(rows: pl.DataFrame) -> str:
    """` of MODEL`, if the study's models stand for that published one (`published_overlay.stand_in`)."""
    return f" of {rows['stands_for'][0].rpartition('/')[2]}" if "stands_for" in rows.columns else ""


def _keys(points: pl.DataFrame, of_other: str) -> list[Key]:
    """Legend entries that tell this study from the published curves."""
    keys = [Key(label="this study, with 95 % intervals", marker="circle", line="solid")]
    keys.append(Key(label=f"{SOURCE}{of_other}", marker="bar", line="dashed"))
    doubtful = (points["doubt"] != "").any()
    return keys + ([Key(label="published, may be wrong", marker="cross", line="dashed")] if doubtful else [])


def _caption(rows: pl.DataFrame, points: pl.DataFrame) -> str:
    """Facts about our rows, and the reasons of the doubts that are drawn."""
    reasons = sorted({reason for doubt in points["doubt"] for reason in doubt.split("; ") if reason})
    doubts = [f"May be wrong: {'; '.join(reasons)}."] if reasons else []
    model = f"another model ({_of_other(rows).removeprefix(' of ')}), same" if _of_other(rows) else "same model,"
    other = f"Published curves: {model} task, method and transfer mode, but another training and scoring."
    return " ".join([text.facts(rows, "Bars"), other, *doubts])
