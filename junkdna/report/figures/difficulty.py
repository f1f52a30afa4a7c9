"""Score and retention against difficulty within one experiment: against a knob, or across tasks against a measure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import natural, strength
from junkdna.report.catalog import Figure
from junkdna.report.plotting import difficulty_axes, difficulty_panels, layout, marks, series, text, theme
from junkdna.report.plotting.conditions import ConditionStyles, condition_styles
from junkdna.report.plotting.difficulty_axes import DENSE_ERROR, HUMAN_GAPS, Scale
from junkdna.report.plotting.difficulty_panels import Palette, Panel
from junkdna.report.plotting.tilted_labels import TiltedLabel, draw_labels, height_in, with_room

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.artist import Artist

FIGURE = Figure(
    label="Score and retention vs. difficulty",
    caption="Left: score, with the dense model in black and chance as a dotted line. Right: chance-corrected "
    "retention, which is 1 if the compressed model is as good as dense and 0 if it is at its baseline. Color shows the "
    "level of the compression that is named in the footer. Error bars are 95 % intervals. The x axis is the knob that "
    "makes a task harder or, if tasks are compared, the measure of difficulty that is named below the panel. "
    "Crosses mark conditions whose dense model is not above its baseline, for which retention is undefined. If "
    "difficulty made no difference, retentions of the same color would have the same height. The figure is "
    "descriptive: it fits no line and makes no statistical test.",
    order=1,
    conditions=2,
)
MODE = "_mode"  # column of `select`: the transfer mode of a row, or that of the rows for which a dense row is drawn
VIEWS = ("score", "retention")
TITLE_LENGTH, LABEL_LENGTH = 24, 36
ROOM = layout.Room(2.2, foot_in=0.62)


@theme.themed
def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw score and retention of every condition of `experiment` against difficulty, one color per level.

    If one knob varies within every task, x is that knob, and each task (and model and transfer mode) has a row of two
    panels: score, with dense and chance, and retention, (score - chance) / (dense - chance). Otherwise tasks are
    compared, against the chance-corrected dense error (and first by kind, if some tasks have free answers). If two or
    more tasks have a human score H, they are also compared against the human gap, (H - dense) / H and
    (H - dense) / dense.

    Drawn are rows without fine-tuning and those of one fine-tuning mode (sparse, or else the first that compresses), of
    one series (the first by `Series.order`: magnitude, else another pruning method, else bits or rank), at up to four
    levels. If there is nothing to draw, the figure says why.
    """
    rows = select(drops, experiment)
    title = f"{FIGURE.label}: {experiment}"
    if rows.is_empty():
        return _nothing(title)
    knob = difficulty_axes.shared_knob(rows)
    grid = _by_knob(rows, knob) if knob else _by_task(rows, condition_styles(drops, experiment))
    fig, axes = layout.panels(len(grid), 2)
    room = _room(fig, grid)
    styles = difficulty_panels.palette([panel for line in grid for panel in line])
    cut = _fill(axes, grid, styles, room)
    footer = [text.facts(rows, "Error bars"), *_remarks(drops.filter(pl.col("experiment") == experiment), rows)]
    footer += _knob_remarks(knob) if knob else _task_remarks(rows)
    footer += ["Some error bars are cut off at the edge of their panel."] if cut else []
    dense = marks.key("dense (for retention: line at 1)", color=theme.INK, marker="o", **theme.FILLED)
    levels = series.level_keys([tag for tag in styles.colors if tag != "dense"])
    return layout.finish(fig, title, [[dense, *levels], _mark_keys(rows, styles)], " ".join(footer), room)


def select(drops: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Rows of `experiment` to draw, with the column `MODE`; empty if nothing is compressed."""
    drops = drops.filter(pl.col("experiment") == experiment)
    amounts = [item for item in series.present(drops) if item.kind != "band"]
    compressed = series.select(drops.filter(pl.col("transfer") != "dense"), amounts[:1])
    compressed = compressed.filter(pl.col("compression").is_in(series.pick(compressed["compression"])))
    selected = [drops.clear().with_columns(pl.lit("").alias(MODE))]
    modes = ["none", *theme.tuned_modes(set(compressed["transfer"]))[:1]]
    for mode in (mode for mode in modes if mode in compressed["transfer"]):
        dense = (pl.col("method") == "dense") & (pl.col("transfer") == ("none" if mode == "none" else "dense"))
        both = pl.concat([drops.filter(dense), compressed.filter(pl.col("transfer") == mode)])
        selected.append(both.with_columns(pl.lit(mode).alias(MODE)))
    return pl.concat(selected)


def _by_knob(rows: pl.DataFrame, knob: str) -> list[list[Panel]]:
    """A row of panels for each task, model and mode: score and retention against the knob."""
    others = difficulty_axes.other_knobs(rows, knob)
    grid = []
    for name, group in _groups(rows, ["task", "model", MODE]):
        scale = difficulty_axes.of_knob(group, knob)
        grid.append([Panel(group, view, scale, text.panel_title(view, name), others) for view in VIEWS])
    return grid


def _by_task(rows: pl.DataFrame, styles: ConditionStyles) -> list[list[Panel]]:
    """Panels of each model and mode: score and retention against dense error (or by kind), then the other measures."""
    grid = []
    for name, group in _groups(rows, ["model", MODE]):
        measures = HUMAN_GAPS if _has_human_gaps(group) else ()
        scales = [difficulty_axes.of_measure(group, measure) for measure in (DENSE_ERROR, *measures)]
        scales = [difficulty_axes.of_kinds(group), *scales] if difficulty_axes.kinds_differ(group) else scales
        panels = [
            Panel(group, view, scale, text.panel_title(view, name), labels=_labels(group, scale, styles))
            for view, scale in [("score", scales[0]), *(("retention", scale) for scale in scales)]
        ]
        grid += [panels[at : at + 2] for at in range(0, len(panels), 2)]
    return grid


def _groups(rows: pl.DataFrame, columns: list[str]) -> list[tuple[str, pl.DataFrame]]:
    """Rows grouped by `columns`, with a name of each group that states the columns in which groups differ."""
    differ = [column for column in columns if rows[column].n_unique() > 1]
    groups = []
    for group in rows.partition_by(columns):
        row = group.row(0, named=True)
        labels = {"task": row["title"], "model": row["model"], MODE: theme.mode_style(row[MODE])[2]}
        groups.append(([labels[column] for column in differ], group))
    groups.sort(key=lambda item: list(map(natural, item[0])))
    return [(", ".join(text.shorten(label, 40) for label in labels), group) for labels, group in groups]


def _labels(rows: pl.DataFrame, scale: Scale, styles: ConditionStyles) -> tuple[TiltedLabel, ...]:
    """Labels of the conditions of a panel: the task's title if it is unique, else the condition's label."""
    row_of = {difficulty_axes.condition(row): row for row in rows.iter_rows(named=True)}
    titles = [row["title"] for row in row_of.values()]
    labels = []
    for condition, row in row_of.items():
        if condition in scale.at:
            unique = titles.count(row["title"]) == 1
            label = (row["title"], TITLE_LENGTH) if unique else (styles[row].label, LABEL_LENGTH)
            labels.append(TiltedLabel(scale.at[condition], text.shorten(*label), styles[row]))
    return tuple(sorted(labels, key=lambda label: (label.x, label.text)))


def _room(fig: matplotlib.figure.Figure, grid: list[list[Panel]]) -> layout.Room:
    """Sizes with room above each row of panels for headings and labels, and next to the panels for label overhang."""
    panels = [(panel.labels, panel.scale.limits) for line in grid for panel in line]
    room = with_room(fig, ROOM, 2, panels)
    breaks = [max(_heading(fig, panel, room).count("\n") for panel in line) for line in grid]
    heads = [0.22 + 0.14 * count + _labels_in(fig, line) for count, line in zip(breaks, grid, strict=True)]
    return replace(room, head_in=tuple(heads))


def _labels_in(fig: matplotlib.figure.Figure, line: list[Panel]) -> float:
    return max(height_in(fig, panel.labels) for panel in line)


def _heading(fig: matplotlib.figure.Figure, panel: Panel, room: layout.Room) -> str:
    return layout.heading(fig, panel.title, 0.9 * room.panel_wide_in(2))


def _fill(axes: list, grid: list[list[Panel]], styles: Palette, room: layout.Room) -> bool:
    """Draw every panel. Returns whether any error bar is cut off at the edge of its panel."""
    wide = room.panel_wide_in(2)
    limits = difficulty_panels.y_limits([panel for line in grid for panel in line if panel.view == "retention"])
    cut = False
    for line, pair in zip(grid, axes, strict=True):
        for ax in pair[len(line) :]:
            ax.set_visible(False)
        for ax, panel in zip(pair, line, strict=False):
            difficulty_panels.draw(ax, panel, styles, wide)
            ax.set_ylim(*(limits if panel.view == "retention" else difficulty_panels.y_limits([panel])))
            ax.set_ylabel(text.y_label(panel.view, panel.rows, "score (metric of each task)"))
            ax.set_title(_heading(ax.figure, panel, room), pad=6 + 72 * _labels_in(ax.figure, line))
            draw_labels(ax, panel.labels, wide)
            cut = cut or difficulty_panels.cut_off(ax, panel)
    return cut


def _mark_keys(rows: pl.DataFrame, styles: Palette) -> list[Artist]:
    grey = {"color": theme.GREY}
    variants = [(name, style) for name, style in styles.variants.items() if name]
    keys = [marks.key(name, marker=mark, markersize=3.5, linestyle=dash, **grey) for name, (mark, dash) in variants]
    keys.append(marks.key("chance", **theme.DOTTED))
    if rows["retention"].is_null().any():
        cross = {"marker": "x", "linestyle": "none", "markeredgewidth": 1.1}
        keys.append(marks.key("no retention: dense not above its baseline", **cross, **grey))
    return keys + marks.collapsed_keys(rows)


def _remarks(drops: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Footer sentences: the compression and fine-tuning of the drawn rows, and the rows that are not drawn."""
    (drawn,) = series.present(rows)
    labels = series.labels(series.present(drops))
    modes = set(rows[MODE])
    remarks = [f"Compression: {labels[drawn]}.", *series.shared_options(labels, [drawn])]
    for mode in modes - {"none"}:
        remarks.append(f"Fine-tuning: {theme.mode_style(mode)[2]}; reference: dense transfer of the same condition.")
    same = series.select(drops.filter(pl.col("transfer").is_in(modes)), [drawn])
    levels = sorted(set(same["compression"]) - set(rows["compression"]), key=strength)
    pruned = " pruned" if drawn.kind == "sparsity" else ""
    omitted = [", ".join(map(series.level_label, levels)) + pruned] if levels else []
    omitted += [label for item, label in labels.items() if item != drawn]
    omitted += [theme.mode_style(mode)[2] for mode in sorted(set(drops["transfer"]) - modes - {"dense"})]
    return remarks + ([f"Also in the experiment, but not shown: {'; '.join(omitted)}."] if omitted else [])


def _knob_remarks(knob: str) -> list[str]:
    remarks = ["The arrow points in the direction that the paper considers harder."]
    if knob == "context":
        remarks.append("“none” (closed book) tests recall and is therefore set apart; “passage” is the full passage.")
    return remarks


def _has_human_gaps(rows: pl.DataFrame) -> bool:
    """Whether two or more tasks have both a human score and a retention."""
    return rows.drop_nulls(["human", "retention"])["title"].n_unique() > 1


def _task_remarks(rows: pl.DataFrame) -> list[str]:
    """Footer sentences on the human scores: their sources, and the tasks that the human-gap panels omit."""
    groups = [group for group in rows.partition_by("model", MODE) if _has_human_gaps(group)]
    if not groups:
        return []
    drawn = pl.concat(groups)
    known = drawn.drop_nulls("human")
    hidden = known.filter(pl.col("retention").is_null()).unique(["title", "model"])
    several = drawn["model"].n_unique() > 1
    reasons = {
        "no human score": drawn.filter(pl.col("human").is_null())["title"],
        "dense not above its baseline": [
            row["title"] + (f" with {row['model']}" if several else "") for row in hidden.iter_rows(named=True)
        ],
    }
    omitted = [f"{text.listed(titles)} ({reason})" for reason, titles in reasons.items() if len(titles)]
    remarks = [f"Human performance: {text.human_figures(known)}."]
    return remarks + ([f"Not in the human-gap panels: {'; '.join(omitted)}."] if omitted else [])


def _nothing(title: str) -> matplotlib.figure.Figure:
    fig, ((ax,),) = layout.panels(1, 1)
    marks.message(ax, "Nothing to show: the experiment has no level of compression")
    ax.set_axis_off()
    footer = "Bands of |w| are not drawn here: they differ in position, not in amount."
    return layout.finish(fig, title, [], footer, layout.Room(1.2))
