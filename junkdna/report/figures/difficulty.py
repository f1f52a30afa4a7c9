"""Drop against difficulty inside one experiment: against its knob, or across its tasks against a measure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

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
    label="Drop against difficulty",
    caption="Color is the level of the compression named below; bars are 95 % intervals. Where a knob makes one task "
    "harder, it is the x axis: on the left the score, with dense on top and chance dotted, on the right the retention, "
    "where 1 is as good as dense and 0 is guessing. Where tasks are compared, each stands at its measure of "
    "difficulty, named above the panel. A cross marks a condition whose dense model is not clearly above chance: there "
    "is nothing to keep. If difficulty made no difference, shares of one color would lie level. The figure fits no "
    "line and tests nothing.",
    order=1,
    conditions=2,
)
MODE = "_mode"  # column of `select`: the transfer mode that a row is shown with, its dense reference's too
VIEWS = ("score", "retention")
TITLE_LENGTH, LABEL_LENGTH = 24, 36
ROOM = layout.Room(2.2, foot_in=0.62)


@theme.themed
def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw what every condition of `experiment` loses against how hard it is, one color a level.

    Where one knob varies within every task, x is that knob, and each task (and model, and transfer mode) has a row of
    two panels: the score with dense and chance, and the retention, (score - chance) / (dense - chance).
    Else tasks are compared: against the chance-corrected dense error (by kind first, where some are answered freely),
    and, where two or more have a human figure H, against the gap to it, (H - dense) / H and (H - dense) / dense.

    Shown are the rows without fine-tuning and those fine-tuned in one mode (sparse, else the first that compresses), of
    one series (the first by `Series.order`: magnitude, else another method that prunes, else one of bits or rank), at
    four levels or fewer. It fits no line and tests nothing. Where there is nothing to draw the page says why.
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
    footer += ["Bars that leave a panel are cut off."] if cut else []
    return layout.finish(fig, title, [_level_keys(styles), _mark_keys(rows, styles)], " ".join(footer), room)


def select(drops: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Rows of `experiment` that are drawn, each with the mode it is shown with; empty where nothing is compressed."""
    drops = drops.filter(pl.col("experiment") == experiment)
    amounts = [one for one in series.present(drops) if one.kind != "band"]
    compressed = series.select(drops.filter(pl.col("transfer") != "dense"), amounts[:1])
    compressed = compressed.filter(pl.col("compression").is_in(series.pick(compressed["compression"])))
    parts = [drops.clear().with_columns(pl.lit("").alias(MODE))]
    modes = ["none", *theme.tuned_modes(set(compressed["transfer"]))[:1]]
    for mode in (mode for mode in modes if mode in compressed["transfer"]):
        dense = (pl.col("method") == "dense") & (pl.col("transfer") == ("none" if mode == "none" else "dense"))
        both = pl.concat([drops.filter(dense), compressed.filter(pl.col("transfer") == mode)])
        parts.append(both.with_columns(pl.lit(mode).alias(MODE)))
    return pl.concat(parts)


def _by_knob(rows: pl.DataFrame, knob: str) -> list[list[Panel]]:
    """A row of panels for each task, model and mode: score and retention, against the knob."""
    others = difficulty_axes.other_knobs(rows, knob)
    grid = []
    for name, part in _parts(rows, ["task", "model", MODE]):
        scale = difficulty_axes.of_knob(part, knob)
        grid.append([Panel(part, view, scale, text.panel_title(view, name), others) for view in VIEWS])
    return grid


def _by_task(rows: pl.DataFrame, styles: ConditionStyles) -> list[list[Panel]]:
    """For each model and mode: score and retention against the dense error (or by kind), then the other measures."""
    grid = []
    for name, part in _parts(rows, ["model", MODE]):
        measures = HUMAN_GAPS if _compared(part) else ()
        scales = [difficulty_axes.of_measure(part, measure) for measure in (DENSE_ERROR, *measures)]
        scales = [difficulty_axes.of_kinds(part), *scales] if difficulty_axes.kinds_differ(part) else scales
        panels = [
            Panel(part, view, scale, text.panel_title(view, name), labels=_labels(part, scale, styles))
            for view, scale in [("score", scales[0]), *(("retention", scale) for scale in scales)]
        ]
        grid += [panels[at : at + 2] for at in range(0, len(panels), 2)]
    return grid


def _parts(rows: pl.DataFrame, columns: list[str]) -> list[tuple[str, pl.DataFrame]]:
    """Rows split by `columns`, each part with a name made of the columns in which the parts differ."""
    several = [column for column in columns if rows[column].n_unique() > 1]
    parts = [(_part_labels(part.row(0, named=True), several), part) for part in rows.partition_by(columns)]
    parts.sort(key=lambda item: list(map(text.natural, item[0])))
    return [(", ".join(text.shorten(label, 40) for label in labels), part) for labels, part in parts]


def _part_labels(row: dict, columns: list[str]) -> list[str]:
    labels = {"task": row["title"], "model": row["model"], MODE: theme.mode_style(row[MODE])[2]}
    return [labels[column] for column in columns]


def _labels(rows: pl.DataFrame, scale: Scale, styles: ConditionStyles) -> tuple[TiltedLabel, ...]:
    """Labels of the conditions of a panel: the task's title where that is enough, else the condition's label."""
    by_place = {difficulty_axes.place(row): row for row in rows.iter_rows(named=True)}
    titles = [row["title"] for row in by_place.values()]
    labels = []
    for place, row in by_place.items():
        if place in scale.at:
            alone = titles.count(row["title"]) == 1
            label = (row["title"], TITLE_LENGTH) if alone else (styles[row].label, LABEL_LENGTH)
            labels.append(TiltedLabel(scale.at[place], text.shorten(*label), styles[row]))
    return tuple(sorted(labels, key=lambda label: (label.x, label.text)))


def _room(fig: matplotlib.figure.Figure, grid: list[list[Panel]]) -> layout.Room:
    """Room above each row of panels for headings and labels, and next to the panels for labels that lean over."""
    panels = [(panel.labels, panel.scale.limits) for line in grid for panel in line]
    room = with_room(fig, ROOM, 2, panels)
    extra = [max(_heading(fig, panel, room).count("\n") for panel in line) for line in grid]
    heads = [0.22 + 0.14 * more + _labels_in(fig, line) for more, line in zip(extra, grid, strict=True)]
    return replace(room, head_in=tuple(heads))


def _labels_in(fig: matplotlib.figure.Figure, line: list[Panel]) -> float:
    return max(height_in(fig, panel.labels) for panel in line)


def _heading(fig: matplotlib.figure.Figure, panel: Panel, room: layout.Room) -> str:
    return layout.heading(fig, panel.title, 0.9 * room.panel_wide_in(2))


def _fill(axes: list, grid: list[list[Panel]], styles: Palette, room: layout.Room) -> bool:
    """Draw every panel; whether an interval is cut off by a panel's edge."""
    wide = room.panel_wide_in(2)
    limits = difficulty_panels.y_limits([panel for line in grid for panel in line if panel.view == "retention"])
    cut = False
    for line, pair in zip(grid, axes, strict=True):
        for ax in pair[len(line) :]:
            ax.set_visible(False)
        for ax, panel in zip(pair, line, strict=False):
            difficulty_panels.draw(ax, panel, styles, wide)
            ax.set_ylim(*(limits if panel.view == "retention" else difficulty_panels.y_limits([panel])))
            ax.set_ylabel(text.y_label(panel.view, panel.rows, "score, each task in its metric"))
            ax.set_title(_heading(ax.figure, panel, room), pad=6 + 72 * _labels_in(ax.figure, line))
            draw_labels(ax, panel.labels, wide)
            cut = cut or difficulty_panels.cut_off(ax, panel)
    return cut


def _level_keys(styles: Palette) -> list[Artist]:
    dense = marks.key("dense (retention: the line at 1)", color=theme.INK, marker="o", **theme.FILLED)
    return [dense, *series.level_keys([tag for tag in styles.colors if tag != "dense"])]


def _mark_keys(rows: pl.DataFrame, styles: Palette) -> list[Artist]:
    grey = {"color": theme.GREY}
    variants = [(name, style) for name, style in styles.variants.items() if name]
    keys = [marks.key(name, marker=mark, markersize=3.5, linestyle=dash, **grey) for name, (mark, dash) in variants]
    keys.append(marks.key("chance", **theme.DOTTED))
    if rows["retention"].is_null().any():
        cross = {"marker": "x", "linestyle": "none", "markeredgewidth": 1.1}
        keys.append(marks.key("no share: dense is not clearly above chance", **cross, **grey))
    return keys + marks.collapsed_keys(rows)


def _remarks(drops: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Footer sentences: what the rows of the experiment that are drawn have in common, and which are not drawn."""
    (shown,) = series.present(rows)
    labels = series.labels(series.present(drops))
    modes = set(rows[MODE])
    remarks = [f"Compression: {labels[shown]}.", *series.shared_options(labels, [shown])]
    for mode in modes - {"none"}:
        label = theme.mode_style(mode)[2]
        remarks.append(f"Fine-tuned: {label}, against dense transfer of the same condition.")
    same = series.select(drops.filter(pl.col("transfer").is_in(modes)), [shown])
    left = sorted(set(same["compression"]) - set(rows["compression"]), key=series.strength)
    out = [", ".join(map(series.level_label, left)) + (" pruned" if shown.kind == "sparsity" else "")] if left else []
    out += [label for one, label in labels.items() if one != shown]
    out += [theme.mode_style(mode)[2] for mode in sorted(set(drops["transfer"]) - modes - {"dense"})]
    return remarks + ([f"In the experiment but not drawn here: {'; '.join(out)}."] if out else [])


def _knob_remarks(knob: str) -> list[str]:
    remarks = ["The arrow says which way is harder as the paper reads the knob."]
    if knob == "context":
        remarks.append("“none” is closed book, a task of recall, so it is set apart; “passage” is the whole passage.")
    return remarks


def _compared(rows: pl.DataFrame) -> bool:
    """Whether two or more tasks have both a human figure and a share to draw over the gap to it."""
    return rows.drop_nulls(["human", "retention"])["title"].n_unique() > 1


def _task_remarks(rows: pl.DataFrame) -> list[str]:
    """Footer sentences on the human figures: their sources, and which tasks are left out of their panels."""
    parts = [part for part in rows.partition_by("model", MODE) if _compared(part)]
    if not parts:
        return []
    drawn = pl.concat(parts)
    known = drawn.drop_nulls("human")
    hidden = known.filter(pl.col("retention").is_null()).unique(["title", "model"])
    several = drawn["model"].n_unique() > 1
    reasons = {
        "no human figure": drawn.filter(pl.col("human").is_null())["title"],
        "dense not clearly above chance": [
            row["title"] + (f" with {row['model']}" if several else "") for row in hidden.iter_rows(named=True)
        ],
    }
    left = [f"{why}: {text.listed(titles)}" for why, titles in reasons.items() if len(titles)]
    remarks = [f"Human performance: {text.human_figures(known)}."]
    return remarks + ([f"Left out of the panels of the human gap, {'; '.join(left)}."] if left else [])


def _nothing(title: str) -> matplotlib.figure.Figure:
    fig, ((ax,),) = layout.panels(1, 1)
    marks.message(ax, "Nothing to show: the experiment compresses at no level")
    ax.set_axis_off()
    footer = "Bands of |w| differ in place and not in amount: they have no place in it."
    return layout.finish(fig, title, [], footer, layout.Room(1.2))
