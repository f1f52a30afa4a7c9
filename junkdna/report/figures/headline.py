"""Difficulty against drop over all experiments of a study: the headline figure. It shows; it does not test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.report.figures import conditions, labels, layout, marks, series, style
from junkdna.report.figures import text as report_figures_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODES = {"none": "o", "sparse": "D"}
DENSE_ERROR = "chance_corrected_dense_error"


@style.styled
def draw(drops: pl.DataFrame) -> Figure:
    """Draw chance-corrected drop (1 - retention) against difficulty, one color per sparsity, for magnitude pruning
    (with the fewest options that the study has it with).

    Circles: no fine-tuning; diamonds: fine-tuned with the mask held. One panel per difficulty measure; a condition
    stands once in it, however many experiments hold it. Where nothing can be drawn the figure says why.
    """
    rows, hidden = select(drops)
    looks = conditions.looks(drops)
    measures = sorted(rows["difficulty_measure"].unique()) or [DENSE_ERROR]
    shown_levels = series.pick(rows["compression"])
    shown = rows.filter(pl.col("compression").is_in(shown_levels))
    fig, axes = layout.panels(len(measures), 1)
    names = [_names(shown.filter(pl.col("difficulty_measure") == m), looks) for m in measures]
    room = _room(fig, names)
    for measure, own, (ax,) in zip(measures, names, axes, strict=True):
        _panel(ax, shown.filter(pl.col("difficulty_measure") == measure), shown_levels)
        labels.draw(ax, own, room.panel_wide_in(1))
        formula = f" = {report_figures_text.FORMULAS[measure]}" if measure in report_figures_text.FORMULAS else ""
        ax.set_xlabel(f"difficulty: {report_figures_text.measure(measure)}{formula}  →  harder")
        ax.set_ylabel("chance-corrected drop,\n1 − (score − chance) / (dense − chance)")
    footer = report_figures_text.facts(shown, "Error bars") if len(shown) else "Nothing to show."
    footer += _remarks(hidden, looks) + "".join(
        f" {series.in_common(found)}" for found in [series.present(rows)] if found
    )
    legends = [series.keys(shown_levels), _marks(shown)]
    title = "Difficulty against drop, smallest weights pruned (magnitude)"
    return layout.finish(fig, title, legends, footer, room)


def select(drops: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the headline, each condition once, and those hidden because their dense model is not above chance."""
    pruned = drops.filter((pl.col("method") == "magnitude") & pl.col("transfer").is_in(list(MODES)))
    shown = series.present(pruned)
    rows = series.on(pruned, shown[:1])
    rows = rows.sort(["n_seeds", "n_examples", "experiment"], descending=[True, True, False])
    same = ["model", "task", "knobs", "protocol", "transfer", "sparsity", "difficulty_measure"]
    rows = rows.unique(same, keep="first", maintain_order=True).sort(same)
    usable = pl.col("retention").is_not_null() & pl.col("difficulty").is_not_null()
    return rows.filter(usable), rows.filter(~usable)


def _panel(ax: Axes, rows: pl.DataFrame, shown_levels: list[str]) -> None:
    from matplotlib.transforms import ScaledTranslation

    ax.axhline(0, color=style.GREY, linewidth=0.9, zorder=1, label="dense")
    ax.axhline(1, color=style.GREY, linewidth=0.9, linestyle=style.DOTS, zorder=1, label="chance")
    if rows.is_empty():
        text = "Nothing to show: no magnitude-pruned condition\nwhose dense model is clearly above chance"
        ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=style.GREY)
        ax.set_xlim(0, 1)
        return
    _limits(ax, rows)
    for at, (tag, color) in enumerate(series.colors(shown_levels).items()):
        aside = ScaledTranslation((at - (len(shown_levels) - 1) / 2) * 3.2 / 72, 0, ax.figure.dpi_scale_trans)
        for mode, marker in MODES.items():
            own = rows.filter((pl.col("compression") == tag) & (pl.col("transfer") == mode))
            _points(ax, own, color, marker, f"{series.strength(tag):g}|{mode}", ax.transData + aside)


def _points(ax: Axes, own: pl.DataFrame, color: str, marker: str, label: str, where: object) -> None:
    """Points and error bars; x is the true difficulty, moved aside on paper only so that no level hides another."""
    for row in own.iter_rows(named=True):
        if row["retention_low"] is None or row["retention_high"] is None:
            continue
        ends = [1 - row["retention_high"], 1 - row["retention_low"]]
        ax.plot(
            [row["difficulty"]] * 2, ends, color=color, linewidth=1, zorder=2, transform=where, label=f"{label}|bar"
        )
    x, y = own["difficulty"].to_list(), (1 - own["retention"]).to_list()
    marks.points(ax, x, y, own["collapsed"], color, marker, label=label, transform=where, markersize=5)


def _limits(ax: Axes, rows: pl.DataFrame) -> None:
    ax.set_xlim(*marks.around(rows["difficulty"]))
    ends = [1 - v for name in ("retention_low", "retention_high") for v in rows[name].drop_nulls()]
    ax.set_ylim(*marks.within([*(1 - rows["retention"]), 0.0, 1.0], ends, 0.4))


def _names(rows: pl.DataFrame, looks: conditions.Looks) -> list[labels.Name]:
    """The conditions of a panel, by rising difficulty."""
    seen: dict[tuple, labels.Name] = {}
    for row in rows.iter_rows(named=True):
        look = looks[row]
        text = report_figures_text.shorten(look.label, 30)
        text += f", {report_figures_text.shorten(row['model'], 16)}" if rows["model"].n_unique() > 1 else ""
        text += " (fine-tuned)" if row["transfer"] != "none" else ""
        place = (row["model"], looks.key(row), row["transfer"], row["difficulty"])
        seen.setdefault(place, labels.Name(row["difficulty"], text, look))
    return sorted(seen.values(), key=lambda name: (name.x, name.words))


def _room(fig: Figure, names: list[list[labels.Name]]) -> layout.Room:
    """Room for the tilted labels: above every panel for the tallest, at the right for those that lean over the edge."""
    head = 0.22 + max(labels.height_in(fig, own) for own in names)
    room = layout.Room(3.1, head, left_in=0.8)
    for _ in range(3):  # a narrower panel moves the labels: settles at once or nearly
        wide = room.panel_wide_in(1)
        limits = [marks.around(name.x for name in own) if own else (0.0, 1.0) for own in names]
        over = max(labels.overhang_in(fig, own, ends, wide) for own, ends in zip(names, limits, strict=True))
        room = replace(room, right_in=min(max(room.right_in, over + 0.08), 2.2))
    return room


def _marks(rows: pl.DataFrame) -> list:
    texts = {"none": "no fine-tuning", "sparse": "fine-tuned, mask held (sparse)"}
    grey = {"color": style.GREY}
    keys = [
        marks.key(texts[mode], marker=marker, linestyle="none", **grey)
        for mode, marker in MODES.items()
        if mode in set(rows["transfer"])
    ]
    keys.append(marks.key("0: as good as dense", linewidth=0.9, **grey))
    keys.append(marks.key("1: at chance", linewidth=0.9, linestyle=style.DOTS, **grey))
    if len(rows) and (rows["collapsed"] > 0).any():
        keys.append(marks.collapsed_key())
    return keys


def _remarks(hidden: pl.DataFrame, looks: conditions.Looks) -> str:
    names = sorted({report_figures_text.shorten(looks[row].label) for row in hidden.iter_rows(named=True)})
    text = " Levels of one condition stand side by side for sight; a thin vertical line marks their common difficulty."
    return text + (f" Not shown, dense not clearly above chance: {'; '.join(names)}." if names else "")
