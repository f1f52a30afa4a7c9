"""Changed answers against the level: flips in both directions, and the divergence of the answer probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import PRUNING, Series, strength
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, theme, ticks
from junkdna.report.plotting.axes import FIRST_LEVEL
from junkdna.report.plotting.conditions import conditions
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel, ends

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURE = Figure(
    label="Changed answers against the level",
    caption="Each compressed model against its dense reference, example by example. First figure: answers that "
    "broke (dense right, compressed wrong) and that were fixed (dense wrong, compressed right), in percent of the "
    "examples; their difference is the drop in accuracy, so a small drop can hide many changes. Second figure "
    "(kl): mean Kullback-Leibler divergence of the probabilities over the options, dense from compressed, in nats. "
    "Color shows the level. Bars are 95 % intervals. Panels without a curve have no such number.",
    order=7,
    modes="compressed",
    levels=("sparsity", "keep_of", "bits", "rank"),
    table="behavior",
    views=("flips", "kl"),
)
MEASURES = {  # view -> (column, factor, label, line)
    "flips": (("broken", 100, "broke", "solid"), ("fixed", 100, "were fixed", "4 2")),
    "kl": (("kl_divergence", 1, "divergence", "solid"),),
}
TITLES = {"flips": "Answers that changed", "kl": "Divergence from dense"}
LABELS = {"flips": "answers, % of examples", "kl": "KL divergence, nats"}
CROWDED = 9  # levels on an axis


def marks(behavior: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """Flips or divergence against the level, one panel per model, condition, transfer mode and method.

    Raises UserError if the experiment has no compressed row.
    """
    rows = behavior.filter(pl.col("experiment") == experiment)
    several = [item for item in series.present(rows) if item.kind in FIGURE.levels]
    rows = series.select(rows, several)
    if rows.is_empty():
        raise UserError(f"experiment {experiment!r}: no figure of changed answers, because nothing is compressed.")
    groups = _groups(rows, several)
    drawn = [mark for at, (_, item, group) in enumerate(groups) for mark in _marks(at, _x(item, rows), group, view)]
    low, high = ticks.within([0.0, *(mark.y for mark in drawn if mark.y is not None)], ends(drawn, "y"))
    y = (0.0 - 0.03 * (high - low), high)
    columns = curves.COLUMNS.get(len(groups), 3)
    panels = [_panel(title, item, rows, view, y, at % columns == 0) for at, (title, item, _) in enumerate(groups)]
    keys = [Key(label=label, line=line) for *_, label, line in MEASURES[view] if len(MEASURES[view]) > 1]
    return Drawing(
        title=f"{TITLES[view]} against the level: {experiment}",
        panels=tuple(panels),
        marks=tuple(drawn),
        columns=columns,
        keys=((*keys, *curves.collapsed_keys(rows)),),
        caption=_caption(rows, several),
    )


def _groups(rows: pl.DataFrame, several: Sequence[Series]) -> list[tuple[str, Series, pl.DataFrame]]:
    """Title, series and rows of each panel: conditions from easy to hard, transfer modes and methods."""
    labels, named, found = series.labels(several), conditions(rows), []
    for (model, key), group in curves.split(rows, named).items():
        for mode in ("none", *theme.tuned_modes(set(group["transfer"]))):
            for item in series.present(own := group.filter(pl.col("transfer") == mode)):
                words = [named.of[key], model if rows["model"].n_unique() > 1 else ""]
                words += [theme.mode_style(mode)[2]] if rows["transfer"].n_unique() > 1 else []
                words += [labels[item]] if len(several) > 1 else []
                found.append((", ".join(filter(None, words)), item, series.select(own, [item])))
    return found


def _marks(at: int, x: dict[str, float], rows: pl.DataFrame, view: str) -> list[Mark]:
    """A curve for each measure, from nothing changed at dense if the weakest level is near it."""
    found, order = [], sorted(rows.iter_rows(named=True), key=lambda row: x[row["compression"]])
    mode, method = rows["transfer"][0], rows["method"][0]
    marker = theme.method_marker(method) if mode == "none" else theme.mode_style(mode)[0]
    for column, factor, label, line in MEASURES[view]:
        if 0 < min(x.values()) <= FIRST_LEVEL:
            found.append(Mark(panel=at, kind="point", series=column, x=0.0, y=0.0, label="dense", line=line))
        for row in order:
            value, low, high = _value(row, column, factor)
            known = "undefined" if value is None else ticks.number(value)
            style = {"color": palette.level_color(row["compression"]), "marker": marker, "line": line}
            style |= {"label": f"{series.compression_label(row['compression'])}: {label} {known}"}
            style |= {"collapsed": row["collapsed"] / row["n_seeds"]}
            where = {"panel": at, "series": column, "x": x[row["compression"]]}
            found.append(Mark(**where, kind="point", y=value, low=low, high=high, **style))
    return found


def _value(row: dict, column: str, factor: float) -> tuple[float | None, float | None, float | None]:
    """A number of the table with its interval, if it has one and rests on more than few seeds."""
    names = (column, f"{column}_low", f"{column}_high")
    value, low, high = (None if row[name] is None else factor * row[name] for name in names)
    return (value, low, high) if row["n_seeds"] != text.FEW_SEEDS else (value, None, None)


def _x(item: Series, rows: pl.DataFrame) -> dict[str, float]:
    """Place of each level of a series: percent pruned; bits and ranks are evenly spaced from 0."""
    own = series.select(rows, [item]).select("compression", "sparsity").unique().rows()
    ordered = sorted(own, key=lambda pair: strength(pair[0]))
    return {tag: 100 * share if item.kind in PRUNING else float(at) for at, (tag, share) in enumerate(ordered)}


def _panel(title: str, item: Series, rows: pl.DataFrame, view: str, limits: tuple, first: bool) -> Panel:
    if item.kind in PRUNING:
        top = 100 * rows["sparsity"].max()
        pruned = ticks.round_ticks(0.0, top, 5)
        x = Axis(label="weights pruned, %", limits=(-0.05 * top, 1.07 * top), ticks=pruned)
    else:
        tags = [*_x(item, rows)]
        step = -(-len(tags) // CROWDED)
        texts = [
            (float(at), series.level_label(tag).split()[-2 if item.kind == "bits" else -1])
            for at, tag in enumerate(tags)
        ]
        name = "bits per weight" if item.kind == "bits" else "rank, share of the full one"
        x = Axis(label=name, limits=(-0.5, len(tags) - 0.5), ticks=tuple(texts[::step]))
    label = LABELS[view] if first else ""
    return Panel(title=title, x=x, y=Axis(label=label, limits=limits, ticks=ticks.round_ticks(*limits)), height_in=1.7)


def _caption(rows: pl.DataFrame, several: Sequence[Series]) -> str:
    seeds = set(rows["n_seeds"])
    few = " No interval is drawn over two seeds." if text.FEW_SEEDS in seeds else ""
    return " ".join(
        [
            f"Model: {', '.join(sorted(rows['model'].unique()))}. Each model against the dense one of its seed.",
            f"n = {text.span(rows['n_examples'])} examples; {text.span(seeds)} seed{'s' if max(seeds) > 1 else ''}.",
            f"Bars: 95 % intervals.{few}",
            *curves.series_remarks(several),
        ]
    )
