"""The transfer modes of one experiment: score against sparsity after fine-tuning, one panel per condition.

Where some of the compressions have no sparsity, effective bits per weight are the axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, layout, marks, series, text, theme
from junkdna.report.plotting.axes import BITS, SPARSITY, Amount
from junkdna.report.plotting.conditions import ConditionStyles, Key, condition_styles

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

    from junkdna.report.plotting.series import Series

FIGURE = Figure(
    label="Transfer modes",
    caption="One panel for each condition. The grey band is dense transfer with its interval; lines are the other "
    "transfer modes with theirs; small dots are single seeds. Dotted lines are the score of guessing and of always "
    "giving the most frequent answer.",
    order=5,
    modes="tuned",
    levels=("sparsity", "keep_of", "bits", "rank"),
)
SPREAD_PT = 1.2  # between the seed dots of two modes


@theme.themed
def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw score against sparsity (or bits) for each transfer mode of `experiment`, a panel per condition (and model).

    Dense transfer is a horizontal line with its interval; seeds are small dots; chance and majority are dotted lines.
    Raises UserError when the experiment has no fine-tuned compressed row.
    """
    rows = select(drops, experiment)
    styles, dashes = condition_styles(drops, experiment), series.dashes(series.present(rows))
    amount = BITS if any(one.kind in series.PLAIN for one in dashes) else SPARSITY
    groups = _groups(rows, styles)
    columns = {1: 1, 2: 2, 4: 2}.get(len(groups), 3)
    fig, axes = layout.panels(-(-len(groups) // columns), columns, share_y=True)
    flat = [ax for line in axes for ax in line]
    for ax, ((model, key), part) in zip(flat, groups.items(), strict=False):
        title = text.shorten(styles.of[key].label + (f", {model}" if _several(rows, "model") else ""), 80)
        ax.set_title(layout.heading(fig, title, 5.6 / columns) + _facts(rows, part))
        _panel(ax, part, dashes, amount)
        amount.set_up(ax, rows)
    _share_limits(flat[0], rows)
    for ax, part in zip(flat, groups.values(), strict=False):
        _baselines(ax, part)
    for at, ax in enumerate(flat):
        _edge(ax, at, columns, len(groups), text.y_label("score", rows))
    footer = [text.facts(rows, "Bands, or bars where there is one level"), "Small dots: single seeds."]
    footer = " ".join([*footer, *_remarks(dashes, rows, drops)])
    tops = max(ax.get_title(loc="left").count("\n") for ax in flat)
    right_in = 2.6 if len(groups) == 1 else theme.RIGHT_IN
    room = layout.Room(2.1, 0.22 + 0.14 * tops, gap_in=0.26, right_in=right_in)
    title = f"{FIGURE.label} against {amount.title}: {experiment}"
    return layout.finish(fig, title, [_keys(rows, dashes)], footer, room)


def select(drops: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Fine-tuned rows of `experiment` with a place on an axis of sparsity or bits, dense transfer included."""
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") != "none"))
    if rows.is_empty():
        raise UserError(
            f"experiment {experiment!r}: no transfer figure, because the drops table has no fine-tuned row of it. "
            f"Give the experiment a transfer mode other than 'none'."
        )
    placed = [one for one in series.present(rows) if one.kind != "band"]
    compressed = series.select(rows.filter(pl.col("transfer") != "dense"), placed)
    compressed = compressed.filter(pl.col("effective_bits_per_weight") > 0)
    if compressed.is_empty():
        modes = ", ".join(sorted(rows["transfer"].unique()))
        raise UserError(
            f"experiment {experiment!r}: no transfer figure, because none of its fine-tuned rows (transfer {modes}) is "
            f"compressed. Give the experiment a transfer mode such as 'sparse' and a compression that prunes."
        )
    return pl.concat([rows.filter(pl.col("transfer") == "dense"), compressed])


def _groups(rows: pl.DataFrame, styles: ConditionStyles) -> dict[tuple[str, Key], pl.DataFrame]:
    """Rows of each panel: a condition, and of it each model."""
    return {
        (model, key): condition.filter(pl.col("model") == model)
        for key, condition in styles.split(rows).items()
        for model in sorted(condition["model"].unique(), key=text.natural)
    }


def _several(rows: pl.DataFrame, column: str) -> bool:
    return rows[column].n_unique() > 1


def _facts(rows: pl.DataFrame, part: pl.DataFrame) -> str:
    """A second line for a panel's heading: metric and n, as far as they differ between panels."""
    metric = text.metric_label(part["metric"][0]).removesuffix(" correlation")
    facts = [metric] if _several(rows, "metric") else []
    facts += [f"n = {text.span(part['n_examples'])}"] if _several(rows, "n_examples") else []
    return "\n" + ", ".join(facts) if facts else ""


def _panel(ax: Axes, rows: pl.DataFrame, dashes: dict[Series, object], amount: Amount) -> None:
    dense = series.select(rows.filter(pl.col("transfer") == "dense"), [None])
    for row, x in zip(dense.iter_rows(named=True), amount.x(dense), strict=True):
        ax.axhspan(row["score_low"], row["score_high"], color=theme.GREY, alpha=0.22, linewidth=0, zorder=1)
        ax.axhline(row["score"], color=theme.INK, linewidth=1.2, zorder=2, label="dense")
        _dots(ax, x, row["score_seeds"], theme.INK, ax.transData)
    modes = theme.tuned_modes(set(rows["transfer"]))
    for at, mode in enumerate(modes):
        aside = marks.shifted(ax, at, len(modes), SPREAD_PT)
        for one, dash in dashes.items():
            points = amount.in_order(series.select(rows.filter(pl.col("transfer") == mode), [one]))
            if len(points):
                _line(ax, points, amount.x(points), mode, dash, f"{mode}|{one.key}", aside)


def _line(ax: Axes, rows: pl.DataFrame, x: list[float], mode: str, dash: object, label: str, aside: Transform) -> None:
    color, marker, _ = theme.mode_style(mode)
    low, high, y = (marks.numbers(rows[f"score{end}"]) for end in ("_low", "_high", ""))
    ax.fill_between(x, low, high, color=color, alpha=0.14, linewidth=0, zorder=2)
    where = aside if len(x) == 1 else ax.transData
    if len(x) == 1:  # a band of one level has no width: a bar shows its interval
        ax.plot(x * 2, [low[0], high[0]], color=color, linewidth=1, zorder=2, transform=aside, label=f"{label}|bar")
    ax.plot(x, y, color=color, linestyle=dash, zorder=3, label=label)
    for at, row in zip(x, rows.iter_rows(named=True), strict=True):
        _dots(ax, at, row["score_seeds"], color, aside)
    marks.points(ax, x, y, rows["collapsed"], color=color, marker=marker, label=label, transform=where)


def _dots(ax: Axes, x: float, scores: list[float], color: str, where: Transform) -> None:
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


def _baselines(ax: Axes, rows: pl.DataFrame) -> None:
    """Chance and majority as dotted lines, labeled at the left; one label where they lie too close for two."""
    chance, majority = rows["chance"][0], rows["majority"][0]
    low, high = ax.get_ylim()
    lines = {"chance": chance} | ({} if majority is None else {"majority": majority})
    for name, y in lines.items():
        ax.axhline(y, label=name, zorder=1, **theme.DOTTED)
    apart = (max(lines.values()) - min(lines.values())) / (high - low)
    labels = sorted(lines, key=lines.get) if apart >= 1e-6 else [" = ".join(lines)]
    for at, label in enumerate(labels):
        gap, side = (1.5, "bottom") if at == 1 and apart < 0.12 else (-1.5, "top")
        place = {"xytext": (0, gap), "textcoords": "offset points", "va": side}
        point = {"xy": (0.012, lines.get(label, chance)), "xycoords": ("axes fraction", "data")}
        ax.annotate(label, fontsize=6.5, color=theme.GREY, **point, **place)


def _edge(ax: Axes, at: int, columns: int, used: int, y_label: str) -> None:
    """Hide unused panels; y label at the left only, x label only where no panel is below."""
    left = at % columns == 0
    ax.set_visible(at < used)
    ax.tick_params(labelleft=left)
    ax.set_ylabel(y_label if left else "")
    ax.set_xlabel("" if at + columns < used else ax.get_xlabel())


def _remarks(dashes: dict[Series, object], rows: pl.DataFrame, drops: pl.DataFrame) -> list[str]:
    """Footer sentences: the method where there is one, the options of all, and what has no place in the panels."""
    tuned = drops.filter((pl.col("experiment") == rows["experiment"][0]) & (pl.col("transfer") != "none"))
    left = sorted(map(series.compression_label, set(tuned["compression"]) - set(rows["compression"])))
    return curves.series_remarks(dashes) + ([f"Not here: {'; '.join(left)}."] if left else [])


def _keys(rows: pl.DataFrame, dashes: dict[Series, object]) -> list[Artist]:
    """Legend of dense transfer, of the modes, of the series and of the open marker."""
    dense = marks.key("dense transfer and its interval", color=theme.INK, linewidth=1.2)
    keys = [dense] if "dense" in set(rows["transfer"]) else []
    for color, marker, label in map(theme.mode_style, theme.tuned_modes(set(rows["transfer"]))):
        keys.append(marks.key(label, color=color, marker=marker, **theme.FILLED))
    return [*keys, *series.dash_keys(dashes), *marks.collapsed_keys(rows)]
