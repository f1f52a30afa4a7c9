"""Published points next to the curves of a study, and how well the study reproduces them.

A curve of a study and a published one match if model, task, knobs, method, family of levels (unstructured or N:M) and
transfer mode are the same. Training and scoring may still differ: a match says what was measured, not how.
"""

from collections.abc import Iterable
from functools import cache

import polars as pl

from junkdna.analysis.published_curves import distinct_points
from junkdna.analysis.published_scale import with_retention
from junkdna.errors import unknown_name
from junkdna.study.cell import parse_compression

CURVE = ("experiment", "model", "hub", "task", "knobs", "method", "family", "transfer", "protocol", "label")
MATCH = ("hub", "task", "knobs", "method", "family", "transfer")
POINT = ("figure", "panel", "series", "sparsity", "level", "percent_of_dense", "retention", "doubt")
SHOWN = ("hub", "task", "knobs", "compression", "transfer")  # columns of drops from which the match follows
SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys((*CURVE, "figure"), pl.String),
    **dict.fromkeys(("published_levels", "levels", "doubtful"), pl.Int64),
    **dict.fromkeys(("rmse_relative_score", "rmse_retention", "share_inside"), pl.Float64),
}


def is_covered(conditions: Iterable[tuple[str, ...]]) -> bool:
    """Whether a published curve covers any of these conditions, given as the values of `SHOWN`."""
    given = [(*where, tag, transfer) for *where, tag, transfer in dict.fromkeys(conditions) if where[0] and _level(tag)]
    covered = set(published().select(MATCH).iter_rows()) if given else set()
    return any(
        (*where, parse_compression(tag).method, _level(tag)[1], transfer) in covered for *where, tag, transfer in given
    )


def covered_rows(drops: pl.DataFrame) -> pl.DataFrame:
    """The rows of the table of drops that belong to a curve that a published curve covers.

    Two columns are added: `level` (as text) and `family` (unstructured or nm). Dense rows are not among them.
    """
    tags = drops["compression"].unique(maintain_order=True).to_list()
    plain = [(tag, *level) for tag in tags if (level := _level(tag))]
    levels = pl.DataFrame(plain, schema=dict.fromkeys(("compression", "level", "family"), pl.String), orient="row")
    rows = drops.join(levels, on="compression", how="inner", maintain_order="left")
    return rows.join(published().select(MATCH).unique(), on=MATCH, how="semi", maintain_order="left")


def stand_in(drops: pl.DataFrame, hub: str) -> pl.DataFrame:
    """The drops as if all models were the published one `hub` (a name on the Hugging Face Hub), so that its curves can
    be put next to those of other models. The column `stands_for` says so. Raises UserError if it has no curve."""
    known = published()["hub"].unique().sort().to_list()
    if hub not in known:
        raise unknown_name("published model", hub, known)
    return drops.with_columns(hub=pl.lit(hub), stands_for=pl.lit(hub))


def overlay(drops: pl.DataFrame) -> pl.DataFrame:
    """The published points of every curve of a table of drops that a published curve covers.

    One row per curve and point. Columns: those that name the curve (`CURVE`), figure, panel and series of the source,
    sparsity (x), level, percent_of_dense (relative score), retention and doubt. All published levels are included.
    """
    curves = covered_rows(drops).select(CURVE).unique(maintain_order=True)
    matched = curves.join(published(), on=MATCH, how="inner", maintain_order="left_right")
    return matched.select(*CURVE, *POINT)


def reproduction(drops: pl.DataFrame) -> pl.DataFrame:
    """How far the curves of a study are from the published ones; one row per curve that a published curve covers.

    Columns: those that name the curve, `figure` (of the source), `published_levels`, `levels` (those that both have),
    `doubtful` (of these, those with a doubt), `rmse_relative_score` (percent points), `rmse_retention` and
    `share_inside` (published points inside the 95 % interval of our relative score). Retention is computed for both
    with the published baseline. Values are null if no level matches or, for the last, no level has an interval. A
    published point has noise of unknown size, so even a perfect reproduction has fewer than 95 % inside.
    """
    if drops.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    columns = ("level", "percent_of_dense", "doubt")
    points = published().select(*MATCH, *columns, published="retention", published_baseline="baseline")
    sources = published().group_by(MATCH).agg(figure=pl.col("figure").first(), published_levels=pl.len())
    compared = covered_rows(drops).join(points, on=[*MATCH, "level"], how="left", maintain_order="left")
    scores = compared.group_by(CURVE, maintain_order=True).agg(**_distances())
    scores = scores.join(sources, on=MATCH, how="left", maintain_order="left")
    return scores.select(*SCHEMA).cast(SCHEMA)


def _distances() -> dict[str, pl.Expr]:
    """The numbers of a row of `reproduction`, over the levels of one curve."""
    dense, baseline, percent = pl.col("dense_score"), pl.col("published_baseline"), pl.col("percent_of_dense")
    ours = (pl.col("score") - baseline) / pl.when(dense > baseline).then(dense - baseline)
    return {
        "levels": percent.count(),
        "doubtful": (pl.col("doubt") != "").sum(),
        "rmse_relative_score": _rmse(pl.col("relative_score") - percent),
        "rmse_retention": _rmse(ours - pl.col("published")),
        "share_inside": percent.is_between("relative_score_low", "relative_score_high").mean(),
    }


def _rmse(difference: pl.Expr) -> pl.Expr:
    """Root of the mean square, without nulls."""
    return (difference**2).mean().sqrt()


@cache
def published() -> pl.DataFrame:
    """Distinct published points of compressed models that name their model, which is in the column `hub`."""
    points = with_retention(distinct_points()).rename({"model": "hub"})
    return points.filter(pl.col("level") != "", pl.col("hub").is_not_null())


@cache
def _level(tag: str) -> tuple[str, str] | None:
    """(level, family) of a compression; None for dense, and if an option changes what is compressed or how."""
    compression = parse_compression(tag)
    if not compression.level or {name for name, _ in compression.options} - {"calibration"}:
        return None
    return compression.level, "nm" if compression.level.startswith("keep") else "unstructured"
