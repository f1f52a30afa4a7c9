"""Per-example rows of an archive, as `open_results(...).examples()` gives them."""

from collections.abc import Sequence

import polars as pl

from junkdna.analysis.archived_answers import Analysis
from junkdna.evaluate.metrics import METRICS
from junkdna.study.cell import parse_cell_path


def archived_rows(analysis: Analysis, cells: pl.DataFrame, names: Sequence[str]) -> pl.LazyFrame:
    """One row per example of some cells (rows of the table of cells), with the columns `names` of its cell first.

    The others are those columns of a cell file that an archive has: id, gold, prediction, correct and cluster, and bin,
    the bin of a published difficulty. `gold` and `prediction` are null where the answer is no option, class or number;
    `correct` is null where it is no credit from 0 to 1.
    """
    parts = [_rows(analysis, row).lazy() for row in cells.select(names).iter_rows(named=True)]
    return pl.concat(parts)


def _rows(analysis: Analysis, row: dict) -> pl.DataFrame:
    cell, answers = parse_cell_path(row["cell"]), analysis.answers
    metric = METRICS[answers.metric(cell.task)]
    questions, given, right = answers.questions(cell), answers.given(cell), answers.right(cell)
    picked = metric.column == "prediction"
    credit = right if picked else given
    nothing = pl.lit(None, pl.Float64)
    return questions.select(
        *(pl.lit(value).alias(name) for name, value in row.items()),
        "id",
        (pl.col("gold") if metric.gold_column == "gold" else nothing).alias("gold"),
        (pl.Series(given) if picked else nothing).alias("prediction"),
        (pl.lit(None, pl.Float32) if credit is None else pl.Series(credit).cast(pl.Float32)).alias("correct"),
        "cluster",
        "bin",
    )
