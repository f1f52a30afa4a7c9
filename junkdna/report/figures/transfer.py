"""The transfer modes of one experiment: score after fine-tuning against sparsity, one panel per condition.

The axis is effective bits per weight if any of the compressions has no sparsity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import PLAIN, natural
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

    from junkdna.analysis.series import Series

FIGURE = Figure(
    label="Score by transfer mode",
    caption="One panel per condition. The black line and gray band are dense transfer and its 95 % bootstrap interval; "
    "colored lines and bands are the other transfer modes. Small dots are single seeds. Dotted lines are the scores of "
    "guessing (chance) and of the most frequent answer (majority).",
    order=5,
    modes="tuned",
    levels=("sparsity", "keep_of", "bits", "rank", "external"),
)
SPREAD_PT = 1.2  # between the seed dots of two modes


@theme.themed
def draw(drops: pl.DataFrame, experiment: str) -> matplotlib.figure.Figure:
    """Draw score against sparsity (or bits) for each transfer mode of `experiment`, one panel per condition and model.

    Dense transfer is a horizontal line with its interval; seeds are small dots; chance and majority are dotted lines.
    Raises UserError if no row of the experiment is both compressed and fine-tuned.
    """
    rows = select(drops, experiment)
    styles, dashes = condition_styles(drops, experiment), series.dashes(series.present(rows))
    amount = BITS if any(item.kind in PLAIN for item in dashes) else SPARSITY
    groups = _groups(rows, styles)
    columns = {1: 1, 2: 2, 4: 2}.get(len(groups), 3)
    fig, axes = layout.panels(-(-len(groups) // columns), columns, share_y=True)
    flat = [ax for line in axes for ax in line]
    for ax, ((model, key), group) in zip(flat, groups.items(), strict=False):
        title = text.shorten(styles.of[key].label + (f", {model}" if _several(rows, "model") else ""), 80)
        ax.set_title(layout.heading(fig, title, 5.6 / columns) + _facts(rows, group))
        _panel(ax, group, dashes, amount)
        amount.set_up(ax, rows)
    _share_limits(flat[0], rows)
    for ax, group in zip(flat, groups.values(), strict=False):
        _baselines(ax, group)
    for at, ax in enumerate(flat):
        _edge(ax, at, columns, len(groups), text.y_label("score", rows))
    footer = [text.facts(rows, "Bands (bars if there is only one level)"), "Small dots: single seeds."]
    footer = " ".join([*footer, *_remarks(dashes, rows, drops)])
    tops = max(ax.get_title(loc="left").count("\n") for ax in flat)
    right_in = 2.6 if len(groups) == 1 else theme.RIGHT_IN
    room = layout.Room(2.1, 0.22 + 0.14 * tops, gap_in=0.26, right_in=right_in)
    title = f"Score vs. {amount.title} by transfer mode: {experiment}"
    return layout.finish(fig, title, [_keys(rows, dashes)], footer, room)


def select(drops: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Fine-tuned rows of `experiment` that can be drawn against sparsity or bits, and those of dense transfer."""
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") != "none"))
    if rows.is_empty():
        raise UserError(
            f"experiment {experiment!r}: no transfer figure, because the drops table has no fine-tuned row of it. Add "
            f"a transfer mode other than 'none' to the experiment."
        )
    amounts = [item for item in series.present(rows) if item.kind != "band"]
    compressed = series.select(rows.filter(pl.col("transfer") != "dense"), amounts)
    compressed = compressed.filter(pl.col("effective_bits_per_weight") > 0)
    if compressed.is_empty():
        modes = ", ".join(sorted(rows["transfer"].unique()))
        raise UserError(
            f"experiment {experiment!r}: no transfer figure, because none of its fine-tuned rows (transfer {modes}) is "
            f"compressed. Add a transfer mode such as 'sparse' and a pruning method to the experiment."
        )
    return pl.concat([rows.filter(pl.col("transfer") == "dense"), compressed])


def _groups(rows: pl.DataFrame, styles: ConditionStyles) -> dict[tuple[str, Key], pl.DataFrame]:
    """Rows of each panel: one condition and model."""
    return {
        (model, key): condition.filter(pl.col("model") == model)
        for key, condition in styles.split(rows).items()
        for model in sorted(condition["model"].unique(), key=natural)
    }


def _several(rows: pl.DataFrame, column: str) -> bool:
    return rows[column].n_unique() > 1


def _facts(rows: pl.DataFrame, group: pl.DataFrame) -> str:
    """Second line of a panel's heading: metric and n, if they differ between panels."""
    metric = text.metric_label(group["metric"][0]).removesuffix(" correlation")
    facts = [metric] if _several(rows, "metric") else []
    facts += [f"n = {text.span(group['n_examples'])}"] if _several(rows, "n_examples") else []
    return "\n" + ", ".join(facts) if facts else ""


def _panel(ax: Axes, rows: pl.DataFrame, dashes: dict[Series, object], amount: Amount) -> None:
    dense = series.select(rows.filter(pl.col("transfer") == "dense"), [None])
    for row, x in zip(dense.iter_rows(named=True), amount.x(dense), strict=True):
        ax.axhspan(row["score_low"], row["score_high"], color=theme.GREY, alpha=0.22, linewidth=0, zorder=1)
        ax.axhline(row["score"], color=theme.INK, linewidth=1.2, zorder=2, label="dense")
        _dots(ax, x, row["score_seeds"], theme.INK, ax.transData)
    modes = theme.tuned_modes(set(rows["transfer"]))
    for at, mode in enumerate(modes):
        offset = marks.shifted(ax, at, len(modes), SPREAD_PT)
        for item, dash in dashes.items():
            points = amount.in_order(series.select(rows.filter(pl.col("transfer") == mode), [item]))
            if len(points):
                _line(ax, points, amount.x(points), mode, dash, f"{mode}|{item.key}", offset)


def _line(ax: Axes, rows: pl.DataFrame, x: list[float], mode: str, dash: object, label: str, offset: Transform) -> None:
    color, marker, _ = theme.mode_style(mode)
    low, high, y = (marks.numbers(rows[f"score{end}"]) for end in ("_low", "_high", ""))
    ax.fill_between(x, low, high, color=color, alpha=0.14, linewidth=0, zorder=2)
    transform = offset if len(x) == 1 else ax.transData
    if len(x) == 1:  # a band of one level would have no width, so a bar shows the interval
        ax.plot(x * 2, [low[0], high[0]], color=color, linewidth=1, zorder=2, transform=offset, label=f"{label}|bar")
    ax.plot(x, y, color=color, linestyle=dash, zorder=3, label=label)
    for at, row in zip(x, rows.iter_rows(named=True), strict=True):
        _dots(ax, at, row["score_seeds"], color, offset)
    marks.points(ax, x, y, rows["collapsed"], color=color, marker=marker, label=label, transform=transform)


def _dots(ax: Axes, x: float, scores: list[float], color: str, transform: Transform) -> None:
    dots = {"linestyle": "none", "marker": "o", "markersize": 2.2, "markeredgewidth": 0, "alpha": 0.65}
    ax.plot([x] * len(scores), scores, color=color, zorder=5, label="seeds", transform=transform, **dots)


def _share_limits(ax: Axes, rows: pl.DataFrame) -> None:
    """Set the shared y limits: every interval, seed and baseline, with room for the baselines' labels below."""
    seeds = rows["score_seeds"].explode().drop_nulls().to_list()
    columns = ("score_low", "score_high", "score", "chance", "majority")
    values = [v for name in columns for v in rows[name].drop_nulls()] + seeds
    low, high = min(values), max(values)
    extent = max(high - low, 0.02)
    ax.set_ylim(low - 0.13 * extent, high + 0.05 * extent)


def _baselines(ax: Axes, rows: pl.DataFrame) -> None:
    """Draw chance and majority as dotted lines with labels at the left, or one label if they are equal."""
    chance, majority = rows["chance"][0], rows["majority"][0]
    low, high = ax.get_ylim()
    lines = {"chance": chance} | ({} if majority is None else {"majority": majority})
    for name, y in lines.items():
        ax.axhline(y, label=name, zorder=1, **theme.DOTTED)
    distance = (max(lines.values()) - min(lines.values())) / (high - low)
    labels = sorted(lines, key=lines.get) if distance >= 1e-6 else [" = ".join(lines)]
    for at, label in enumerate(labels):
        gap, side = (1.5, "bottom") if at == 1 and distance < 0.12 else (-1.5, "top")
        position = {"xytext": (0, gap), "textcoords": "offset points", "va": side}
        point = {"xy": (0.012, lines.get(label, chance)), "xycoords": ("axes fraction", "data")}
        ax.annotate(label, fontsize=6.5, color=theme.GREY, **point, **position)


def _edge(ax: Axes, at: int, columns: int, used: int, y_label: str) -> None:
    """Hide unused panels; keep the y label in the left column and the x label if there is no panel below."""
    left = at % columns == 0
    ax.set_visible(at < used)
    ax.tick_params(labelleft=left)
    ax.set_ylabel(y_label if left else "")
    ax.set_xlabel("" if at + columns < used else ax.get_xlabel())


def _remarks(dashes: dict[Series, object], rows: pl.DataFrame, drops: pl.DataFrame) -> list[str]:
    """Footer sentences: the method if there is only one, the shared options, and the compressions not drawn."""
    tuned = drops.filter((pl.col("experiment") == rows["experiment"][0]) & (pl.col("transfer") != "none"))
    omitted = sorted(map(series.compression_label, set(tuned["compression"]) - set(rows["compression"])))
    return curves.series_remarks(dashes) + ([f"Not shown: {'; '.join(omitted)}."] if omitted else [])


def _keys(rows: pl.DataFrame, dashes: dict[Series, object]) -> list[Artist]:
    """Legend entries of dense transfer, the other modes, the series and the open marker."""
    dense = marks.key("dense transfer with interval", color=theme.INK, linewidth=1.2)
    keys = [dense] if "dense" in set(rows["transfer"]) else []
    for color, marker, label in map(theme.mode_style, theme.tuned_modes(set(rows["transfer"]))):
        keys.append(marks.key(label, color=color, marker=marker, **theme.FILLED))
    return [*keys, *series.dash_keys(dashes), *marks.collapsed_keys(rows)]
