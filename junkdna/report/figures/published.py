"""Curves of one experiment next to the published curves of the same conditions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from junkdna.analysis.published_overlay import covered_rows, overlay, reproduction
from junkdna.analysis.series import natural
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import layout, marks, series, text, theme
from junkdna.report.plotting.axes import SPARSITY
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

FIGURE = Figure(
    label="This study and the published curves",
    caption="One panel per condition and method. Filled markers and solid lines: relative score of this study, with "
    "95 % intervals. Hollow markers and dashed lines: points of the paper's first version (arXiv 2310.02277) for the "
    "same model, task, method and transfer mode, read from its figures. They have no intervals. Crosses: published "
    "points that may be wrong; the reason is in the footer. RMSE is the root mean square difference in percent points "
    "at the levels that both have. 2:4 is not 4:8, and is only drawn if the study has no N of 8.",
    order=6,
    published=True,
)
SOURCE = "published (arXiv 2310.02277)"
DASHED = {"linestyle": (0, (4, 2)), "linewidth": 1}
HOLLOW = {"markerfacecolor": "none", "markeredgewidth": 1, "markersize": 6}
CROSS = {"marker": "x", "markeredgewidth": 1.2, "markersize": 5.5}
COLUMNS = 2
OFFSET_PT = 2.0  # between the intervals of two transfer modes


class Panel(NamedTuple):
    """What the curves of one panel share; they differ in the transfer mode."""

    model: str
    label: str
    task: str
    knobs: str
    method: str
    family: str
    protocol: str


@theme.themed
def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw relative score against sparsity for each curve of `experiment` that a published curve covers, with it.

    One panel per model, condition, method, family of levels and protocol, one color per transfer mode. A series of the
    study is drawn if it has a published level, or if none has; so 2:4 is not drawn next to 4:8. Raises UserError if no
    published curve covers a curve.
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
    columns = min(COLUMNS, len(panels))
    fig, axes = layout.panels(-(-len(panels) // columns), columns)
    flat, wide_in = [ax for line in axes for ax in line], 0.92 * layout.Room(2.1).panel_wide_in(columns)
    for ax, panel in zip(flat, panels, strict=False):
        lines = (_title(panel, panels), f"RMSE: {_rmse(_of(scores, panel))}")
        ax.set_title("\n".join(layout.heading(fig, line, wide_in) for line in lines))
        _panel(ax, _of(rows, panel), _of(points, panel))
    for ax in flat[len(panels) :]:
        ax.set_visible(False)
    tops = max(ax.get_title(loc="left").count("\n") for ax in flat)
    room = layout.Room(2.1, 0.22 + 0.14 * tops)
    title = f"{FIGURE.label}: {experiment}"
    return layout.finish(fig, title, [_mode_keys(points), _source_keys(points)], _footer(rows, points), room)


def _order(panel: Panel) -> tuple:
    """Sort key: conditions by name, unstructured before N:M."""
    condition = (panel.model, panel.label, panel.task, panel.knobs)
    return (*map(natural, condition), panel.family == "nm", panel.method, panel.protocol)


def _of(table: pl.DataFrame, panel: Panel) -> pl.DataFrame:
    """The rows of a panel."""
    return table.filter(*(pl.col(name) == value for name, value in panel._asdict().items()))


def _title(panel: Panel, panels: list[Panel]) -> str:
    """Condition and method, with the model and the protocol if the panels have several."""
    condition = text.shorten(panel.label.removesuffix(f" ({panel.model})"))
    method = METHODS[panel.method].label
    words = [condition, method if panel.family == "unstructured" or "N:M" in method else f"{method} N:M"]
    words += [getattr(panel, name) for name in ("model", "protocol") if len({getattr(p, name) for p in panels}) > 1]
    return ", ".join(words)


def _rmse(scores: pl.DataFrame) -> str:
    """RMSE of each transfer mode of a panel; the mode is named if there are several."""
    pairs = scores.select("transfer", "rmse_relative_score").rows()
    known = {mode: "no common level" if rmse is None else f"{rmse:.1f}" for mode, rmse in pairs}
    modes = _modes(known)
    return ", ".join(f"{mode.replace('_', ' ')} {known[mode]}" if len(modes) > 1 else known[mode] for mode in modes)


def _panel(ax: Axes, rows: pl.DataFrame, points: pl.DataFrame) -> None:
    """Draw our curves of one panel and the published ones, and set up its axes."""
    marks.reference_lines(ax, dense=100)
    modes = _modes(points["transfer"])
    for at, mode in enumerate(modes):
        _published(ax, points.filter(transfer=mode), mode)
        own = rows.filter(transfer=mode).drop_nulls("relative_score")
        common = own.filter(pl.col("level").is_in(points["level"].unique().implode()))
        for item in series.present(common) or series.present(own):
            _ours(ax, series.select(own, [item]).sort("sparsity"), mode, f"{mode}|{item.key}", (at, len(modes)))
    must = [100.0, *points["percent_of_dense"]]
    ax.set_ylim(*marks.view_limits(rows, "relative_score", must))
    SPARSITY.set_up(ax, pl.concat([rows.select("sparsity"), points.select("sparsity")]))
    ax.set_ylabel(text.AXIS_LABELS["relative_score"])


def _ours(ax: Axes, rows: pl.DataFrame, mode: str, label: str, place: tuple[int, int]) -> None:
    """A solid line with filled markers; the intervals of several modes are drawn side by side."""
    color, marker, _ = _style(mode)
    x = SPARSITY.x(rows)
    low, high, y = (marks.numbers(rows[f"relative_score{end}"]) for end in ("_low", "_high", ""))
    offset = marks.shifted(ax, *place, OFFSET_PT)
    for at, *ends in zip(x, low, high, strict=True):
        ax.plot([at, at], ends, color=color, linewidth=1, zorder=2, transform=offset, label=f"{label}|bar")
    ax.plot(x, y, color=color, marker=marker, zorder=3, transform=offset, label=label, **theme.FILLED)


def _published(ax: Axes, points: pl.DataFrame, mode: str) -> None:
    """A dashed line with hollow markers, and crosses at doubtful points."""
    color, marker, _ = _style(mode)
    points = points.sort("sparsity")
    ax.plot(SPARSITY.x(points), points["percent_of_dense"], color=color, zorder=4, label=f"{mode}|line", **DASHED)
    for name, shape in (("published", {"marker": marker} | HOLLOW), ("doubtful", CROSS)):
        some = points.filter((pl.col("doubt") != "") == (name == "doubtful"))
        style = {"linestyle": "none", "zorder": 5, "markeredgecolor": color} | shape
        if len(some):
            ax.plot(SPARSITY.x(some), some["percent_of_dense"], label=f"{mode}|{name}", **style)


def _style(mode: str) -> tuple[str, str, str]:
    """Color, marker and label of a transfer mode; a circle without fine-tuning, because a cross marks a doubt."""
    color, marker, label = theme.mode_style(mode)
    return color, "o" if mode == "none" else marker, label


def _modes(present: Iterable[str]) -> list[str]:
    present = set(present)
    return [*({"none"} & present), *theme.tuned_modes(present)]


# ---- legends and footer ----------------------------------------------------------------------------------------------


def _mode_keys(points: pl.DataFrame) -> list[Artist]:
    """Legend entries of the transfer modes if there are several."""
    styles = [_style(mode) for mode in _modes(points["transfer"])]
    keys = [marks.key(label, color=color, marker=marker, **theme.FILLED) for color, marker, label in styles]
    return keys if len(keys) > 1 else []


def _source_keys(points: pl.DataFrame) -> list[Artist]:
    """Legend entries that tell this study from the published curves."""
    keys = [marks.key("this study, with 95 % intervals", color=theme.GREY, marker="o", **theme.FILLED)]
    keys.append(marks.key(SOURCE, color=theme.GREY, marker="o", **DASHED | HOLLOW))
    if (points["doubt"] != "").any():
        keys.append(marks.key("published, may be wrong", color=theme.GREY, **DASHED | CROSS))
    return keys


def _footer(rows: pl.DataFrame, points: pl.DataFrame) -> str:
    """Facts about our rows, and the reasons of the doubts that are drawn."""
    reasons = sorted({reason for doubt in points["doubt"] for reason in doubt.split("; ") if reason})
    doubts = [f"May be wrong: {'; '.join(reasons)}."] if reasons else []
    other = "Published curves: same model, task, method and transfer mode, but another training and scoring."
    return " ".join([text.facts(rows, "Vertical lines"), other, *doubts])
