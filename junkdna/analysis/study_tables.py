"""The tables that a study's cells are analyzed into."""

import polars as pl

from junkdna.analysis.behavior import behavior
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.claims_table import claims
from junkdna.analysis.drops import drops
from junkdna.analysis.scores import Scores
from junkdna.study.study import Resolved


def study_tables(resolved: Resolved, cells: pl.DataFrame, partial: bool = False) -> dict[str, pl.DataFrame]:
    """Name -> table, for each of `study.paths.TABLES`, from the table of cells and the cell files.

    With `partial`, cells may be missing. Raises UserError for cells that do not fit together.
    """
    answers = CellAnswers(resolved, {})
    scores = Scores(answers, resolved.study.bootstrap)
    compared = drops(resolved, cells, scores, partial)
    return {
        "drops": compared,
        "claims": claims(resolved, cells, scores, answers.bins),
        "behavior": behavior(resolved, cells, scores),
    }
