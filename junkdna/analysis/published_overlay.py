"""Published points next to the curves of a study, and how well the study reproduces them.

A curve of a study and a published one match if model, task, knobs, method, family of levels (unstructured or N:M) and
transfer mode are the same. Training and scoring may still differ: a match says what was measured, not how.
"""

from collections.abc import Mapping

import polars as pl

from junkdna.analysis.published_curves import distinct_points
from junkdna.analysis.published_scale import with_retention
from junkdna.errors import unknown_name
from junkdna.study.cell import parse_compression
from junkdna.study.study import Study

CURVE = ("experiment", "model", "task", "knobs", "method", "family", "transfer", "protocol")
MATCH = ("hub", "task", "knobs", "method", "family", "transfer")
POINT = ("figure", "panel", "series", "sparsity", "level", "percent_of_dense", "retention", "doubt")


def hub_models(study: Study) -> dict[str, str]:
    """Name of each model of a study that comes from the Hugging Face Hub -> its repository."""
    return {name: model.hub for name, model in study.models.items() if model.hub}


def overlay(drops: pl.DataFrame, experiment: str, hubs: Mapping[str, str]) -> pl.DataFrame:
    """The published points of every curve of an experiment that a published curve covers.

    `hubs` maps the study's model names to repositories (`hub_models`); add names of local copies. One row per curve
    and point. Columns: those that name the curve (model, task, knobs, method, family, transfer, protocol), figure,
    panel and series of the source, sparsity (x), level, percent_of_dense (relative score), retention and doubt. All
    published levels are included. Raises UserError for an unknown experiment.
    """
    if experiment not in (names := drops["experiment"].unique(maintain_order=True).to_list()):
        raise unknown_name("experiment", experiment, names)
    curves = _rows(drops.filter(experiment=experiment), hubs).select(*CURVE, "hub").unique(maintain_order=True)
    matched = curves.join(_published(), on=MATCH, how="inner", maintain_order="left_right")
    return matched.select(*CURVE[1:], *POINT)


def reproduction(drops: pl.DataFrame, hubs: Mapping[str, str]) -> pl.DataFrame:
    """How far the curves of a study are from the published ones; one row per curve that a published curve covers.

    Columns: those that name the curve, `levels` (levels that both have), `doubtful` (those with a doubt),
    `rmse_relative_score` (percent points), `rmse_retention` and `share_inside` (published points inside the 95 %
    interval of our relative score). Retention is computed for both with the published baseline. Values are null if no
    level matches or, for the last, no level has an interval. A published point has noise of unknown size, so even a
    perfect reproduction has fewer than 95 % inside.
    """
    rows = _rows(drops, hubs)
    published = _published().select(*MATCH, "level", "percent_of_dense", "baseline", "doubt", published="retention")
    covered = rows.join(published.select(MATCH).unique(), on=MATCH, how="semi", maintain_order="left")
    above = pl.when(pl.col("dense_score") > pl.col("baseline")).then(pl.col("dense_score") - pl.col("baseline"))
    ours = (pl.col("score") - pl.col("baseline")) / above
    inside = pl.col("percent_of_dense").is_between("relative_score_low", "relative_score_high")
    compared = covered.join(published, on=[*MATCH, "level"], how="left", maintain_order="left")
    return compared.group_by(CURVE, maintain_order=True).agg(
        levels=pl.col("percent_of_dense").count(),
        doubtful=(pl.col("doubt") != "").sum(),
        rmse_relative_score=_rmse(pl.col("relative_score") - pl.col("percent_of_dense")),
        rmse_retention=_rmse(ours - pl.col("published")),
        share_inside=inside.mean(),
    )


def _rmse(difference: pl.Expr) -> pl.Expr:
    """Root of the mean square, without nulls."""
    return (difference**2).mean().sqrt()


def _published() -> pl.DataFrame:
    """Distinct published points above dense, with the model in `hub`."""
    return with_retention(distinct_points()).rename({"model": "hub"}).filter(pl.col("level") != "")


def _rows(drops: pl.DataFrame, hubs: Mapping[str, str]) -> pl.DataFrame:
    """Rows of drops that a published point can match, with hub, level and family."""
    tags = drops["compression"].unique(maintain_order=True).to_list()
    plain = [(tag, *level) for tag in tags if (level := _level(tag))]
    levels = pl.DataFrame(plain, schema=dict.fromkeys(("compression", "level", "family"), pl.String), orient="row")
    repositories = {"model": list(hubs), "hub": list(hubs.values())}
    models = pl.DataFrame(repositories, schema=dict.fromkeys(repositories, pl.String))
    rows = drops.join(levels, on="compression", how="inner", maintain_order="left")
    return rows.join(models, on="model", how="inner", maintain_order="left")


def _level(tag: str) -> tuple[str, str] | None:
    """(level, family) of a compression; None for dense, and if an option changes what is compressed or how."""
    compression = parse_compression(tag)
    if not compression.level or {name for name, _ in compression.options} - {"calibration"}:
        return None
    return compression.level, "nm" if compression.level.startswith("keep") else "unstructured"
