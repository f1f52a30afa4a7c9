"""Changed answers against the level: flips in both directions, and the divergence of the answer probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import PRUNING, QUANTIZED, Series, series_of, strength
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, theme, ticks
from junkdna.report.plotting.axes import FIRST_LEVEL
from junkdna.report.plotting.conditions import conditions
from junkdna.report.plotting.dodge import dodge
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel, ends

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FIGURE = Figure(
    label="Changed answers against the level",
    caption="Each compressed model against its dense reference, example by example. First figure: answers that "
    "broke (dense right, compressed wrong) and that were fixed (dense wrong, compressed right), in percent of the "
    "examples; their difference is the drop in accuracy, so a small drop can hide many changes. Second figure "
    "(kl): mean Kullback-Leibler divergence of the probabilities over the options, dense from compressed, in nats. "
    "Color shows the level, the marker the method or the transfer mode. Bars are 95 % intervals. Panels without a "
    "curve have no such number.",
    order=7,
    modes="compressed",
    levels=("sparsity", "keep_of", "bits", "format", "rank"),
    table="behavior",
    views=("flips", "kl"),
)
MEASURES = {  # view -> (column, factor, label, line)
    "flips": (("broken", 100, "broke", "solid"), ("fixed", 100, "were fixed", "4 2")),
    "kl": (("kl_divergence", 1, "KL divergence", "solid"),),
}
DIGITS = {"flips": (1, " %"), "kl": (3, " nats")}  # decimals and unit of a number in words
TITLES = {"flips": "Answers that changed", "kl": "Divergence from dense"}
LABELS = {"flips": "answers, % of examples", "kl": "KL divergence, nats"}
CROWDED = 9  # levels on an axis
DODGE_PT = 2.4  # between the points of two methods at the same level
AXES = {  # name of an axis -> the kinds of level on it
    "pruned": PRUNING,
    "quantized": QUANTIZED,
    "low rank": ("rank",),
}


def marks(behavior: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """Flips or divergence against the level, one panel per model, condition, transfer mode and kind of level.

    Raises UserError if the experiment has no compressed row.
    """
    rows = behavior.filter(pl.col("experiment") == experiment)
    several = [item for item in series.present(rows) if item.kind in FIGURE.levels]
    rows = series.select(rows, several)
    if rows.is_empty():
        raise UserError(f"experiment {experiment!r}: no figure of changed answers, because nothing is compressed.")
    groups = _groups(rows)
    x = {axis: _x(rows, kinds) for axis, kinds in AXES.items()}
    markers = series.markers(several)
    drawn = [mark for at, (_, axis, group) in enumerate(groups) for mark in _marks(at, x[axis], group, view, markers)]
    low, high = ticks.within([0.0, *(mark.y for mark in drawn if mark.y is not None)], ends(drawn, "y"))
    y = (0.0 - 0.03 * (high - low), high)
    columns = curves.COLUMNS.get(len(groups), 3)
    panels = [
        Panel(title=title, x=_axis(axis, x[axis]), y=_y(view, y, at % columns == 0), height_in=1.7)
        for at, (title, axis, _) in enumerate(groups)
    ]
    keys = [Key(label=label, line=line) for *_, label, line in MEASURES[view] if len(MEASURES[view]) > 1]
    return Drawing(
        title=f"{TITLES[view]} against the level: {text.spaced(experiment)}",
        panels=tuple(panels),
        marks=tuple(drawn),
        columns=columns,
        keys=(tuple(series.marker_keys(several)), (*keys, *curves.collapsed_keys(rows))),
        caption=_caption(rows, several),
    )


def _groups(rows: pl.DataFrame) -> list[tuple[str, str, pl.DataFrame]]:
    """Title, axis and rows of each panel: conditions from easy to hard, transfer modes and kinds of level."""
    named, found = conditions(rows), []
    several = [axis for axis, kinds in AXES.items() if _of(rows, kinds)]
    for (model, key), group in curves.split(rows, named).items():
        for mode in ("none", *theme.tuned_modes(set(group["transfer"]))):
            for axis, kinds in AXES.items():
                own = group.filter(pl.col("transfer") == mode)
                if items := _of(own, kinds):
                    words = [named.of[key], model if rows["model"].n_unique() > 1 else ""]
                    words += [theme.mode_style(mode)[2]] if rows["transfer"].n_unique() > 1 else []
                    words += [axis] if len(several) > 1 else []
                    found.append((", ".join(filter(None, words)), axis, series.select(own, items)))
    return found


def _of(rows: pl.DataFrame, kinds: Collection[str]) -> list[Series]:
    return [item for item in series.present(rows) if item.kind in kinds]


def _marks(at: int, x: dict[str, float], rows: pl.DataFrame, view: str, markers: dict[Series, str]) -> list[Mark]:
    """The curves of each method."""
    items = series.present(rows)
    parts = [series.select(rows, [item]) for item in items]
    shifts = dodge([[x[tag] for tag in own["compression"]] for own in parts], DODGE_PT)
    mode = rows["transfer"][0]
    found = []
    for item, own, shift in zip(items, parts, shifts, strict=True):
        marker = markers[item] if mode == "none" or len(markers) > 1 else theme.mode_style(mode)[0]
        found += _curves(at, x, own, view, {"marker": marker, "shift": shift}, item.key if len(markers) > 1 else "")
    return found


def _curves(at: int, x: dict[str, float], rows: pl.DataFrame, view: str, style: dict, name: str) -> list[Mark]:
    """A curve of one method for each measure, from nothing changed at dense if the weakest level is near it."""
    found, order = [], sorted(rows.iter_rows(named=True), key=lambda row: x[row["compression"]])
    starts = rows["sparsity"].min() > 0 and x[order[0]["compression"]] <= FIRST_LEVEL
    for column, factor, label, line in MEASURES[view]:
        own = {"panel": at, "kind": "point", "series": f"{column} {name}".strip(), "line": line}
        if starts:
            found.append(Mark(**own, x=0.0, y=0.0, label="dense"))
        for row in order:
            value, low, high = _value(row, column, factor)
            look = style | {"color": palette.level_color(row["compression"])}
            known = ticks.measured(value, low, high, *DIGITS[view])
            look |= {"label": f"{curves.what(row)}: {label} {known}, n = {row['n_examples']:,}"}
            look |= {"collapsed": row["collapsed"] / row["n_seeds"]}
            found.append(Mark(**own, x=x[row["compression"]], y=value, low=low, high=high, **look))
    return found


def _value(row: dict, column: str, factor: float) -> tuple[float | None, float | None, float | None]:
    """A number of the table with its interval, if it has one and rests on more than few seeds."""
    names = (column, f"{column}_low", f"{column}_high")
    value, low, high = (None if row[name] is None else factor * row[name] for name in names)
    return (value, low, high) if row["n_seeds"] != text.FEW_SEEDS else (value, None, None)


def _x(rows: pl.DataFrame, kinds: Collection[str]) -> dict[str, float]:
    """Place of each level on an axis: percent pruned; bits, number formats and ranks are evenly spaced from 0."""
    own = series.select(rows, _of(rows, kinds)).select("compression", "sparsity").unique().rows()
    ordered = sorted(own, key=lambda pair: (series_of(pair[0]).kind, strength(pair[0]), pair[0]))
    if kinds == PRUNING:
        return {tag: 100 * share for tag, share in ordered}
    levels = list(dict.fromkeys(series.level_label(tag) for tag, _ in ordered))
    return {tag: float(levels.index(series.level_label(tag))) for tag, _ in ordered}


def _axis(name: str, x: dict[str, float]) -> Axis:
    if name == "pruned":
        top = max(x.values())
        return Axis(label="weights pruned, %", limits=(-0.05 * top, 1.07 * top), ticks=ticks.round_ticks(0.0, top, 5))
    texts = {at: series.level_label(tag).removesuffix(" bits").removeprefix("rank ") for tag, at in x.items()}
    formats = any(series_of(tag).kind == "format" for tag in x)
    bits = "bits per weight, or number format" if formats else "bits per weight"
    return Axis(
        label=bits if name == "quantized" else "rank, share of the full one",
        limits=(-0.5, len(texts) - 0.5),
        ticks=tuple(sorted(texts.items()))[:: -(-len(texts) // CROWDED)],
    )


def _y(view: str, limits: tuple[float, float], first: bool) -> Axis:
    return Axis(label=LABELS[view] if first else "", limits=limits, ticks=ticks.round_ticks(*limits))


def _caption(rows: pl.DataFrame, several: Sequence[Series]) -> str:
    seeds = set(rows["n_seeds"])
    spread = ["Bars: 95 % intervals."] if seeds != {text.FEW_SEEDS} else []
    spread += ["No interval is drawn over two seeds."] if text.FEW_SEEDS in seeds else []
    return " ".join(
        [
            f"Model: {', '.join(sorted(rows['model'].unique()))}. Baseline: the dense model of the same seed.",
            f"n = {text.span(rows['n_examples'])} examples; {text.span(seeds)} seed{'s' if max(seeds) > 1 else ''}.",
            *spread,
            *text.amounts(rows),
            *curves.series_remarks(several),
        ]
    )
