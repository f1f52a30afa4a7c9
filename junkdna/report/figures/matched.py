"""Pruning, quantization and controls at matched mean loss: what the hard condition loses more than the easy one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import natural, strength
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, ticks
from junkdna.report.plotting.conditions import Conditions, conditions, difficulty
from junkdna.report.plotting.drawing import Axis, Drawing, Mark, Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURE = Figure(
    label="Extra loss of the hard condition at matched mean loss",
    caption="Each point is one compression. Right: mean share lost (1 - retention) over the hardest and the "
    "easiest condition. Up: share lost by the hardest minus that of the easiest. Methods can be compared at equal "
    "mean loss: where one lies higher, it spares the hard condition less. Color shows the level, marker and line "
    "the method. Points have no intervals here; the table of claims tests the differences.",
    order=3.5,
    modes="none",
    levels=("sparsity", "keep_of", "bits", "rank"),
    conditions=2,
    methods=2,
)


def marks(drops: pl.DataFrame, experiment: str) -> Drawing:
    """Extra loss of the hardest condition against the mean loss, one panel per model, a curve per method.

    Raises UserError if no model has two conditions with a retention.
    """
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    several = [item for item in series.present(rows) if item.kind in FIGURE.levels]
    named = conditions(drops, experiment)
    rows = series.select(rows, several)
    pairs = {model: list(_pairs(rows.filter(pl.col("model") == model), named)) for model in _models(rows)}
    if rows.is_empty():
        raise UserError(f"experiment {experiment!r}: no figure at matched loss, because nothing is compressed.")
    drawn = [mark for at, own in enumerate(pairs.values()) for mark in _marks(at, own, several)]
    panels = [_panel(model, own, drawn, named, len(pairs) > 1) for model, own in pairs.items()]
    return Drawing(
        title=f"{FIGURE.label}: {experiment}",
        panels=tuple(panels),
        marks=tuple(drawn),
        columns=curves.COLUMNS.get(len(panels), 3),
        keys=(tuple(series.level_keys(set(rows["compression"]))), tuple(series.series_keys(several))),
        caption=" ".join(
            [text.facts(rows, "No bars").replace("No bars:", "Not drawn:"), *curves.series_remarks(several)]
        ),
    )


def _models(rows: pl.DataFrame) -> list[str]:
    return sorted(rows["model"].unique(), key=natural)


def _pairs(rows: pl.DataFrame, named: Conditions) -> Iterator[tuple[str, dict, dict]]:
    """Compression, and its rows of the easiest and the hardest condition with a retention by measured difficulty."""
    groups = [group for group in named.split(rows.drop_nulls("retention")).values() if difficulty(group) is not None]
    if len(groups) < 2:
        return
    easy, hard = (
        {row["compression"]: row for row in pick(groups, key=difficulty).iter_rows(named=True)} for pick in (min, max)
    )
    for tag in sorted(set(easy) & set(hard), key=lambda tag: (series.series_of(tag).order, strength(tag))):
        yield tag, easy[tag], hard[tag]


def _marks(at: int, pairs: list[tuple[str, dict, dict]], several: list) -> list[Mark]:
    """A rule at no difference, and a curve per method."""
    marker, line = series.markers(several), series.lines(several)
    found = [Mark(panel=at, kind="rule", series="equal", y=0.0, label="both lose the same", color="ink", line="solid")]
    for tag, easy, hard in pairs:
        losses = 1 - easy["retention"], 1 - hard["retention"]
        x, y = sum(losses) / 2, losses[1] - losses[0]
        item = series.series_of(tag)
        words = f"{series.compression_label(tag)}: mean share lost {ticks.number(x)}, hard minus easy {ticks.number(y)}"
        share = (easy["collapsed"] + hard["collapsed"]) / (easy["n_seeds"] + hard["n_seeds"])
        style = {"color": palette.level_color(tag), "marker": marker[item], "line": line[item], "collapsed": share}
        found.append(Mark(panel=at, kind="point", series=item.key, x=x, y=y, label=words, **style))
    return found


def _panel(model: str, pairs: list, drawn: list[Mark], named: Conditions, several: bool) -> Panel:
    """A panel with the limits of all panels."""
    points = [mark for mark in drawn if mark.kind == "point"]
    x = ticks.within([0.0, 0.5, *(mark.x for mark in points)], [])
    y = ticks.within([-0.05, 0.1, *(mark.y for mark in points)], [])
    title = model if several else ""
    if pairs:
        _, easy, hard = pairs[0]
        title = f"{title}\n{named[hard]} minus {named[easy]}".strip()
    words = "mean share lost over both conditions (1 − retention)"
    return Panel(
        title=title,
        x=Axis(label=words, limits=x, ticks=ticks.round_ticks(*x)),
        y=Axis(label="extra share lost,\nhard minus easy", limits=y, ticks=ticks.round_ticks(*y)),
        message="" if pairs else "fewer than two conditions have a retention",
        height_in=2.4,
    )
