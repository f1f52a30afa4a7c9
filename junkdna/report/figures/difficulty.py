"""Score and retention against difficulty within one experiment: against a knob, or across tasks by a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import QUANTIZED, strength
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, knob_panels, series, task_panels, text, theme
from junkdna.report.plotting.conditions import conditions
from junkdna.report.plotting.drawing import Drawing
from junkdna.report.plotting.knobs import shared_knob
from junkdna.report.plotting.strands import MODE
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    from junkdna.analysis.series import Series
    from junkdna.report.plotting.strands import Group

FIGURE = Figure(
    label="Score and retention against difficulty",
    caption="Left: score, with the dense model in black and its baseline dashed. Right: retention, which is 1 "
    "(solid line) if the compressed model is as good as dense and 0 (dashed line) if it is at its baseline. Color "
    "shows the level, the marker the method. Bars are 95 % intervals; an arrow marks a bar that goes on. "
    "Conditions are ordered by the measured difficulty for the dense model: the values of a knob from left to "
    "right, tasks from top to bottom. Where a knob does not order the measured difficulty, no arrow says harder. "
    "Crosses mark conditions whose dense model is not above its baseline, for which retention is undefined. If "
    "difficulty made no difference, retentions of the same color would be the same. The figure is descriptive: it "
    "fits no line and makes no statistical test.",
    order=1,
    conditions=2,
)
MOST = 8  # strands (levels of a method) in a panel; with more, each method has panels of its own


def marks(drops: pl.DataFrame, experiment: str) -> Drawing:
    """Score and retention of every condition of `experiment` against difficulty, for every method and up to four
    levels.

    If one knob varies within every task, x is that knob, and each task (and model and transfer mode) has a row of two
    panels. Otherwise tasks are compared: conditions are rows, ordered by the chance-corrected dense error (and first by
    kind, if some tasks have free answers). If two or more tasks have a human score H, they are also ordered by the
    human gap, (H - dense) / H. Drawn are rows without fine-tuning and those of one fine-tuning mode (sparse, or else
    the first that compresses). If there is nothing to draw, the figure says why.
    """
    rows = select(drops, experiment)
    title = f"{FIGURE.label}: {text.spaced(experiment)}"
    if rows.is_empty():
        return _nothing(title)
    named, knob = conditions(drops, experiment), shared_knob(rows)
    groups = _groups(rows)
    panels, drawn = knob_panels.build(groups, knob) if knob else task_panels.build(groups, named)
    several = series.present(rows)
    caption = [text.facts(rows, "Bars"), *_remarks(drops.filter(pl.col("experiment") == experiment), rows)]
    caption += knob_panels.remarks(rows, knob) if knob else task_panels.remarks(rows)
    cross = [CROSS] if any(mark.kind == "missing" for mark in drawn) else []
    return Drawing(
        title=title,
        panels=tuple(panels),
        marks=tuple(drawn),
        columns=2,
        keys=(
            (DENSE, *series.level_keys(set(rows["compression"]) - {"dense"})),
            (*series.marker_keys(several), curves.BASELINE_KEY, *cross, *curves.collapsed_keys(rows)),
        ),
        caption=" ".join(caption),
    )


DENSE = curves.LegendKey(label="dense", color="ink", marker="circle", line="solid")
CROSS = curves.LegendKey(label="no retention: dense is not above its baseline", marker="cross")


def select(drops: pl.DataFrame, experiment: str) -> pl.DataFrame:
    """Rows of `experiment` to draw, with the column `MODE`; empty if nothing is compressed."""
    drops = drops.filter(pl.col("experiment") == experiment)
    amounts = [item for item in series.present(drops) if item.kind != "band"]
    compressed = series.select(drops.filter(pl.col("transfer") != "dense"), amounts)
    picked = [tag for item in amounts for tag in series.pick(series.select(compressed, [item])["compression"])]
    compressed = compressed.filter(pl.col("compression").is_in(picked))
    selected = [drops.clear().with_columns(pl.lit("").alias(MODE))]
    modes = ["none", *theme.tuned_modes(set(compressed["transfer"]))[:1]]
    for mode in (mode for mode in modes if mode in compressed["transfer"]):
        dense = (pl.col("method") == "dense") & (pl.col("transfer") == ("none" if mode == "none" else "dense"))
        both = pl.concat([drops.filter(dense), compressed.filter(pl.col("transfer") == mode)])
        selected.append(both.with_columns(pl.lit(mode).alias(MODE)))
    return pl.concat(selected)


def _groups(rows: pl.DataFrame) -> list[Group]:
    """Rows by model and mode and, if there are many levels, by method; named by what differs between the groups."""
    several = series.present(rows)
    strands = rows.filter(pl.col("method") != "dense")["compression"].n_unique()
    parts = _parts(several) if strands > MOST and len(several) > 1 else [several]
    labels = series.labels(several)
    groups = []
    for model, mode in sorted(
        rows.select("model", MODE).unique().rows(), key=lambda pair: (pair[0], pair[1] != "none")
    ):
        own = rows.filter((pl.col("model") == model) & (pl.col(MODE) == mode))
        for items in parts:
            part = series.select(own, [None, *items])
            if series.present(part):
                words = {"model": model, MODE: theme.mode_style(mode)[2]}
                name = [words[column] for column in words if rows[column].n_unique() > 1]
                label = labels[items[0]] if len(items) == 1 else METHODS[items[0].method].caption
                name += [label] if len(parts) > 1 else []
                groups.append((", ".join(name), part))
    return groups


def _parts(several: list[Series]) -> list[list[Series]]:
    """Series that share panels: each alone, but the number formats of a method, of one level each, together."""
    found: dict[tuple, list[Series]] = {}
    for item in several:
        quantized = item.kind in QUANTIZED and any(other.format for other in several if other.method == item.method)
        found.setdefault((item.method,) if quantized else (item.key,), []).append(item)
    return list(found.values())


def _remarks(drops: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Caption sentences: the compression and fine-tuning of the drawn rows, and the rows that are not drawn."""
    drawn = series.present(rows)
    labels = series.labels(series.present(drops))
    modes = set(rows[MODE])
    remarks = [f"Compression: {labels[drawn[0]]}."] if len(drawn) == 1 else []
    remarks += series.shared_options(labels, drawn)
    for mode in modes - {"none"}:
        remarks.append(f"Fine-tuning: {theme.mode_style(mode)[2]}; reference: dense transfer of the same condition.")
    same = series.select(drops.filter(pl.col("transfer").is_in(modes)), drawn)
    levels = sorted(set(same["compression"]) - set(rows["compression"]), key=strength)
    omitted = [", ".join(map(series.level_label, levels))] if levels else []
    omitted += [label for item, label in labels.items() if item not in drawn]
    omitted += [theme.mode_style(mode)[2] for mode in sorted(set(drops["transfer"]) - modes - {"dense"})]
    return remarks + ([f"Also in the experiment, but not shown: {'; '.join(omitted)}."] if omitted else [])


def _nothing(title: str) -> Drawing:
    message = "Nothing to show: the experiment has no level of compression"
    return Drawing(
        title=title,
        panels=(task_panels.message(message),),
        marks=(),
        caption="Bands of |w| are not drawn here: they differ in position, not in amount.",
    )
