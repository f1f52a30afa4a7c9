"""The scores of one compressed model on everything that a study has asked it."""

import polars as pl

from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.collect import collect_done
from junkdna.analysis.drops import drops
from junkdna.analysis.scores import Scores
from junkdna.study.cell import Cell
from junkdna.study.study import Resolved


def scores_of_one(resolved: Resolved, cell: Cell) -> list[dict]:
    """Rows of the table of drops of the finished cells with the model, compression and seed of `cell`, without
    training, each condition once.

    Raises UserError if finished cells contradict each other.
    """
    few = _without_others(resolved, cell)
    if not few.study.run:
        return []
    joined, _ = collect_done(few)
    if not joined.height:
        return []
    tag, dense = pl.col("compression") == cell.compression.tag, pl.col("compression") == "dense"
    joined = joined.filter(dense | (tag & (pl.col("seed") == cell.seed)))
    table = drops(few, joined, Scores(CellAnswers(few, {}), few.study.bootstrap), partial=True)
    if not table.height:
        return []
    rows = table.filter(pl.col("compression") == cell.compression.tag)
    return rows.unique(["task", "knobs", "protocol"], keep="first", maintain_order=True).to_dicts()


def _without_others(resolved: Resolved, cell: Cell) -> Resolved:
    """The study of the model of `cell` alone, without training."""
    experiments = {
        name: exp.model_copy(update={"models": [cell.model], "transfer": ["none"], "recovery": [1]})
        for name, exp in resolved.study.experiments.items()
        if cell.model in exp.models and "none" in exp.transfer
    }
    study = resolved.study.model_copy(update={"experiments": experiments, "run": [*experiments]})
    return Resolved(study, resolved.tasks, resolved.commands)
