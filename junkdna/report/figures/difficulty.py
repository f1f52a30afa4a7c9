"""Drop against difficulty inside one experiment: against its knob, or across its tasks against a measure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.report.figures import conditions, difficulty_axes, difficulty_panels, labels, layout, marks, series, style
from junkdna.report.figures import text as report_figures_text
from junkdna.report.figures.difficulty_axes import DENSE_ERROR, HUMAN_GAPS, Scale
from junkdna.report.figures.difficulty_panels import Palette, Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODE = "_mode"  # column of `select`: the transfer mode that a row is shown with, its dense reference's too
VIEWS = {"score": "Score", "retention": "Retention (chance-corrected)"}
TITLE_LENGTH, LABEL_LENGTH = 24, 36
PANEL_IN, FOOT_IN = 2.2, 0.62
SHARE = "(score − chance) / (dense − chance)"


@style.styled
def draw(drops: pl.DataFrame, experiment: str) -> Figure:
    """Draw what every condition of `experiment` loses against how hard it is, one color a level.

    Where one knob varies within every task, x is that knob, and each task (and model, and transfer mode) has a row of
    two panels: the score with dense and chance, and the retention, (score - chance) / (dense - chance).
    Else tasks are compared: against the chance-corrected dense error (by kind first, where some are answered freely),
    and, where two or more have a human figure H, against the gap to it, (H - dense) / H and (H - dense) / dense.

    Shown are the rows without fine-tuning and those fine-tuned in one mode (sparse, else the first that compresses), of
    one line (the first by `lines.Line.place`: magnitude, else another method that prunes, else one of bits or rank), at
    four levels or fewer. It fits no line and tests nothing. Where there is nothing to draw the page says why.
    """
    rows = select(drops, experiment)
    title = f"Drop against difficulty: {experiment}"
    if rows.is_empty():
        return _nothing(title)
    knob = difficulty_axes.shared_knob(rows)
    grid = _by_knob(rows, knob) if knob else _by_task(rows, conditions.looks(drops, experiment))
    every = [panel for line in grid for panel in line]
    fig, axes = layout.panels(len(grid), 2)
    room = _room(fig, grid)
    looks = difficulty_panels.palette(every)
    cut = _fill(axes, grid, looks, room)
    own = drops.filter(pl.col("experiment") == experiment)
    footer = [report_figures_text.facts(rows, "Error bars"), *_remarks(own, rows)]
    footer += _knob_remarks(knob) if knob else _task_remarks(rows)
    footer += ["Bars that leave a panel are cut off."] if cut else []
    return layout.finish(fig, title, [_level_keys(looks), _mark_keys(rows, looks)], " ".join(footer), room)


def select(drops: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Rows of `experiment` that are drawn, each with the mode it is shown with; empty where nothing is compressed."""
    own = drops.filter(pl.col("experiment") == experiment)
    present = [line for line in series.present(own) if line.kind != "band"]
    compressed = series.on(own.filter(pl.col("transfer") != "dense"), present[:1])
    compressed = compressed.filter(pl.col("compression").is_in(series.pick(compressed["compression"])))
    parts = [own.clear().with_columns(pl.lit("").alias(MODE))]
    for mode in _modes(compressed):
        dense = (pl.col("method") == "dense") & (pl.col("transfer") == ("none" if mode == "none" else "dense"))
        both = pl.concat([own.filter(dense), compressed.filter(pl.col("transfer") == mode)])
        parts.append(both.with_columns(pl.lit(mode).alias(MODE)))
    return pl.concat(parts)


def _modes(compressed: pl.DataFrame) -> list[str]:
    """Without fine-tuning, if there; and of the fine-tuned modes the first."""
    present = set(compressed["transfer"])
    tuned = [mode for mode in style.MODE_LOOKS if mode in present] + sorted(present - {"none", *style.MODE_LOOKS})
    return [mode for mode in ("none", *tuned[:1]) if mode in present]


def _by_knob(rows: pl.DataFrame, knob: str) -> list[list[Panel]]:
    """A row of panels for each task, model and mode: score and retention, against the knob."""
    beside = difficulty_axes.beside(rows, knob)
    grid = []
    for part, own in _parts(rows, ["task", "model", MODE]):
        scale = difficulty_axes.of_knob(own, knob)
        grid.append([Panel(own, view, scale, _title(part, VIEWS[view]), beside) for view in VIEWS])
    return grid


def _by_task(rows: pl.DataFrame, looks: conditions.Looks) -> list[list[Panel]]:
    """For each model and mode: score and retention against the dense error (or by kind), then the other measures."""
    grid = []
    for part, own in _parts(rows, ["model", MODE]):
        measures = HUMAN_GAPS if _compared(own) else ()
        scales = [difficulty_axes.of_measure(own, measure) for measure in (DENSE_ERROR, *measures)]
        scales = [difficulty_axes.of_kinds(own), *scales] if difficulty_axes.kinds_differ(own) else scales
        panels = [
            Panel(own, view, scale, _title(part, VIEWS[view]), names=_names(own, scale, looks))
            for view, scale in [("score", scales[0]), *(("retention", scale) for scale in scales)]
        ]
        grid += [panels[at : at + 2] for at in range(0, len(panels), 2)]
    return grid


def _parts(rows: pl.DataFrame, columns: list[str]) -> list[tuple[list[str], pl.DataFrame]]:
    """Rows split by `columns`, each part with words for the columns in which the parts differ."""
    says = {"task": lambda own: own["title"][0], "model": lambda own: own["model"][0], MODE: _mode_of}
    several = [column for column in columns if rows[column].n_unique() > 1]
    found = [([says[column](own) for column in several], own) for own in rows.partition_by(columns)]
    return sorted(found, key=lambda item: [report_figures_text.natural(text) for text in item[0]])


def _mode_of(rows: pl.DataFrame) -> str:
    return _mode_words(rows[MODE][0])


def _mode_words(mode: str) -> str:
    return "no fine-tuning" if mode == "none" else style.MODE_LOOKS.get(mode, (style.INK, "X", mode))[2]


def _title(part: list[str], view: str) -> str:
    return (
        f"{', '.join(report_figures_text.shorten(text, 40) for text in part)}: {view[0].lower()}{view[1:]}"
        if part
        else view
    )


def _names(rows: pl.DataFrame, scale: Scale, looks: conditions.Looks) -> tuple[labels.Name, ...]:
    """Names of the conditions of a panel: the task's title where that is enough, else the condition's label."""
    seen = {difficulty_axes.place(row): row for row in rows.iter_rows(named=True)}
    titles = [row["title"] for row in seen.values()]
    found = []
    for place, row in seen.items():
        if place in scale.at:
            alone = titles.count(row["title"]) == 1
            text = (
                report_figures_text.shorten(row["title"], TITLE_LENGTH)
                if alone
                else report_figures_text.shorten(looks[row].label, LABEL_LENGTH)
            )
            found.append(labels.Name(scale.at[place], text, looks[row]))
    return tuple(sorted(found, key=lambda name: (name.x, name.words)))


def _room(fig: Figure, grid: list[list[Panel]]) -> layout.Room:
    """Room above each row of panels for headings and names, and beside the panels for names that lean over."""
    panels = [panel for line in grid for panel in line]
    room = layout.Room(PANEL_IN, foot_in=FOOT_IN)
    for _ in range(3):  # narrower panels move the names: settles at once or nearly
        wide = room.panel_wide_in(2)
        over = max(labels.overhang_in(fig, list(p.names), p.scale.limits, wide) for p in panels)
        room = replace(room, gap_in=max(room.gap_in, over + 0.1), right_in=max(room.right_in, over + 0.08))
    extra = [max(_heading(fig, panel, room).count("\n") for panel in line) for line in grid]
    heads = [0.22 + 0.14 * more + _names_in(fig, line) for more, line in zip(extra, grid, strict=True)]
    return replace(room, head_in=tuple(heads))


def _names_in(fig: Figure, line: list[Panel]) -> float:
    return max(labels.height_in(fig, list(panel.names)) for panel in line)


def _heading(fig: Figure, panel: Panel, room: layout.Room) -> str:
    return layout.wrap(fig, panel.title, style.RC["axes.titlesize"], 0.9 * room.panel_wide_in(2))


def _fill(axes: list, grid: list[list[Panel]], looks: Palette, room: layout.Room) -> bool:
    """Draw every panel; whether an interval is cut off by a panel's edge."""
    wide = room.panel_wide_in(2)
    kept = difficulty_panels.y_limits([panel for line in grid for panel in line if panel.view == "retention"])
    cut = False
    for line, pair in zip(grid, axes, strict=True):
        for ax in pair[len(line) :]:
            ax.set_visible(False)
        for ax, panel in zip(pair, line, strict=False):
            difficulty_panels.draw(ax, panel, looks, wide)
            ax.set_ylim(*(kept if panel.view == "retention" else difficulty_panels.y_limits([panel])))
            ax.set_ylabel(SHARE if panel.view == "retention" else _score_label(panel.rows))
            ax.set_title(_heading(ax.figure, panel, room), pad=6 + 72 * _names_in(ax.figure, line))
            labels.draw(ax, list(panel.names), wide)
            cut = cut or difficulty_panels.cut_off(ax, panel)
    return cut


def _score_label(rows: pl.DataFrame) -> str:
    return (
        report_figures_text.metric(rows["metric"][0])
        if rows["metric"].n_unique() == 1
        else "score, each task in its metric"
    )


def _level_keys(looks: Palette) -> list:
    dense = marks.key("dense (retention: the line at 1)", color=style.INK, marker="o", **style.FILLED)
    return [dense, *series.keys([tag for tag in looks.shades if tag != "dense"])]


def _mark_keys(rows: pl.DataFrame, looks: Palette) -> list:
    grey = {"color": style.GREY}
    variants = [(name, look) for name, look in looks.variants.items() if name]
    keys = [marks.key(name, marker=mark, markersize=3.5, linestyle=dash, **grey) for name, (mark, dash) in variants]
    keys.append(marks.key("chance", linewidth=0.9, linestyle=style.DOTS, **grey))
    if rows["retention"].is_null().any():
        look = {"marker": "x", "linestyle": "none", "markeredgewidth": 1.1}
        keys.append(marks.key("no share: dense is not clearly above chance", **look, **grey))
    if (rows["collapsed"] > 0).any():
        keys.append(marks.collapsed_key())
    return keys


def _remarks(own: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Footer sentences: what the rows of the experiment that are drawn have in common, and which are not drawn."""
    (line,) = series.present(rows)
    named = series.names(series.present(own))
    tuned = [mode for mode in rows[MODE].unique() if mode != "none"]
    remarks = [f"Compression: {named[line]}.", *filter(None, [series.in_common(named, [line])])]
    if tuned:
        remarks.append(f"Fine-tuned: {_mode_words(tuned[0])}, against dense transfer of the same condition.")
    same = series.on(own.filter(pl.col("transfer").is_in(rows[MODE].unique().implode())), [line])
    left = sorted(set(same["compression"]) - set(rows["compression"]), key=series.strength)
    out = [", ".join(map(series.level, left)) + (" pruned" if line.kind == "sparsity" else "")] if left else []
    out += [name for other, name in named.items() if other != line]
    out += [_mode_words(mode) for mode in sorted(set(own["transfer"]) - set(rows[MODE]) - {"dense"})]
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
    """Footer sentences on the human figures: where they are from, and which tasks are left out of their panels."""
    parts = [own for own in rows.partition_by("model", MODE) if _compared(own)]
    if not parts:
        return []
    drawn = pl.concat(parts)
    known = drawn.drop_nulls("human")
    lost = known.filter(pl.col("retention").is_null()).unique(["title", "model"])
    several = drawn["model"].n_unique() > 1
    reasons = {
        "no human figure": drawn.filter(pl.col("human").is_null())["title"],
        "dense not clearly above chance": [
            row["title"] + (f" with {row['model']}" if several else "") for row in lost.iter_rows(named=True)
        ],
    }
    left = [f"{why}: {report_figures_text.listed(names)}" for why, names in reasons.items() if len(names)]
    remarks = [f"Human performance: {report_figures_text.human_figures(known)}."]
    return remarks + ([f"Left out of the panels of the human gap, {'; '.join(left)}."] if left else [])


def _nothing(title: str) -> Figure:
    fig, ((ax,),) = layout.panels(1, 1)
    text = "Nothing to show: the experiment compresses at no level"
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=style.GREY)
    ax.set_axis_off()
    return layout.finish(
        fig, title, [], "Bands of |w| differ in place and not in amount: they have no place in it.", layout.Room(1.2)
    )
