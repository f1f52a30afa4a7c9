"""From published percentages of dense to scores and retention.

The paper prints no absolute scores. `published/dense_scores.csv` and `published/baselines.csv` hold what could be
found or inferred, each with its source.
"""

from fractions import Fraction
from typing import TypeVar

import polars as pl

from junkdna.analysis.published_curves import FOLDER

CONDITION = ("model", "task", "knobs", "family")


Number = TypeVar("Number", float, pl.Expr)


def retention(percent_of_dense: Number, dense: Number, baseline: Number) -> Number:
    """(score - baseline) / (dense - baseline) with score = percent_of_dense / 100 x dense; numbers or columns.

    1 is as good as dense, 0 is the baseline. It is not clipped, and means nothing unless dense is above the baseline.
    """
    return (percent_of_dense / 100 * dense - baseline) / (dense - baseline)


def read_dense_scores() -> pl.DataFrame:
    """Dense scores of the published conditions: model, task, knobs, family, dense, dense_inferred, dense_source.

    `dense_inferred` is true if the source of the curves does not contain the number. For the unstructured curves of
    roberta-base, `dense` is the score of the run at 10 % pruned, to which those percentages refer.
    """
    table = pl.read_csv(FOLDER / "dense_scores.csv", infer_schema=False).with_columns(pl.col("knobs").fill_null(""))
    table = table.with_columns(family=pl.col("families").str.split(" ")).explode("family")
    scores = _fractions(table["score"]).alias("dense")
    names = {"inferred": "dense_inferred", "source": "dense_source"}
    table = table.with_columns(scores, pl.col("inferred") == "true").rename(names)
    return table.select(*CONDITION, "dense", *names.values())


def read_baselines() -> pl.DataFrame:
    """Baselines of the published tasks: task, baseline, baseline_inferred, baseline_source.

    They are the best constant answer where a model was trained on labels, and 0 for generated answers.
    """
    table = pl.read_csv(FOLDER / "baselines.csv", infer_schema=False)
    names = {"inferred": "baseline_inferred", "source": "baseline_source"}
    return table.with_columns(_fractions(table["baseline"]), pl.col("inferred") == "true").rename(names)


def _fractions(texts: pl.Series) -> pl.Series:
    """Numbers of texts such as "444/872" or "0.902"."""
    return pl.Series(texts.name, [float(Fraction(text)) for text in texts], pl.Float64)


def with_retention(
    points: pl.DataFrame, dense_scores: pl.DataFrame | None = None, baselines: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Points of published conditions with the columns of both tables and `retention`.

    `dense_scores` and `baselines` replace the tables of the package. Where the baseline is 0 the retention is
    percent_of_dense / 100, even if the dense score is unknown (null). It is null if a dense score is missing otherwise.
    """
    dense_scores = read_dense_scores() if dense_scores is None else dense_scores
    baselines = read_baselines() if baselines is None else baselines
    points = points.join(dense_scores, on=CONDITION, how="left", maintain_order="left")
    points = points.join(baselines, on="task", how="left", maintain_order="left")
    return points.with_columns(_retention())


def _retention() -> pl.Expr:
    percent, dense, baseline = map(pl.col, ("percent_of_dense", "dense", "baseline"))
    known = pl.when(dense > baseline).then(retention(percent, dense, baseline))
    return pl.when(baseline == 0).then(percent / 100).otherwise(known).alias("retention")
