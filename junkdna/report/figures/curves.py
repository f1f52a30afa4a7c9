"""Drop against how much was compressed: two views of each model, a line for each condition and compression method."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.report.figures import conditions, layout, marks, series, style
from junkdna.report.figures import text as report_figures_text
from junkdna.report.figures.axes import Amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VIEWS = {"relative_score": "Percent of dense score", "retention": "Retention (chance-corrected)"}
AXES = {"relative_score": "100 × score / dense, %", "retention": "(score − chance) / (dense − chance)"}
ROOM = layout.Room(2.55)
CROWDED = 10  # lines in a panel that can still be told apart


def draw(rows: pl.DataFrame, looks: conditions.Looks, amount: Amount, title: str, remarks: list[str]) -> Figure:
    """Draw `rows`, dense ones among them, a row of panels a model; `remarks` are footer sentences of the caller.

    Left: percent of dense, chance of each condition dotted. Right: chance-corrected retention, 0 chance and 1 dense.
    A line joins the levels of one `series.Line` of one condition, from dense on. Where that is very many lines, those
    that prune and those that do not get a row of panels each, on the same axes.
    """
    dashes = series.dashes(series.present(rows))
    shown = _parts(rows, dashes)
    fig, axes = layout.panels(len(shown), 2)
    crowded = max(_series(own) for own in shown.values()) > CROWDED
    for (part, own), pair in zip(shown.items(), axes, strict=True):
        whole = rows.filter(pl.col("model") == own["model"][0])
        for view, ax in heads(part, pair):
            _draw_lines(ax, own, view, looks, amount, dashes)
            for band in ax.collections:
                band.set_alpha(0.06 if crowded else 0.13)
            baselines(ax, whole, view, looks)
            amount.set_up(ax, rows)
    footer = " ".join(
        [report_figures_text.facts(rows, "Bands"), *_method_remarks(dashes), *remarks, *hidden_remarks(rows, looks)]
    )
    legends = [condition_keys(rows, looks), [*_line_keys(dashes), *mark_keys(rows)]]
    return layout.finish(fig, title, legends, footer, room(fig))


def models(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each model, by a name that is empty where there is one only."""
    names = sorted(rows["model"].unique(), key=report_figures_text.natural)
    own = {report_figures_text.shorten(name, 30): rows.filter(pl.col("model") == name) for name in names}
    return own if len(own) > 1 else {"": rows}


def heads(part: str, pair: list[Axes]) -> list[tuple[str, Axes]]:
    """(view, panel) of the two panels of a part, with headings and y labels written."""
    for view, ax in zip(VIEWS, pair, strict=True):
        heading = f"{part}: {VIEWS[view][0].lower()}{VIEWS[view][1:]}" if part else VIEWS[view]
        ax.set_title(layout.wrap(ax.figure, heading, style.RC["axes.titlesize"], 0.9 * ROOM.panel_wide_in(2)))
        ax.set_ylabel(AXES[view])
    return list(zip(VIEWS, pair, strict=True))


def room(fig: Figure) -> layout.Room:
    """Room for the panels, with a line more above them where a heading has two."""
    more = max(ax.get_title(loc="left").count("\n") for ax in fig.axes)
    return replace(ROOM, head_in=ROOM.head_in + 0.14 * more)


def _parts(rows: pl.DataFrame, dashes: dict[series.Line, object]) -> dict[str, pl.DataFrame]:
    """Rows of each row of panels, by the words in which they differ."""
    found = {}
    for model, own in models(rows).items():
        families = {
            "pruned": [line for line in dashes if line.kind in series.PRUNING],
            "quantized or low rank": [line for line in dashes if line.kind in series.PLAIN],
        }
        if _series(own) <= CROWDED or not all(families.values()):
            found[model] = own
            continue
        for family, few in families.items():
            found[f"{model}, {family}" if model else family.capitalize()] = series.with_dense(own, few)
    return found


def _series(rows: pl.DataFrame) -> int:
    return len(series.present(rows)) * rows.select("task", "knobs", "protocol").n_unique()


def by_condition(rows: pl.DataFrame, looks: conditions.Looks) -> dict[conditions.Key, pl.DataFrame]:
    """Rows of each condition, in the order of the legend."""
    found: dict[conditions.Key, list[int]] = {}
    for at, row in enumerate(rows.iter_rows(named=True)):
        found.setdefault(looks.key(row), []).append(at)
    return {key: rows[found[key]] for key in sorted(found, key=lambda k: tuple(map(report_figures_text.natural, k)))}


def baselines(ax: Axes, rows: pl.DataFrame, view: str, looks: conditions.Looks) -> None:
    """Draw what guessing keeps, and 1 as dense where shares are shown; set y limits that hold these and all points."""
    drawn = []
    if view == "retention":
        ax.axhline(0, color=style.GREY, linewidth=0.9, linestyle=style.DOTS, zorder=1, label="chance")
        ax.axhline(1, color=style.GREY, linewidth=0.9, zorder=1, label="dense")
        if rows[view].is_null().all():
            text = "No condition here whose dense\nmodel is clearly above chance"
            ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=style.GREY)
    else:
        for key, condition in by_condition(rows, looks).items():
            drawn += _floor(ax, condition, looks.of[key])
    must = [*rows[view].drop_nulls(), *drawn, *((100.0,) if view == "relative_score" else (-0.08, 1.08))]
    ends = [*rows[f"{view}_low"].drop_nulls(), *rows[f"{view}_high"].drop_nulls()]
    ax.set_ylim(*marks.within(must, ends, 0.3))


def _floor(ax: Axes, condition: pl.DataFrame, look: conditions.Look) -> list[float]:
    """Chance of a condition as percent of its dense score, a faint dotted line; none where dense is not above 0."""
    row = condition.row(0, named=True)
    if row["dense_score"] <= 0:
        return []
    baseline = 100 * row["chance"] / row["dense_score"]
    faint = {"linewidth": 0.9, "linestyle": style.DOTS, "alpha": 0.75, "zorder": 1}
    ax.axhline(baseline, color=look.color, label=f"{look.label}|chance", **faint)
    return [baseline]


def _draw_lines(
    ax: Axes, rows: pl.DataFrame, view: str, looks: conditions.Looks, amount: Amount, dashes: dict[series.Line, object]
) -> None:
    for key, condition in by_condition(rows, looks).items():
        look = looks.of[key]
        for line, dash in dashes.items():
            own = series.on(condition, [line]).drop_nulls(view)
            if own.is_empty():
                continue
            points = amount.in_order(pl.concat([series.on(condition, [None]), own]))
            x, label = amount.x(points), f"{look.label}|{line.key}"
            low, high, y = (marks.numbers(points[f"{view}{end}"]) for end in ("_low", "_high", ""))
            ax.fill_between(x, low, high, color=look.color, linewidth=0, zorder=2)
            ax.plot(x, y, color=look.color, linestyle=dash, zorder=3, label=label)
            marks.points(ax, x, y, points["collapsed"], look.color, look.marker, label=label)


# ---- legends and footer ----------------------------------------------------------------------------------------------


def condition_keys(rows: pl.DataFrame, looks: conditions.Looks) -> list:
    """Legend of the conditions; n stands with each of them where they differ."""
    several = rows["n_examples"].n_unique() > 1
    keys = []
    for key, condition in by_condition(rows, looks).items():
        look = looks.of[key]
        n = f" (n = {report_figures_text.span(condition['n_examples'])})" if several else ""
        name = report_figures_text.shorten(look.label) + n
        keys.append(marks.key(name, color=look.color, marker=look.marker, markeredgecolor="white", markeredgewidth=0.5))
    return keys


def mark_keys(rows: pl.DataFrame) -> list:
    """Legend of the chance line, and of the open marker of collapsed cells."""
    chance = {"linestyle": style.DOTS, "linewidth": 0.9, "color": style.GREY}
    keys = [marks.key("chance (left: of the condition in that color)", **chance)]
    return keys + ([marks.collapsed_key()] if (rows["collapsed"] > 0).any() else [])


def hidden_remarks(rows: pl.DataFrame, looks: conditions.Looks) -> list[str]:
    """Footer sentence on the conditions that have no retention; none where all have one."""
    hidden = sorted({looks[row].label for row in rows.filter(pl.col("retention").is_null()).iter_rows(named=True)})
    names = "; ".join(report_figures_text.shorten(name) for name in hidden)
    return [f"Not in the right panel, dense not clearly above chance: {names}."] if hidden else []


def _line_keys(dashes: dict[series.Line, object]) -> list:
    """Legend of the lines, where there are several."""
    if len(dashes) == 1:
        return []
    named = series.names(dashes)
    return [marks.key(named[line], linestyle=dash, color=style.GREY) for line, dash in dashes.items()]


def _method_remarks(dashes: dict[series.Line, object]) -> list[str]:
    """Footer sentences: the method where there is one only, and the options that the legend leaves out."""
    one = [f"Compression: {name}." for name in series.names(dashes).values()] if len(dashes) == 1 else []
    return one + ([common] if (common := series.in_common(dashes)) else [])
