"""The rows of the headline figure: each model's conditions pruned by magnitude, in the training that most have."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from junkdna.analysis.retention import KNOWN_SHARE
from junkdna.report.plotting import series

MOST = 14  # conditions of a model; names of more would cover the figure
SAME = ["model", "task", "knobs", "protocol", "transfer", "compression", "difficulty_measure"]
CONDITION = ["model", "task", "knobs", "protocol"]


class PrunedRows(NamedTuple):
    """Rows to draw, each condition once; rows `hidden` because their dense model knows too little (below 0.04); and for
    each model with too many conditions a sentence on which ones are drawn."""

    drawn: pl.DataFrame
    hidden: pl.DataFrame
    left_out: list[str]


def pruned_rows(drops: pl.DataFrame) -> PrunedRows:
    """The rows of a table of drops that the headline figure draws.

    Of each model these are either the rows without fine-tuning or those fine-tuned under a fixed mask, whichever have
    more conditions. With several sets of options of magnitude pruning, the set with the fewest options is drawn. Of a
    model with more than `MOST` conditions, only those of the experiment with most tasks are drawn; of several such
    experiments, the one with most seeds.
    """
    rows = drops.filter(pl.col("method") == "magnitude", pl.col("transfer").is_in(["none", "sparse"]))
    rows = series.select(rows, series.present(rows)[:1])
    of_models = [_one_experiment(_one_training(own)) for own in rows.partition_by("model")]
    rows = pl.concat(own for own, _ in of_models) if of_models else rows
    rows = rows.sort(["n_seeds", "n_examples", "experiment"], descending=[True, True, False])
    rows = rows.unique(SAME, keep="first", maintain_order=True).sort(SAME)
    known = (pl.col("dense_known_share") >= KNOWN_SHARE).fill_null(False)
    usable = pl.col("retention").is_not_null() & pl.col("difficulty").is_not_null() & known
    return PrunedRows(rows.filter(usable), rows.filter(~usable), sorted(words for _, words in of_models if words))


def _one_training(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a model in the training with most conditions; if two have as many, those without fine-tuning."""
    conditions = {mode: rows.filter(transfer=mode).select(CONDITION).n_unique() for mode in ("none", "sparse")}
    return rows.filter(transfer=max(conditions, key=conditions.__getitem__))


def _one_experiment(rows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The rows of a model and "", or if there are too many conditions those of its experiment with most tasks (then
    seeds), and a sentence that says so."""
    every = rows.select(CONDITION).n_unique()
    if every <= MOST:
        return rows, ""
    counts = rows.group_by("experiment").agg(
        pl.n_unique("task"), pl.max("n_seeds"), pl.struct(CONDITION).n_unique().alias("conditions")
    )
    order = ["task", "n_seeds", "conditions", "experiment"]
    name = counts.sort(order, descending=[True, True, True, False])[0, "experiment"]
    return rows.filter(experiment=name), (
        f"Of the {every} conditions of {rows[0, 'model']}, those of experiment {name} are drawn; the others are in the "
        "figures of their experiments."
    )
