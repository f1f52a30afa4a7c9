"""Error and sparsity of every matrix: one panel per kind of matrix and method, x the block, color the level."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from junkdna.analysis.series import PRUNING, Series, natural, series_of, strength
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, ticks
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FIGURE = Figure(
    label="Errors and sparsity of the matrices",
    caption="One panel per kind of matrix and method, in the order of the model; from left to right its blocks, "
    "from first to last. Color shows the level. First figure: relative error of the weights (solid), the Frobenius "
    "norm of what changed over that of the matrix: 0 if nothing changed, 1 if everything became 0. Dashed, for "
    "methods that collect the gram matrix of a layer's inputs: relative error of the layer's outputs on the "
    "calibration tokens, with the inputs that the method saw. An error is that of one matrix and says nothing about "
    "the answers by itself. Second figure (sparsity): share of the weights of each matrix that is pruned, for methods "
    "that do not prune the same share of all.",
    order=8,
    per="study",
    table="layers",
    views=("errors", "sparsity"),
)
TITLES = {"errors": "Errors of the matrices", "sparsity": "Sparsity of the matrices"}
LABELS = {"errors": "relative error", "sparsity": "weights pruned, %"}
LINES = {  # view -> (column, factor, words, line)
    "errors": (("weight_error", 1, "weight error", "solid"), ("output_error", 1, "output error", "4 2")),
    "sparsity": (("sparsity", 100, "pruned", "solid"),),
}
MARKERS = {"weight_error": "circle", "output_error": "ring", "sparsity": "circle"}
CROWDED = 12  # blocks with a tick each
EVEN = 0.005  # difference of sparsities that only rounds the level: one weight of a row of 200
MOST_COLUMNS = 3


class Place(NamedTuple):
    """What a panel shows: a kind of matrix under one series of compressions."""

    model: str
    kind: str
    series: Series


def marks(layers: pl.DataFrame, view: str) -> Drawing:
    """A measure of each matrix against its block, at up to four levels of each method, mean over the seeds.

    Matrices outside the blocks, and bands of |w|, are only in the table. If there is nothing to draw, the figure says
    why.
    """
    rows = layers.filter(pl.col("block").is_not_null())
    present = [item for item in series.present(rows) if item.kind != "band"]
    several = [item for item in present if view == "errors" or _varies(series.select(rows, [item]))]
    tags = {tag for item in several for tag in series.pick(series.select(rows, [item])["compression"])}
    even = [item for item in present if item not in several and item.kind in PRUNING]
    left_out = series.left_out(series.select(rows, several)["compression"], tags)
    rows = rows.filter(pl.col("compression").is_in(sorted(tags)))
    places = _places(rows, several)
    means = _means(rows)
    drawn = [mark for at, place in enumerate(places) for mark in _marks(at, means, place, view)]
    y = _limits(drawn, view)
    columns = len(several) if 1 < len(several) <= MOST_COLUMNS else curves.COLUMNS.get(len(places), MOST_COLUMNS)
    panels = [_panel(place, rows, several, y, view, at % columns == 0) for at, place in enumerate(places)]
    return Drawing(
        title=TITLES[view],
        panels=tuple(panels) or (_nothing(view),),
        marks=tuple(drawn),
        columns=columns if panels else 1,
        keys=(tuple(series.level_keys(tags)), tuple(_measure_keys(rows, view))),
        caption=" ".join([*_facts(rows, several), *left_out, *_left_out(layers, even)]),
    )


def _varies(rows: pl.DataFrame) -> bool:
    """Whether matrices under one compression have different sparsities (of whole weights, more than rounding)."""
    own = rows.filter(~pl.col("left_dense")).drop_nulls("sparsity").group_by("compression")
    spread = own.agg(pl.col("sparsity").max() - pl.col("sparsity").min())["sparsity"]
    return bool((spread > EVEN).any())


def _places(rows: pl.DataFrame, several: Sequence[Series]) -> list[Place]:
    """The panels in order: models, kinds in the order of the model, series; of more than three series, each with all
    its kinds."""
    kinds = rows.group_by("model", "kind").agg(pl.col("position").min()).rows()
    ordered = sorted(kinds, key=lambda row: (natural(row[0]), row[2]))
    found = [Place(model, kind, item) for model, kind, _ in ordered for item in several]
    if len(several) > MOST_COLUMNS:
        found.sort(key=lambda place: (natural(place.model), several.index(place.series)))
    used = {(model, kind, series_of(tag)) for model, kind, tag in rows.select(*_PLACE).unique().rows()}
    return [place for place in found if place in used]


_PLACE = ("model", "kind", "compression")
MEASURES = ("weight_error", "output_error", "sparsity")


def _means(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean of each measure over the seeds and heads of a matrix, in the order of the blocks."""
    return rows.group_by(*_PLACE, "block").agg(pl.col(*MEASURES).mean()).sort(*_PLACE, "block")


def _marks(at: int, means: pl.DataFrame, place: Place, view: str) -> Iterator[Mark]:
    """A line per level and measure."""
    own = means.filter((pl.col("model") == place.model) & (pl.col("kind") == place.kind))
    for tag in sorted(own["compression"].unique(), key=strength):
        if series_of(tag) != place.series:
            continue
        for column, factor, words, line in LINES[view]:
            for row in own.filter(pl.col("compression") == tag).drop_nulls(column).iter_rows(named=True):
                value = factor * row[column]
                said = ticks.measured(value, None, None, 1, " %") if view == "sparsity" else ticks.number(value, 3)
                label = f"{place.kind}, block {row['block']}, {series.compression_label(tag)}: {words} {said}"
                style = {"color": palette.level_color(tag), "marker": MARKERS[column], "line": line, "label": label}
                name = f"{tag} {column}"
                yield Mark(panel=at, kind="point", series=name, x=float(row["block"]), y=value, **style)


def _limits(drawn: Sequence[Mark], view: str) -> tuple[float, float]:
    top = max([mark.y for mark in drawn], default=1.0) or 1.0
    top = min(top, 100.0) if view == "sparsity" else top
    return -0.04 * top, 1.06 * top


def _panel(
    place: Place, rows: pl.DataFrame, several: Sequence[Series], y: tuple[float, float], view: str, first: bool
) -> Panel:
    """A panel with the blocks of its model on x."""
    last = int(rows.filter(pl.col("model") == place.model)["block"].max())
    step = -(-(last + 1) // CROWDED)
    words = [place.kind, place.model if rows["model"].n_unique() > 1 else ""]
    method = series.labels(several)[place.series] if len(several) > 1 else ""
    return Panel(
        title="\n".join(filter(None, (", ".join(filter(None, words)), method))),
        x=Axis(
            label="block",
            limits=(-0.4, last + 0.4),
            ticks=tuple((float(at), str(at)) for at in range(0, last + 1, step)),
        ),
        y=Axis(label=LABELS[view] if first else "", limits=y, ticks=ticks.round_ticks(*y, 5)),
        height_in=1.25,
    )


def _nothing(view: str) -> Panel:
    empty = Axis(label="", limits=(0.0, 1.0), ticks=())
    why = "every matrix gets the same sparsity,\nor none is known to be pruned" if view == "sparsity" else NOT_KNOWN
    return Panel(title="", x=empty, y=empty, message=why, height_in=1.2)


NOT_KNOWN = "no matrix in a block is known to be compressed"


def _measure_keys(rows: pl.DataFrame, view: str) -> Iterator[Key]:
    known = [each for each in LINES[view] if rows[each[0]].drop_nulls().len()]
    if len(known) > 1:
        yield from (Key(label=words, marker=MARKERS[column], line=line) for column, _, words, line in known)


def _facts(rows: pl.DataFrame, several: Sequence[Series]) -> Iterator[str]:
    """Sentences of the caption: models, matrices and seeds."""
    if rows.is_empty():
        yield "Nothing to show."
        return
    models = sorted(rows["model"].unique(), key=natural)
    yield f"Model{'s' if models[1:] else ''}: {', '.join(models)}."
    yield f"{text.span(rows.group_by('model').agg(pl.col('matrix').n_unique())['matrix'])} matrices in blocks."
    seeds = rows.group_by("compression").agg(pl.col("seed").n_unique())["seed"].max()
    yield f"Means over up to {seeds} seeds." if seeds > 1 else "No error bars: one result for each compression."
    yield from text.amounts(_levels(rows["compression"].unique()))
    yield from curves.series_remarks(several)


def _levels(tags: Iterable[str]) -> pl.DataFrame:
    """Compressions with the sparsity that they aim at, as in the table of drops: that of a matrix may differ."""
    aims = {tag: strength(tag) if series_of(tag).kind in PRUNING else 0.0 for tag in tags}
    return pl.DataFrame([*aims.items()], {"compression": pl.String, "sparsity": pl.Float64}, orient="row")


def _left_out(layers: pl.DataFrame, even: Sequence[Series]) -> Iterator[str]:
    """Sentences on what is only in the table."""
    if even:
        yield f"Not drawn, because every matrix gets the same sparsity: {'; '.join(series.labels(even).values())}."
    if any(item.kind == "band" for item in series.present(layers)):
        yield "Only in the table: bands of |w|."
    if outside := sorted({*layers.filter(pl.col("block").is_null())["kind"]}, key=natural):
        yield f"Only in the table, because outside the blocks: {', '.join(outside)}."
