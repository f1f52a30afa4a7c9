"""Drop against how much was compressed: two views of each model, a line for each condition and compression method."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.plotting import layout, marks, series, text, theme
from junkdna.report.plotting.conditions import ConditionStyle, ConditionStyles, condition_styles

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from junkdna.report.plotting.axes import Amount
    from junkdna.report.plotting.series import Series

VIEWS = ("relative_score", "retention")
ROOM = layout.Room(2.55)
CROWDED = 10  # lines in a panel that can still be told apart


@theme.themed
def draw(drops: pl.DataFrame, experiment: str, label: str, amount: Amount) -> Figure:
    """Draw the drop of every condition of `experiment` against `amount`, without fine-tuning; a row of panels a model.

    Left: percent of dense, chance of each condition dotted. Right: chance-corrected retention, 0 chance and 1 dense.
    A line joins the levels of one `series.Series` of one condition, from dense on. Where there are too many lines,
    those that prune and those that do not get a row of panels each, on the same axes. Compressions without a place on
    the axis are left out and named. Raises UserError where nothing has a place on it.
    """
    rows, remarks = select(drops, experiment, amount)
    styles, dashes = condition_styles(drops, experiment), series.dashes(series.present(rows))
    parts = _parts(rows, dashes)
    fig, axes = layout.panels(len(parts), 2)
    crowded = max(_lines(part) for part in parts.values()) > CROWDED
    for (name, part), pair in zip(parts.items(), axes, strict=True):
        model = rows.filter(pl.col("model") == part["model"][0])
        for view, ax in heads(name, pair):
            _draw_lines(ax, part, view, styles, amount, dashes)
            for band in ax.collections:
                band.set_alpha(0.06 if crowded else 0.13)
            baselines(ax, model, view, styles)
            amount.set_up(ax, rows)
    footer = [text.facts(rows, "Bands"), *series_remarks(dashes), *amount.meaning, *remarks]
    legends = [condition_keys(rows, styles), [*series.dash_keys(dashes), *mark_keys(rows)]]
    footer = " ".join([*footer, *hidden_remarks(rows, styles)])
    return layout.finish(fig, f"{label}: {experiment}", legends, footer, room(fig))


def select(drops: pl.DataFrame, experiment: str, amount: Amount) -> tuple[pl.DataFrame, list[str]]:
    """Rows of `experiment` without fine-tuning that have a place on the axis, and remarks on those that have none.

    Bands of |w| differ in place and not in amount; 0 has no place on a falling axis, which is logarithmic.
    """
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    present = series.present(rows)
    placed = series.select(rows, [None, *(one for one in present if one.kind in amount.levels)])
    some = pl.col(amount.column) > 0 if amount.falling else pl.lit(True)
    nothing, placed = placed.filter(~some), placed.filter(some)
    if not series.present(placed):
        has = ", ".join(series.labels(present).values()) or "dense rows"
        raise UserError(
            f"experiment {experiment!r}: nothing to draw against {amount.title}, because without fine-tuning it has "
            f"only {has}. Give the experiment transfer: [none] and {amount.example}."
        )
    left_out = series.labels(one for one in present if one.kind not in amount.levels)
    plain = [label for one, label in left_out.items() if one.kind != "band"]
    zero = sorted(map(series.compression_label, set(nothing["compression"])))
    remarks = [f"Not here but on the axis of effective bits, having no sparsity: {'; '.join(plain)}."] if plain else []
    remarks += ["Not here: bands of |w|, which have a figure of their own."] if len(left_out) > len(plain) else []
    return placed, remarks + ([f"Not here, as nothing is kept (0 bits): {'; '.join(zero)}."] if zero else [])


def models(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each model, by a name that is empty where there is one only."""
    names = sorted(rows["model"].unique(), key=text.natural)
    parts = {text.shorten(name, 30): rows.filter(pl.col("model") == name) for name in names}
    return parts if len(parts) > 1 else {"": rows}


def heads(part: str, pair: list[Axes]) -> list[tuple[str, Axes]]:
    """(view, panel) of the two panels of a part, with headings and y labels written."""
    for view, ax in zip(VIEWS, pair, strict=True):
        ax.set_title(layout.heading(ax.figure, text.panel_title(view, part), 0.9 * ROOM.panel_wide_in(2)))
        ax.set_ylabel(text.AXIS_LABELS[view])
    return list(zip(VIEWS, pair, strict=True))


def room(fig: Figure) -> layout.Room:
    """Room for the panels, with a line more above them where a heading has two."""
    more = max(ax.get_title(loc="left").count("\n") for ax in fig.axes)
    return replace(ROOM, head_in=ROOM.head_in + 0.14 * more)


def _parts(rows: pl.DataFrame, dashes: dict[Series, object]) -> dict[str, pl.DataFrame]:
    """Rows of each row of panels, by the words in which they differ."""
    families = {
        "pruned": [one for one in dashes if one.kind in series.PRUNING],
        "quantized or low rank": [one for one in dashes if one.kind in series.PLAIN],
    }
    parts = {}
    for model, whole in models(rows).items():
        if _lines(whole) <= CROWDED or not all(families.values()):
            parts[model] = whole
            continue
        for family, few in families.items():
            parts[f"{model}, {family}" if model else family.capitalize()] = series.select(whole, [None, *few])
    return parts


def _lines(rows: pl.DataFrame) -> int:
    return len(series.present(rows)) * rows.select("task", "knobs", "protocol").n_unique()


def baselines(ax: Axes, rows: pl.DataFrame, view: str, styles: ConditionStyles) -> None:
    """Draw chance and, for the retention, dense; set y limits that hold these and all points."""
    if view == "retention":
        marks.reference_lines(ax, dense=1, chance=0)
        if rows[view].is_null().all():
            marks.message(ax, "No condition here whose dense\nmodel is clearly above chance")
        must = [-0.08, 1.08]
    else:
        must = [100.0]
        for key, condition in styles.split(rows).items():
            must += _chance(ax, condition, styles.of[key])
    ax.set_ylim(*marks.view_limits(rows, view, must))


def _chance(ax: Axes, condition: pl.DataFrame, style: ConditionStyle) -> list[float]:
    """Chance of a condition as percent of its dense score, a faint dotted line; none where dense is not above 0."""
    row = condition.row(0, named=True)
    if row["dense_score"] <= 0:
        return []
    chance = 100 * row["chance"] / row["dense_score"]
    faint = theme.DOTTED | {"color": style.color, "alpha": 0.75, "zorder": 1}
    ax.axhline(chance, label=f"{style.label}|chance", **faint)
    return [chance]


def _draw_lines(
    ax: Axes, rows: pl.DataFrame, view: str, styles: ConditionStyles, amount: Amount, dashes: dict[Series, object]
) -> None:
    for key, condition in styles.split(rows).items():
        style = styles.of[key]
        for one, dash in dashes.items():
            compressed = series.select(condition, [one]).drop_nulls(view)
            if compressed.is_empty():
                continue
            points = amount.in_order(pl.concat([series.select(condition, [None]), compressed]))
            x, label = amount.x(points), f"{style.label}|{one.key}"
            low, high, y = (marks.numbers(points[f"{view}{end}"]) for end in ("_low", "_high", ""))
            ax.fill_between(x, low, high, color=style.color, linewidth=0, zorder=2)
            ax.plot(x, y, color=style.color, linestyle=dash, zorder=3, label=label)
            marks.points(ax, x, y, points["collapsed"], color=style.color, marker=style.marker, label=label)


# ---- legends and footer ----------------------------------------------------------------------------------------------


def condition_keys(rows: pl.DataFrame, styles: ConditionStyles) -> list[Artist]:
    """Legend of the conditions, each with its n where they differ."""
    several = rows["n_examples"].n_unique() > 1
    keys = []
    for key, condition in styles.split(rows).items():
        style = styles.of[key]
        n = f" (n = {text.span(condition['n_examples'])})" if several else ""
        label = text.shorten(style.label) + n
        keys.append(marks.key(label, color=style.color, marker=style.marker, **theme.FILLED))
    return keys


def mark_keys(rows: pl.DataFrame) -> list[Artist]:
    """Legend of the chance line, and of the open marker of collapsed cells."""
    chance = marks.key("chance (left: of the condition in that color)", **theme.DOTTED)
    return [chance, *marks.collapsed_keys(rows)]


def series_remarks(dashes: dict[Series, object]) -> list[str]:
    """Footer sentences: the method where there is one only, and the options that the legend leaves out."""
    one = [f"Compression: {label}." for label in series.labels(dashes).values()] if len(dashes) == 1 else []
    return one + series.shared_options(dashes)


def hidden_remarks(rows: pl.DataFrame, styles: ConditionStyles) -> list[str]:
    """Footer sentence on the conditions that have no retention; none where all have one."""
    hidden = sorted({styles[row].label for row in rows.filter(pl.col("retention").is_null()).iter_rows(named=True)})
    labels = "; ".join(map(text.shorten, hidden))
    return [f"Not in the right panel, dense not clearly above chance: {labels}."] if hidden else []
