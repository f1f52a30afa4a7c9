"""The headline figure: chance-corrected drop against difficulty, over all experiments of a study."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.difficulty import CHANCE_CORRECTED_DENSE_ERROR
from junkdna.analysis.retention import KNOWN_SHARE
from junkdna.analysis.series import strength
from junkdna.report.catalog import Figure
from junkdna.report.plotting import layout, marks, series, text, theme
from junkdna.report.plotting.conditions import ConditionStyles, condition_styles
from junkdna.report.plotting.tilted_labels import TiltedLabel, draw_labels, height_in, with_room

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

FIGURE = Figure(
    label="Chance-corrected drop vs. difficulty, magnitude pruning",
    caption="Each vertical group of points is one condition, labeled above the panel; difficulty increases to the "
    "right. Color shows the sparsity. The chance-corrected drop is 0 if the compressed model is as good as dense and 1 "
    "if it is at the baseline. Error bars are 95 % intervals. If difficulty made no difference, points of the same "
    "color would have the same height. The figure is descriptive: it fits no line and makes no statistical test.",
    order=0,
    per="study",
)
MODES = {"none": ("o", "no fine-tuning"), "sparse": ("D", "fine-tuned with a fixed mask (sparse)")}
OFFSET_PT = 3.2  # between the levels of one condition


@theme.themed
def draw(drops: pl.DataFrame) -> matplotlib.figure.Figure:
    """Draw chance-corrected drop (1 - retention) against difficulty for magnitude pruning, one color per sparsity.

    If the study uses magnitude pruning with several sets of options, the set with the fewest is drawn. Circles: no
    fine-tuning; diamonds: fine-tuned with a fixed mask. There is one panel per difficulty measure. A condition of
    several experiments is drawn once. If there is nothing to draw, the figure says why.
    """
    rows, hidden = select(drops)
    styles = condition_styles(drops)
    levels = series.pick(rows["compression"])
    rows = rows.filter(pl.col("compression").is_in(levels))
    measures = sorted(rows["difficulty_measure"].unique()) or [CHANCE_CORRECTED_DENSE_ERROR]
    panels = [rows.filter(pl.col("difficulty_measure") == measure) for measure in measures]
    labels = [_labels(panel, styles) for panel in panels]
    fig, axes = layout.panels(len(measures), 1)
    room = _room(fig, labels)
    for measure, panel, panel_labels, (ax,) in zip(measures, panels, labels, axes, strict=True):
        _panel(ax, panel, levels)
        draw_labels(ax, panel_labels, room.panel_wide_in(1))
        formula = f" = {text.FORMULAS[measure]}" if measure in text.FORMULAS else ""
        ax.set_xlabel(f"difficulty: {text.measure_label(measure)}{formula}   harder →")
        ax.set_ylabel("chance-corrected drop =\n1 − (score − baseline) / (dense − baseline)")
    facts = text.facts(rows, "Error bars") if len(rows) else "Nothing to show."
    footer = " ".join([facts, *_remarks(hidden, styles), *series.shared_options(series.present(rows))])
    return layout.finish(fig, FIGURE.label, [series.level_keys(levels), _mark_keys(rows)], footer, room)


def select(drops: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to draw, each condition once, and rows hidden because their dense model knows too little (below 0.04)."""
    pruned = drops.filter((pl.col("method") == "magnitude") & pl.col("transfer").is_in(list(MODES)))
    rows = series.select(pruned, series.present(pruned)[:1])
    rows = rows.sort(["n_seeds", "n_examples", "experiment"], descending=[True, True, False])
    same = ["model", "task", "knobs", "protocol", "transfer", "sparsity", "difficulty_measure"]
    rows = rows.unique(same, keep="first", maintain_order=True).sort(same)
    known = (pl.col("dense_known_share") >= KNOWN_SHARE).fill_null(False)
    usable = pl.col("retention").is_not_null() & pl.col("difficulty").is_not_null() & known
    return rows.filter(usable), rows.filter(~usable)


def _panel(ax: Axes, rows: pl.DataFrame, levels: list[str]) -> None:
    marks.reference_lines(ax, dense=0, chance=1)
    if rows.is_empty():
        marks.message(
            ax, "Nothing to show: no condition is pruned by magnitude\nand has a dense model above its baseline"
        )
        ax.set_xlim(0, 1)
        return
    ax.set_xlim(*marks.around(rows["difficulty"]))
    ends = [1 - end for name in ("retention_low", "retention_high") for end in rows[name].drop_nulls()]
    ax.set_ylim(*marks.within([*(1 - rows["retention"]), 0.0, 1.0], ends, 0.4))
    for at, (tag, color) in enumerate(series.colors(levels).items()):
        offset = marks.shifted(ax, at, len(levels), OFFSET_PT)
        for mode, (marker, _) in MODES.items():
            points = rows.filter((pl.col("compression") == tag) & (pl.col("transfer") == mode))
            _points(ax, points, color, marker, f"{strength(tag):g}|{mode}", offset)


def _points(ax: Axes, rows: pl.DataFrame, color: str, marker: str, label: str, offset: Transform) -> None:
    """Points and error bars at their difficulty, drawn with a small horizontal offset so that levels do not overlap."""
    bar = {"color": color, "linewidth": 1, "zorder": 2, "transform": offset, "label": f"{label}|bar"}
    for row in rows.drop_nulls(["retention_low", "retention_high"]).iter_rows(named=True):
        ax.plot([row["difficulty"]] * 2, [1 - row["retention_high"], 1 - row["retention_low"]], **bar)
    x, y = rows["difficulty"].to_list(), (1 - rows["retention"]).to_list()
    marks.points(ax, x, y, rows["collapsed"], color=color, marker=marker, label=label, transform=offset, markersize=5)


def _labels(rows: pl.DataFrame, styles: ConditionStyles) -> list[TiltedLabel]:
    """Labels of the conditions of a panel, in order of difficulty."""
    several = rows["model"].n_unique() > 1
    labels: dict[tuple, TiltedLabel] = {}
    for row in rows.iter_rows(named=True):
        label = text.shorten(styles[row].label, 30)
        label += f", {text.shorten(row['model'], 16)}" if several else ""
        label += " (fine-tuned)" if row["transfer"] != "none" else ""
        condition = (row["model"], styles.key(row), row["transfer"], row["difficulty"])
        labels.setdefault(condition, TiltedLabel(row["difficulty"], label, styles[row]))
    return sorted(labels.values(), key=lambda label: (label.x, label.text))


def _room(fig: matplotlib.figure.Figure, labels: list[list[TiltedLabel]]) -> layout.Room:
    """Sizes with room for the tilted labels: the tallest above every panel, and the overhang on the right."""
    head = 0.22 + max(height_in(fig, panel_labels) for panel_labels in labels)
    panels = [(some, marks.around(label.x for label in some) if some else (0.0, 1.0)) for some in labels]
    room = with_room(fig, layout.Room(3.1, head, left_in=0.8), 1, panels)
    return replace(room, right_in=min(room.right_in, 2.2))


def _mark_keys(rows: pl.DataFrame) -> list[Artist]:
    used = [MODES[mode] for mode in MODES if mode in set(rows["transfer"])]
    keys = [marks.key(label, marker=marker, linestyle="none", color=theme.GREY) for marker, label in used]
    keys.append(marks.key("0: as good as dense", **theme.DOTTED | {"linestyle": "-"}))
    keys.append(marks.key("1: at the baseline", **theme.DOTTED))
    return keys + marks.collapsed_keys(rows)


def _remarks(hidden: pl.DataFrame, styles: ConditionStyles) -> list[str]:
    labels = sorted({text.shorten(styles[row].label) for row in hidden.iter_rows(named=True)})
    offset = (
        "Levels of a condition have the same difficulty, marked by a thin vertical line, and are offset for legibility."
    )
    hidden_text = f"Not shown because dense is not clearly above its baseline: {'; '.join(labels)}."
    return [offset, *([hidden_text] if labels else [])]
