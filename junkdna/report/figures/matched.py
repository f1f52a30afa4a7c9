"""Pruning, quantization and controls at matched mean loss or bits: what the hard condition loses more than the easy
one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import Series, natural, series_of, strength
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, theme, ticks
from junkdna.report.plotting.axes import BITS
from junkdna.report.plotting.drawing import Axis, Drawing, Mark, Panel, ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIGURE = Figure(
    label="Extra loss of the hard condition",
    caption="Each point is one compression. Up: share lost (1 - retention) by the hardest condition minus that of the "
    "easiest. Right, first figure: mean share lost over both, so that methods are compared at equal mean loss; second "
    "figure (bits): effective bits per weight, so that they are compared at equal nominal storage. Where one method "
    "lies higher, it spares the hard condition less. Color shows the level, marker and line the method. Bars are "
    "95 % intervals of the extra loss, paired over both conditions and their dense models; an arrow marks a bar that "
    "goes on. Intervals of the mean loss are in the table `matched`. Whether two methods differ is what the claims "
    "test: two bars may overlap although they do.",
    order=3.5,
    modes="none",
    levels=("sparsity", "keep_of", "bits", "format", "rank"),
    conditions=2,
    methods=2,
    table="matched",
    views=("loss", "bits"),
)
TITLES = {"loss": "at matched mean loss", "bits": "at matched bits"}
REACH = 1.0  # of the intervals, which are what this figure is about, beyond the points
Y_LABEL = "extra share lost,\nhard minus easy"


def marks(matched: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """Extra loss of the hardest condition against the mean loss or the bits, one panel per model, a curve per method.

    If no model has two conditions with a retention, the figure says so.
    """
    rows = matched.filter(pl.col("experiment") == experiment)
    several = [item for item in series.present(rows) if item.kind in FIGURE.levels]
    rows = series.select(rows, several)
    if view == "bits":
        rows = rows.filter(pl.col(BITS.column) > 0)
    models = sorted(rows["model"].unique(), key=natural)
    groups = [rows.filter(pl.col("model") == model) for model in models]
    drawn = [mark for at, own in enumerate(groups) for mark in _marks(at, own, several, view)]
    panels = [_panel(own, drawn, rows, view) for own in groups] or [_nothing()]
    return Drawing(
        title=f"{FIGURE.label} {TITLES[view]}: {text.spaced(experiment)}",
        panels=tuple(panels),
        marks=tuple(drawn),
        columns=curves.COLUMNS.get(len(panels), 3),
        keys=(tuple(series.level_keys(set(rows["compression"]))), tuple(series.series_keys(several))),
        caption=" ".join(_facts(rows, several, view)),
    )


def _marks(at: int, rows: pl.DataFrame, several: Sequence[Series], view: str) -> Iterator[Mark]:
    """A rule at no difference, and a curve per method."""
    marker, line = series.markers(several), series.lines(several)
    yield Mark(panel=at, kind="rule", series="equal", y=0.0, label="both lose the same", color="ink", line="solid")
    ordered = sorted(
        rows.iter_rows(named=True),
        key=lambda row: (series_of(row["compression"]).order, strength(row["compression"])),
    )
    for row in ordered:
        item = series_of(row["compression"])
        low, high = _limits(row, "extra_loss")
        place = (several.index(item) - (len(several) - 1) / 2) * curves.DODGE_PT if view == "bits" else 0.0
        style = {"color": palette.level_color(row["compression"]), "marker": marker[item], "line": line[item]}
        where = {"x": row[X_COLUMN[view]], "y": row["extra_loss"], "low": low, "high": high, "shift": place}
        words = {"label": _words(row, view), "collapsed": row["collapsed"]}
        yield Mark(panel=at, kind="point", series=item.key, **where, **style, **words)


X_COLUMN = {"loss": "mean_loss", "bits": BITS.column}


def _limits(row: dict, name: str) -> tuple[float | None, float | None]:
    """The limits of a loss; none over few seeds."""
    return (None, None) if row["n_seeds"] == text.FEW_SEEDS else (row[f"{name}_low"], row[f"{name}_high"])


def _words(row: dict, view: str) -> str:
    bits = [f"{ticks.number(row[BITS.column])} bits"] if view == "bits" else []
    loss = f"mean share lost {_interval(row, 'mean_loss')}"
    extra = f"hard minus easy {_interval(row, 'extra_loss')}"
    return f"{series.compression_label(row['compression'])}: {', '.join([*bits, loss, extra])}"


def _interval(row: dict, name: str) -> str:
    low, high = _limits(row, name)
    limits = f" ({ticks.number(low)} to {ticks.number(high)})" if None not in (low, high) else ""
    return f"{ticks.number(row[name])}{limits}"


def _panel(rows: pl.DataFrame, drawn: Sequence[Mark], every: pl.DataFrame, view: str) -> Panel:
    """A panel with the limits of all panels."""
    points = [mark for mark in drawn if mark.kind == "point"]
    y = ticks.within([-0.05, 0.1, *(mark.y for mark in points)], ends(points, "y"), REACH)
    first = rows.row(0, named=True)
    models = [first["model"]] if every["model"].n_unique() > 1 else []
    sides = [first[f"{side}_label"].removesuffix(f" ({first['model']})") for side in ("hard", "easy")]
    return Panel(
        title="\n".join([*models, f"{sides[0]} minus {sides[1]}"]),
        x=BITS.axis(every) if view == "bits" else _losses([mark.x for mark in points]),
        y=Axis(label=Y_LABEL, limits=y, ticks=ticks.round_ticks(*y)),
        height_in=2.4,
    )


def _losses(values: Sequence[float]) -> Axis:
    limits = ticks.within([0.0, 0.5, *values], [])
    words = "mean share lost over both conditions (1 − retention)"
    return Axis(label=words, limits=limits, ticks=ticks.round_ticks(*limits))


def _nothing() -> Panel:
    empty = Axis(label="", limits=(0.0, 1.0), ticks=())
    return Panel(title="", x=empty, y=empty, message="fewer than two conditions have a retention")


def _facts(rows: pl.DataFrame, several: Sequence[Series], view: str) -> Iterator[str]:
    """Sentences of the caption."""
    if rows.is_empty():
        yield "Nothing to show."
        return
    models = sorted(rows["model"].unique(), key=natural)
    seeds = set(rows["n_seeds"])
    yield f"Model{'s' if models[1:] else ''}: {', '.join(models)}."
    yield text.baseline(rows)
    yield f"n = {text.span(rows['n_examples'])} examples; {text.span(seeds)} seed{'s' if max(seeds) > 1 else ''}."
    yield f"Bars: paired {theme.INTERVAL} over {'seeds and examples' if max(seeds) > 1 else 'examples'}."
    yield from ["None is drawn over two seeds."] if text.FEW_SEEDS in seeds else []
    if rows["collapsed"].max() > 0:
        yield "Hollow: every run of both conditions gives one answer; half filled: some do."
    yield from text.amounts(rows)
    yield from curves.series_remarks(several)
    yield from BITS.explanation if view == "bits" else ()
