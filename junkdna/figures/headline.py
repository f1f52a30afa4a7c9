"""Difficulty against drop over all experiments of a study: the headline figure. It shows; it does not test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODES = {"none": "o", "sparse": "D"}
PREFERRED = (0.3, 0.5, 0.7, 0.9)
FORMULAS = {
    "chance_corrected_dense_error": "1 − (dense − chance) / (1 − chance)",
    "human_gap_by_human": "(human − dense) / human",
    "human_gap_by_dense": "(human − dense) / dense",
    "data_fraction": "1 − fraction of the training data",
    "options": "1 − 1 / number of options",
    "context": "tokens of context",
    "shots": "−number of shots",
}
LABEL_SIZE, LABEL_STEP_IN, TILT = 6.8, 0.14, 55
Name = tuple[float, str, style.Look]


@style.styled
def draw(drops: pl.DataFrame) -> Figure:
    """Draw chance-corrected drop (1 - share kept) against difficulty, one colour per sparsity, for magnitude pruning.

    Circles: no fine-tuning; diamonds: fine-tuned with the mask held. One panel per difficulty measure; a condition
    stands once in it, however many experiments hold it. Where nothing can be drawn the figure says why.
    """
    rows, hidden = select(drops)
    looks = style.looks(drops)
    measures = sorted(rows["difficulty_measure"].unique()) or ["chance_corrected_dense_error"]
    levels = pick_levels(rows["sparsity"])
    shown = rows.filter(pl.col("sparsity").is_in(levels))
    fig, axes = style.panels(len(measures), 1)
    names = [_place(shown.filter(pl.col("difficulty_measure") == m), looks) for m in measures]
    room = _room(fig, axes, names, shown, measures)
    for measure, own, (ax,) in zip(measures, names, axes, strict=True):
        _panel(ax, shown.filter(pl.col("difficulty_measure") == measure), levels)
        _labels(ax, own, style.WIDTH_IN - room.left_in - room.right_in)
        formula = f" = {FORMULAS[measure]}" if measure in FORMULAS else ""
        name = measure.replace("chance_corrected", "chance-corrected").replace("_", " ")
        ax.set_xlabel(f"difficulty: {name}{formula}  →  harder")
        ax.set_ylabel("chance-corrected drop,\n1 − (score − chance) / (dense − chance)")
    footer = style.facts(shown, "Error bars") if len(shown) else "Nothing to show."
    footer += _remarks(hidden, looks)
    legends = [_levels(levels), _marks(shown)]
    title = "Difficulty against drop, smallest weights pruned (magnitude)"
    return style.finish(fig, title, legends, footer, room)


def select(drops: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the headline, each condition once, and those hidden because their dense model is not above chance."""
    pruned = (pl.col("method") == "magnitude") & (pl.col("sparsity") > 0) & pl.col("transfer").is_in(list(MODES))
    rows = drops.filter(pruned).sort(["n_seeds", "n_examples", "experiment"], descending=[True, True, False])
    same = ["model", "task", "knobs", "protocol", "transfer", "sparsity", "difficulty_measure"]
    rows = rows.unique(same, keep="first", maintain_order=True).sort(same)
    usable = pl.col("kept").is_not_null() & pl.col("difficulty").is_not_null()
    return rows.filter(usable), rows.filter(~usable)


def pick_levels(sparsities: pl.Series) -> list[float]:
    """At most four levels: all of them, else 30, 50, 70, 90 % as far as present, else four spread over the range."""
    levels = sorted(set(sparsities))
    if len(levels) <= 4:
        return levels
    liked = [level for level in levels if any(abs(level - want) < 1e-6 for want in PREFERRED)]
    if len(liked) >= 2:
        return liked
    return [levels[round(at * (len(levels) - 1) / 3)] for at in range(4)]


def _colours(levels: list[float]) -> dict[float, str]:
    """Sequential colours, light to dark, the darkest for the highest level."""
    return dict(zip(levels, style.LEVEL_COLOURS[len(style.LEVEL_COLOURS) - len(levels) :], strict=True))


def _panel(ax: Axes, rows: pl.DataFrame, levels: list[float]) -> None:
    from matplotlib.transforms import ScaledTranslation

    ax.axhline(0, color=style.GREY, linewidth=0.9, zorder=1, label="dense")
    ax.axhline(1, color=style.GREY, linewidth=0.9, linestyle=style.DOTS, zorder=1, label="chance")
    if rows.is_empty():
        text = "Nothing to show: no magnitude-pruned condition\nwhose dense model is clearly above chance"
        ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=style.GREY)
        ax.set_xlim(0, 1)
        return
    _limits(ax, rows)
    for at, (level, colour) in enumerate(_colours(levels).items()):
        aside = ScaledTranslation((at - (len(levels) - 1) / 2) * 3.2 / 72, 0, ax.figure.dpi_scale_trans)
        for mode, marker in MODES.items():
            own = rows.filter((pl.col("sparsity") == level) & (pl.col("transfer") == mode))
            _points(ax, own, colour, marker, f"{level:g}|{mode}", ax.transData + aside)


def _points(ax: Axes, own: pl.DataFrame, colour: str, marker: str, label: str, where: object) -> None:
    """Points and error bars; x is the true difficulty, moved aside on paper only so that no level hides another."""
    for row in own.iter_rows(named=True):
        if row["kept_low"] is None or row["kept_high"] is None:
            continue
        ends = [1 - row["kept_high"], 1 - row["kept_low"]]
        ax.plot(
            [row["difficulty"]] * 2, ends, color=colour, linewidth=1, zorder=2, transform=where, label=f"{label}|bar"
        )
    x, y = own["difficulty"].to_list(), (1 - own["kept"]).to_list()
    style.points(ax, x, y, own["collapsed"], colour, marker, label=label, transform=where, markersize=5)


def _limits(ax: Axes, rows: pl.DataFrame) -> None:
    x = rows["difficulty"]
    middle, half = (x.min() + x.max()) / 2, 0.56 * (x.max() - x.min())
    half = max(half, 0.1 if abs(middle) <= 1 else 0.1 * abs(middle))  # noise is not to fill the page
    ax.set_xlim(middle - half, middle + half)
    y = [*(1 - rows["kept"]), 0.0, 1.0]
    low, high = min(y), max(y)
    bars = [1 - v for name in ("kept_low", "kept_high") for v in rows[name].drop_nulls()] + [low, high]
    ax.set_ylim(max(min(bars), low - 0.4) - 0.06, min(max(bars), high + 0.4) + 0.06)


def _place(rows: pl.DataFrame, looks: style.Looks) -> list[Name]:
    """Difficulty and label of each condition in a panel, by rising difficulty."""
    seen: dict[tuple, tuple[float, str, style.Look]] = {}
    for row in rows.iter_rows(named=True):
        look = looks[row]
        words = style.shorten(look.label, 30)
        words += f", {style.shorten(row['model'], 16)}" if rows["model"].n_unique() > 1 else ""
        words += " (fine-tuned)" if row["transfer"] != "none" else ""
        seen.setdefault(
            (row["model"], looks.key(row), row["transfer"], row["difficulty"]), (row["difficulty"], words, look)
        )
    return sorted(seen.values(), key=lambda item: item[:2])


def _room(fig: Figure, axes: list, names: list[list[Name]], rows: pl.DataFrame, measures: list[str]) -> style.Room:
    """Room for the tilted labels: above every panel for the tallest, at the right for those that lean over the edge."""
    sizes = {words: style.measure(fig, words, LABEL_SIZE, rotation=TILT) for own in names for _, words, _ in own}
    head = 0.38 + max((tall for _, tall in sizes.values()), default=0)
    left = 0.8
    right = style.RIGHT_IN
    for _ in range(3):  # a narrower panel moves the labels: settles at once or nearly
        wide = style.WIDTH_IN - left - right
        for own, measure, (ax,) in zip(names, measures, axes, strict=True):
            if not own:
                continue
            _limits(ax, rows.filter(pl.col("difficulty_measure") == measure))
            low, high = ax.get_xlim()
            at = spread([(x - low) / (high - low) * wide for x, _, _ in own], LABEL_STEP_IN, wide)
            over = max(x + sizes[words][0] for x, (_, words, _) in zip(at, own, strict=True)) - wide
            right = max(right, over + 0.08)
    return style.Room(3.1, head, 0.6 + head, left_in=left, right_in=min(right, 2.2))


def _labels(ax: Axes, names: list[Name], wide: float) -> None:
    """Name each condition above the panel, tilted, moved apart where they would touch, with a line to its points."""
    from matplotlib.lines import Line2D

    low, high = ax.get_xlim()
    at = spread([(x - low) / (high - low) * wide for x, _, _ in names], LABEL_STEP_IN, wide)
    trans = ax.get_xaxis_transform()
    for (x, words, look), inches in zip(names, at, strict=True):
        ax.axvline(x, color=style.FAINT, linewidth=0.6, zorder=0, label="condition")
        shown = low + inches / wide * (high - low)
        leader = Line2D([x, shown], [1.0, 1.05], transform=trans, color=style.GREY, linewidth=0.5, clip_on=False)
        dot = {"marker": look.marker, "color": look.colour, "markersize": 4, "linestyle": "none", "clip_on": False}
        ax.add_line(leader)
        ax.add_line(Line2D([shown], [1.06], transform=trans, label="name", **dot))
        ax.annotate(
            words,
            (shown, 1.06),
            xycoords=trans,
            xytext=(1, 4),
            textcoords="offset points",
            rotation=TILT,
            rotation_mode="anchor",
            fontsize=LABEL_SIZE,
            va="bottom",
        )
    ax.set_xlim(low, high)


def spread(wanted: list[float], step: float, wide: float) -> list[float]:
    """Positions as near as possible to the rising `wanted` ones, at least `step` apart, within 0 to `wide`.

    Neighbours that would touch become one block, which stands round its own mean (pool adjacent violators).
    """
    step = min(step, wide / max(len(wanted) - 1, 1))
    blocks: list[list[float]] = []
    for at, x in enumerate(wanted):
        blocks.append([x - at * step])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = [_mean(block) for block in blocks for _ in block]
    top = wide - (len(wanted) - 1) * step
    return [min(max(base, 0.0), top) + at * step for at, base in enumerate(level)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _levels(levels: list[float]) -> list:
    looks = {"marker": "s", "linestyle": "none", "markersize": 6}
    return [style.key(f"{100 * level:g} % pruned", color=c, **looks) for level, c in _colours(levels).items()]


def _marks(rows: pl.DataFrame) -> list:
    words = {"none": "no fine-tuning", "sparse": "fine-tuned, mask held (sparse)"}
    grey = {"color": style.GREY}
    keys = [
        style.key(words[mode], marker=marker, linestyle="none", **grey)
        for mode, marker in MODES.items()
        if mode in set(rows["transfer"])
    ]
    keys.append(style.key("0: as good as dense", linewidth=0.9, **grey))
    keys.append(style.key("1: at chance", linewidth=0.9, linestyle=style.DOTS, **grey))
    if len(rows) and (rows["collapsed"] > 0).any():
        keys.append(style.collapsed_key())
    return keys


def _remarks(hidden: pl.DataFrame, looks: style.Looks) -> str:
    names = sorted({style.shorten(looks[row].label) for row in hidden.iter_rows(named=True)})
    text = " Levels of one condition stand side by side for sight; a thin vertical line marks their common difficulty."
    return text + (f" Not shown, dense not clearly above chance: {'; '.join(names)}." if names else "")
