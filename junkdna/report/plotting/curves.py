"""Relative score and retention against the amount of compression: one line per condition and compression method."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import PLAIN, PRUNING, natural
from junkdna.errors import UserError
from junkdna.report.plotting import layout, marks, series, text, theme
from junkdna.report.plotting.conditions import ConditionStyle, ConditionStyles, condition_styles

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from junkdna.analysis.series import Series
    from junkdna.report.plotting.axes import Amount

VIEWS = ("relative_score", "retention")
ROOM = layout.Room(2.55)
CROWDED = 10  # a panel with more lines is split


@theme.themed
def draw(drops: pl.DataFrame, experiment: str, label: str, amount: Amount) -> Figure:
    """Draw every condition of `experiment` without fine-tuning against `amount`, one row of panels per model.

    Left: relative score, with the chance of each condition dotted. Right: chance-corrected retention, 0 at the baseline
    and 1 at dense. A line joins the levels of one `Series` of one condition, starting at dense. If there are too many
    lines, pruning and the other methods get separate rows of panels with the same axes. The footer names compressions
    that the axis cannot show. Raises UserError if it can show none.
    """
    rows, remarks = select(drops, experiment, amount)
    styles, dashes = condition_styles(drops, experiment), series.dashes(series.present(rows))
    groups = _groups(rows, dashes)
    fig, axes = layout.panels(len(groups), 2)
    crowded = max(map(_line_count, groups.values())) > CROWDED
    for (name, group), pair in zip(groups.items(), axes, strict=True):
        model = rows.filter(pl.col("model") == group["model"][0])
        for view, ax in set_headings(name, pair):
            _draw_lines(ax, group, view, styles, amount, dashes)
            for band in ax.collections:
                band.set_alpha(0.06 if crowded else 0.13)
            baselines(ax, model, view, styles)
            amount.set_up(ax, rows)
    footer = [text.facts(rows, "Bands"), *series_remarks(dashes), *amount.explanation, *remarks]
    legends = [condition_keys(rows, styles), [*series.dash_keys(dashes), *mark_keys(rows)]]
    footer = " ".join([*footer, *hidden_remarks(rows, styles)])
    return layout.finish(fig, f"{label}: {experiment}", legends, footer, room(fig))


def select(drops: pl.DataFrame, experiment: str, amount: Amount) -> tuple[pl.DataFrame, list[str]]:
    """Rows of `experiment` without fine-tuning that the axis can show, and footer sentences on the others.

    Bands of |w| differ in position, not in amount. A falling axis is logarithmic and cannot show 0.
    """
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    present = series.present(rows)
    rows = series.select(rows, [None, *(item for item in present if item.kind in amount.levels)])
    positive = pl.col(amount.column) > 0 if amount.falling else pl.lit(True)
    unknown = sorted(map(series.compression_label, set(rows.filter(pl.col(amount.column).is_null())["compression"])))
    zeros, rows = rows.filter(~positive), rows.filter(positive)
    if not series.present(rows):
        has = ", ".join(series.labels(present).values()) or "dense rows"
        raise UserError(
            f"experiment {experiment!r}: nothing to draw against {amount.title}, because without fine-tuning it has "
            f"only {has}. Add transfer: [none] and {amount.example} to the experiment."
        )
    omitted = series.labels(item for item in present if item.kind not in amount.levels)
    plain = [label for item, label in omitted.items() if item.kind != "band"]
    zero = sorted(map(series.compression_label, set(zeros["compression"])))
    remarks = [f"Not shown because they have no sparsity (see effective bits): {'; '.join(plain)}."] if plain else []
    remarks += ["Not shown: bands of |w| (see their own figure)."] if len(omitted) > len(plain) else []
    remarks += [f"Not shown because their {amount.title} are unknown: {'; '.join(unknown)}."] if unknown else []
    return rows, remarks + ([f"Not shown because no weight is kept (0 bits): {'; '.join(zero)}."] if zero else [])


def models(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each model by its name; the name is empty if there is only one model."""
    names = sorted(rows["model"].unique(), key=natural)
    rows_of = {text.shorten(name, 30): rows.filter(pl.col("model") == name) for name in names}
    return rows_of if len(rows_of) > 1 else {"": rows}


def set_headings(name: str, pair: list[Axes]) -> list[tuple[str, Axes]]:
    """Write headings, with `name` in front, and y labels of two panels, and return the panels with their views."""
    for view, ax in zip(VIEWS, pair, strict=True):
        ax.set_title(layout.heading(ax.figure, text.panel_title(view, name), 0.9 * ROOM.panel_wide_in(2)))
        ax.set_ylabel(text.AXIS_LABELS[view])
    return list(zip(VIEWS, pair, strict=True))


def room(fig: Figure) -> layout.Room:
    """Sizes of the panels, with room above for headings of several lines."""
    breaks = max(ax.get_title(loc="left").count("\n") for ax in fig.axes)
    return replace(ROOM, head_in=ROOM.head_in + 0.14 * breaks)


def _groups(rows: pl.DataFrame, dashes: dict[Series, object]) -> dict[str, pl.DataFrame]:
    """Rows of each row of panels, by its name."""
    external = any(item.kind == "external" for item in dashes)
    families = {
        "pruned": [item for item in dashes if item.kind in PRUNING],
        "quantized, low rank or external" if external else "quantized or low rank": [
            item for item in dashes if item.kind in PLAIN
        ],
    }
    groups = {}
    for model, model_rows in models(rows).items():
        if _line_count(model_rows) <= CROWDED or not all(families.values()):
            groups[model] = model_rows
            continue
        for family, members in families.items():
            name = f"{model}, {family}" if model else family.capitalize()
            groups[name] = series.select(model_rows, [None, *members])
    return groups


def _line_count(rows: pl.DataFrame) -> int:
    return len(series.present(rows)) * rows.select("task", "knobs", "protocol").n_unique()


def baselines(ax: Axes, rows: pl.DataFrame, view: str, styles: ConditionStyles) -> None:
    """Draw chance and, for retention, dense; set y limits that contain them and all points."""
    if view == "retention":
        marks.reference_lines(ax, dense=1, chance=0)
        if rows[view].is_null().all():
            marks.message(ax, "No condition has a dense model\nabove its baseline")
        must = [-0.08, 1.08]
    else:
        must = [100.0]
        for key, condition in styles.split(rows).items():
            must += _chance(ax, condition, styles.of[key])
    ax.set_ylim(*marks.view_limits(rows, view, must))


def _chance(ax: Axes, condition: pl.DataFrame, style: ConditionStyle) -> list[float]:
    """Draw a condition's chance as a relative score, a faint dotted line, unless its dense score is 0 or less."""
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
        for item, dash in dashes.items():
            compressed = series.select(condition, [item]).drop_nulls(view)
            if compressed.is_empty():
                continue
            points = amount.in_order(pl.concat([series.select(condition, [None]), compressed]))
            x, label = amount.x(points), f"{style.label}|{item.key}"
            low, high, y = (marks.numbers(points[f"{view}{end}"]) for end in ("_low", "_high", ""))
            ax.fill_between(x, low, high, color=style.color, linewidth=0, zorder=2)
            ax.plot(x, y, color=style.color, linestyle=dash, zorder=3, label=label)
            marks.points(ax, x, y, points["collapsed"], color=style.color, marker=style.marker, label=label)


# ---- legends and footer ----------------------------------------------------------------------------------------------


def condition_keys(rows: pl.DataFrame, styles: ConditionStyles) -> list[Artist]:
    """Legend entries of the conditions, with the numbers of examples if they differ."""
    differ = rows["n_examples"].n_unique() > 1
    keys = []
    for key, condition in styles.split(rows).items():
        style = styles.of[key]
        n = f" (n = {text.span(condition['n_examples'])})" if differ else ""
        label = text.shorten(style.label) + n
        keys.append(marks.key(label, color=style.color, marker=style.marker, **theme.FILLED))
    return keys


def mark_keys(rows: pl.DataFrame) -> list[Artist]:
    """Legend entries of the chance line and of the open marker."""
    chance = marks.key("chance (left: of the condition in the same color)", **theme.DOTTED)
    return [chance, *marks.collapsed_keys(rows)]


def series_remarks(dashes: dict[Series, object]) -> list[str]:
    """Footer sentences: the method if there is only one, and the options that the legend does not show."""
    method = [f"Compression: {label}." for label in series.labels(dashes).values()] if len(dashes) == 1 else []
    return method + series.shared_options(dashes)


def hidden_remarks(rows: pl.DataFrame, styles: ConditionStyles) -> list[str]:
    """Footer sentence on the conditions whose retention is undefined, if any."""
    hidden = sorted({styles[row].label for row in rows.filter(pl.col("retention").is_null()).iter_rows(named=True)})
    labels = "; ".join(map(text.shorten, hidden))
    return [f"Not in the right panel because dense is not above its baseline: {labels}."] if hidden else []
