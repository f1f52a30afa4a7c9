"""The tables that a study's cells are analyzed into."""

from collections.abc import Mapping

import polars as pl

from junkdna.analysis.behavior import behavior
from junkdna.analysis.bins import read_bins
from junkdna.analysis.cell_answers import Bins, CellAnswers
from junkdna.analysis.claims_table import claims
from junkdna.analysis.connectivity import connectivity
from junkdna.analysis.difficulty_table import difficulty_table
from junkdna.analysis.drops import drops
from junkdna.analysis.layers import layers
from junkdna.analysis.margins import margins
from junkdna.analysis.matched import matched
from junkdna.analysis.published_overlay import reproduction
from junkdna.analysis.scores import Scores
from junkdna.study.study import Resolved

FROM_FILES = ("connectivity", "layers", "margins")
"""Tables from what only cell files and files of connections have: reports on matrices, margins, interpolated models."""


def study_tables(resolved: Resolved, cells: pl.DataFrame, partial: bool = False) -> dict[str, pl.DataFrame]:
    """Name -> table, for each of `result_columns.RESULTS`, from the table of cells and the cell files.

    With `partial`, cells may be missing. Raises UserError for cells that do not fit together.
    """
    bins = read_bins(resolved, partial)
    tables = tables_of(resolved, cells, CellAnswers(resolved, bins), bins, partial)
    return tables | tables_from_files(resolved, cells, tables["drops"], partial)


def tables_from_files(
    resolved: Resolved, cells: pl.DataFrame, compared: pl.DataFrame, partial: bool = False
) -> dict[str, pl.DataFrame]:
    """The tables `FROM_FILES`; `compared` is the table of drops."""
    return {
        "connectivity": connectivity(resolved, partial),
        "layers": layers(resolved, cells),
        "margins": margins(cells, compared),
    }


def tables_of(
    resolved: Resolved, cells: pl.DataFrame, answers: CellAnswers, rated: Mapping[str, Bins], partial: bool = False
) -> dict[str, pl.DataFrame]:
    """`study_tables` without `FROM_FILES`, from the answers of its cells. Claims are tested on the bins `rated`; the
    table of difficulty has all bins of `answers`."""
    scores = Scores(answers, resolved.study.bootstrap)
    compared = drops(resolved, cells, scores, partial)
    return {
        "drops": compared,
        "claims": claims(resolved, cells, scores, rated),
        "behavior": behavior(resolved, cells, scores),
        "difficulty": difficulty_table(resolved, cells, scores, partial),
        "reproduction": reproduction(compared),
        "matched": matched(resolved, cells, compared, scores, partial),
    }
