"""The transfer modes of one experiment: score against sparsity after fine-tuning, one panel per condition.

Where some of the compressions have no sparsity, effective bits per weight are the axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.figures import conditions, layout, marks, series, style
from junkdna.report.figures import text as report_figures_text
from junkdna.report.figures.axes import BUDGET, SPARSITY, Amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPREAD_PT = 1.2  # between the seed dots of two modes
Panel = tuple[str, conditions.Key]


@style.styled
def draw(drops: pl.DataFrame, experiment: str) -> Figure:
    """Draw score against sparsity (or bits) for each transfer mode of `experiment`, a panel per condition (and model).

    Dense transfer is a horizontal line with its interval; seeds are small dots; chance and majority are dotted lines.
    Raises UserError when the experiment has no fine-tuned compressed row.
    """
    rows = select(drops, experiment)
    looks = conditions.looks(drops, experiment)
    groups = _groups(rows, looks)
    columns = {1: 1, 2: 2, 4: 2}.get(len(groups), 3)
    gap_in, right_in = 0.26, 2.6 if len(groups) == 1 else style.RIGHT_IN
    fig, axes = layout.panels(-(-len(groups) // columns), columns, share_y=True)
    flat = [ax for line in axes for ax in line]
    dashes = series.dashes(series.present(rows))
    amount = BUDGET if any(line.kind in series.PLAIN for line in dashes) else SPARSITY
    tops = 0
    for ax, ((model, key), own) in zip(flat, groups.items(), strict=False):
        title = report_figures_text.shorten(looks.of[key].label + (f", {model}" if _several(rows, "model") else ""), 80)
        heading = layout.wrap(fig, title, style.RC["axes.titlesize"], 5.6 / columns) + _facts(rows, own)
        tops = max(tops, heading.count("\n"))
        ax.set_title(heading)
        _panel(ax, own, dashes, amount)
        amount.set_up(ax, rows)
    _share_limits(flat[0], rows)
    for ax, (_, own) in zip(flat, groups.items(), strict=False):
        _floors(ax, own)
    for at, ax in enumerate(flat):
        _edge(
            ax,
            at,
            columns,
            len(groups),
            "score" if _several(rows, "metric") else report_figures_text.metric(rows["metric"][0]),
        )
    footer = (
        report_figures_text.facts(rows, "Bands, or bars where there is one level")
        + " Small dots: single seeds."
        + _method_remarks(dashes, rows, drops)
    )
    extra = 0.14 * tops
    title = f"Transfer modes against {amount.title}: {experiment}"
    room = layout.Room(2.1, 0.22 + extra, gap_in=gap_in, right_in=right_in)
    return layout.finish(fig, title, [_legend(rows, dashes)], footer, room)


def select(drops: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Fine-tuned rows of `experiment` that stand on an axis of sparsity or bits, dense transfer included."""
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") != "none"))
    if rows.is_empty():
        raise UserError(
            f"experiment {experiment!r}: no transfer figure, because the drops table has no fine-tuned row of it. "
            f"Give the experiment a transfer mode other than 'none'."
        )
    compressed = series.on(rows.filter(pl.col("transfer") != "dense"), _placed(rows))
    compressed = compressed.filter(pl.col("effective_bits_per_weight") > 0)
    if compressed.is_empty():
        modes = ", ".join(sorted(rows["transfer"].unique()))
        raise UserError(
            f"experiment {experiment!r}: no transfer figure, because none of its fine-tuned rows (transfer {modes}) is "
            f"compressed. Give the experiment a transfer mode such as 'sparse' and a compression that prunes."
        )
    return pl.concat([rows.filter(pl.col("transfer") == "dense"), compressed])


def _placed(rows: pl.DataFrame) -> list[series.Line]:
    return [line for line in series.present(rows) if line.kind != "band"]


def _groups(rows: pl.DataFrame, looks: conditions.Looks) -> dict[Panel, pl.DataFrame]:
    found: dict[Panel, list[int]] = {}
    for at, row in enumerate(rows.iter_rows(named=True)):
        found.setdefault((row["model"], looks.key(row)), []).append(at)
    order = sorted(
        found, key=lambda p: (tuple(map(report_figures_text.natural, p[1])), report_figures_text.natural(p[0]))
    )
    return {panel: rows[found[panel]] for panel in order}


def _several(rows: pl.DataFrame, column: str) -> bool:
    return rows[column].n_unique() > 1


def _facts(rows: pl.DataFrame, own: pl.DataFrame) -> str:
    """A second line for a panel's heading: metric and n, as far as they differ between panels."""
    facts = (
        [report_figures_text.metric(own["metric"][0]).removesuffix(" correlation")] if _several(rows, "metric") else []
    )
    facts += [f"n = {report_figures_text.span(own['n_examples'])}"] if _several(rows, "n_examples") else []
    return "\n" + ", ".join(facts) if facts else ""


def _modes(rows: pl.DataFrame) -> list[str]:
    """Modes other than dense: the known ones in their fixed order, then others by name."""
    present = set(rows["transfer"]) - {"dense"}
    return [m for m in style.MODE_LOOKS if m in present] + sorted(present - set(style.MODE_LOOKS))


def _look(mode: str) -> tuple[str, str, str]:
    return style.MODE_LOOKS.get(mode, (style.INK, "X", mode))


def _panel(ax: Axes, rows: pl.DataFrame, dashes: dict[series.Line, object], amount: Amount) -> None:
    dense = series.on(rows.filter(pl.col("transfer") == "dense"), [None])
    for row, x in zip(dense.iter_rows(named=True), amount.x(dense), strict=True):
        ax.axhspan(row["score_low"], row["score_high"], color=style.GREY, alpha=0.22, linewidth=0, zorder=1)
        ax.axhline(row["score"], color=style.INK, linewidth=1.2, zorder=2, label="dense")
        _dots(ax, x, row["score_seeds"], style.INK, ax.transData)
    modes = _modes(rows)
    for at, mode in enumerate(modes):
        for line, dash in dashes.items():
            own = amount.in_order(series.on(rows.filter(pl.col("transfer") == mode), [line]))
            if len(own):
                _line(ax, own, amount.x(own), (mode, line, dash), SPREAD_PT * (at - (len(modes) - 1) / 2))


def _line(ax: Axes, own: pl.DataFrame, x: list[float], which: tuple[str, series.Line, object], aside_pt: float) -> None:
    from matplotlib.transforms import ScaledTranslation

    mode, line, dash = which
    color, marker, _ = _look(mode)
    where = ax.transData + ScaledTranslation(aside_pt / 72, 0, ax.figure.dpi_scale_trans)
    label = f"{mode}|{line.key}"
    low, high, y = (marks.numbers(own[f"score{end}"]) for end in ("_low", "_high", ""))
    ax.fill_between(x, low, high, color=color, alpha=0.14, linewidth=0, zorder=2)
    spot = ax.transData
    if len(x) == 1:  # a band of one level has no width: a bar shows its interval
        spot = where
        ax.plot(x * 2, [low[0], high[0]], color=color, linewidth=1, zorder=2, transform=where, label=f"{label}|bar")
    ax.plot(x, y, color=color, linestyle=dash, zorder=3, label=label)
    for at, row in zip(x, own.iter_rows(named=True), strict=True):
        _dots(ax, at, row["score_seeds"], color, where)
    marks.points(ax, x, y, own["collapsed"], color, marker, label=label, transform=spot)


def _dots(ax: Axes, x: float, scores: list[float], color: str, where: object) -> None:
    dots = {"linestyle": "none", "marker": "o", "markersize": 2.2, "markeredgewidth": 0, "alpha": 0.65}
    ax.plot([x] * len(scores), scores, color=color, zorder=5, label="seeds", transform=where, **dots)


def _share_limits(ax: Axes, rows: pl.DataFrame) -> None:
    """One y axis for all panels, with every interval, seed and baseline inside and room for names below."""
    seeds = rows["score_seeds"].explode().drop_nulls().to_list()
    columns = ("score_low", "score_high", "score", "chance", "majority")
    values = [v for name in columns for v in rows[name].drop_nulls()] + seeds
    low, high = min(values), max(values)
    room = max(high - low, 0.02)
    ax.set_ylim(low - 0.13 * room, high + 0.05 * room)


def _floors(ax: Axes, rows: pl.DataFrame) -> None:
    """Chance and majority as dotted lines, named at the left; one name where they lie too close for two."""
    chance, majority = rows["chance"][0], rows["majority"][0]
    low, high = ax.get_ylim()
    dotted = {"color": style.GREY, "linewidth": 0.9, "linestyle": style.DOTS, "zorder": 1}
    ax.axhline(chance, label="chance", **dotted)
    names = [(chance, "chance", "top")]
    if majority is not None:
        ax.axhline(majority, label="majority", **dotted)
        apart = abs(majority - chance) / (high - low)
        if apart < 1e-6:
            names = [(chance, "chance = majority", "top")]
        elif majority > chance:
            names.append((majority, "majority", "bottom" if apart < 0.12 else "top"))
        else:
            names = [(chance, "chance", "bottom" if apart < 0.12 else "top"), (majority, "majority", "top")]
    for y, name, side in names:
        gap = 1.5 if side == "bottom" else -1.5
        ax.annotate(
            name,
            (0.012, y),
            xycoords=("axes fraction", "data"),
            xytext=(0, gap),
            textcoords="offset points",
            fontsize=6.5,
            color=style.GREY,
            va=side,
        )


def _edge(ax: Axes, at: int, columns: int, used: int, y_label: str) -> None:
    """Hide unused panels; y label at the left only, x label only where no panel stands below."""
    if at >= used:
        ax.set_visible(False)
        return
    ax.tick_params(labelleft=at % columns == 0)
    if at % columns == 0:
        ax.set_ylabel(y_label)
    if at + columns < used:
        ax.set_xlabel("")


def _method_remarks(dashes: dict[series.Line, object], rows: pl.DataFrame, drops: pl.DataFrame) -> str:
    """Footer sentences: the method where there is one, the options of all, and what has no place in the panels."""
    named = series.names(dashes)
    text = f" Compression: {named[next(iter(named))]}." if len(named) == 1 else ""
    text += f" {series.in_common(dashes)}".rstrip()
    experiment = rows["experiment"][0]
    own = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") != "none"))
    left = sorted({series.compression(tag) for tag in set(own["compression"]) - set(rows["compression"])})
    return text + (f" Not here: {'; '.join(left)}." if left else "")


def _legend(rows: pl.DataFrame, dashes: dict[series.Line, object]) -> list:
    keys = []
    if len(rows.filter(pl.col("transfer") == "dense")):
        keys.append(marks.key("dense transfer and its interval", color=style.INK, linewidth=1.2))
    for mode in _modes(rows):
        color, marker, name = _look(mode)
        keys.append(marks.key(name, color=color, marker=marker, **style.FILLED))
    if len(dashes) > 1:
        named = series.names(dashes)
        keys += [marks.key(named[line], color=style.GREY, linestyle=dash) for line, dash in dashes.items()]
    if (rows["collapsed"] > 0).any():
        keys.append(marks.collapsed_key())
    return keys
