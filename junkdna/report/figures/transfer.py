"""The transfer modes of one experiment: score after fine-tuning against sparsity, one panel per condition.

The axis is effective bits per weight if any of the compressions has no sparsity.
"""

from __future__ import annotations

import polars as pl

from junkdna.analysis.series import PLAIN, Series
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, series, text, theme, views
from junkdna.report.plotting.axes import BITS, SPARSITY, Amount
from junkdna.report.plotting.conditions import conditions
from junkdna.report.plotting.drawing import Drawing, Key, Mark

FIGURE = Figure(
    label="Score by transfer mode",
    caption="One panel per condition (and method), from easy to hard for the dense model. Marker and line show "
    "the transfer mode, color the level. Dense transfer is the solid rule; its interval and seeds are at the left. "
    "The dashed rule is the baseline, the dotted one guessing (chance). Small dots are single seeds; two seeds "
    "have no interval. Hollow markers: every run gives the same answer to all examples.",
    order=5,
    modes="tuned",
    levels=("sparsity", "keep_of", "bits", "format", "rank", "external"),
    views=("score", "percent", "retention"),
)
DODGE_PT = 3.0  # between two modes at the same level


def marks(drops: pl.DataFrame, experiment: str, view: str) -> Drawing:
    """Score against sparsity (or bits) for each transfer mode of `experiment`, one panel per condition, model, method.

    Raises UserError if no row of the experiment is both compressed and fine-tuned.
    """
    rows = select(drops, experiment)
    named, several = conditions(drops, experiment), series.present(rows)
    amount = BITS if any(item.kind in PLAIN for item in several) else SPARSITY
    groups, names = _groups(rows, named, several)
    drawn = [mark for at, group in enumerate(groups.values()) for mark in _panel(at, group, view, amount)]
    panels = curves.panels(groups, named, amount.axis(rows), view, names=names)
    caption = [text.facts(rows, "Bars"), *_remarks(several, rows, drops)]
    return Drawing(
        title=f"{views.VIEWS[view].title} against {amount.title} by transfer mode: {text.spaced(experiment)}",
        panels=panels,
        marks=tuple(drawn),
        columns=curves.COLUMNS.get(len(groups), 3),
        keys=(tuple(_mode_keys(rows)), (*_chance_keys(drawn), *curves.other_keys(rows))),
        caption=" ".join([*caption, *curves.hidden_remarks(rows, view, named)]),
    )


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


def _groups(
    rows: pl.DataFrame, named: curves.Conditions, several: list[Series]
) -> tuple[dict[tuple, pl.DataFrame], list[str]]:
    """Rows of each panel, and what its title adds: the method, if there are several."""
    labels = series.labels(several)
    groups, names = {}, []
    for key, group in curves.split(rows, named).items():
        for item in series.present(group):
            groups[*key, item.key] = series.select(group, [None, item])
            names.append(labels[item] if len(several) > 1 else "")
    return groups, names


def _panel(at: int, group: pl.DataFrame, view: str, amount: Amount) -> list[Mark]:
    """Reference lines, dense transfer, and a curve for each mode."""
    dense = series.select(group.filter(pl.col("transfer") == "dense"), [None])
    found = [*curves.references(at, group, view), *_chance(at, group, view)]
    found += curves.dense_point(at, dense, amount.x(dense), view)
    modes = theme.tuned_modes(set(group["transfer"]))
    for place, mode in enumerate(modes):
        marker, line, _ = theme.mode_style(mode)
        points = amount.curve(dense, group.filter(pl.col("transfer") == mode))
        shift = (place - (len(modes) - 1) / 2) * DODGE_PT
        found += curves.curve(at, points, amount.x(points), view, mode, marker, line, shift)
    return found


def _chance(at: int, group: pl.DataFrame, view: str) -> list[Mark]:
    """A rule at the score of guessing, if the baseline is another."""
    row = group.row(0, named=True)
    if view != "score" or views.baseline_score(row) == row["chance"]:
        return []
    return [Mark(panel=at, kind="rule", series="chance", y=row["chance"], label="chance", color="muted", line="dotted")]


def _remarks(several: list[Series], rows: pl.DataFrame, drops: pl.DataFrame) -> list[str]:
    """Caption sentences: the method if there is only one, the shared options, and the compressions not drawn."""
    tuned = drops.filter((pl.col("experiment") == rows["experiment"][0]) & (pl.col("transfer") != "none"))
    omitted = sorted(map(series.compression_label, set(tuned["compression"]) - set(rows["compression"])))
    return curves.series_remarks(several) + ([f"Not shown: {'; '.join(omitted)}."] if omitted else [])


def _mode_keys(rows: pl.DataFrame) -> list[Key]:
    styles = map(theme.mode_style, theme.tuned_modes(set(rows["transfer"])))
    return [Key(label=label, marker=marker, line=line) for marker, line, label in styles]


def _chance_keys(drawn: list[Mark]) -> list[Key]:
    return [Key(label="chance", line="dotted")] if any(mark.series == "chance" for mark in drawn) else []
