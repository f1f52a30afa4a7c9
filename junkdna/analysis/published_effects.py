"""What the published curves say about the claims, from single points.

A published point has no spread: neither seeds nor examples. Levels, curves and tasks can be compared with each other,
so an interval over pairs or tasks is possible, and none within a point. Hence no verdict on a claim about one curve
(monotone) or about one level (irreversible) follows from them.

Loss is 1 - retention. Shapes: c conditions, l levels.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from junkdna.analysis.published_curves import CURVE, condition_points
from junkdna.analysis.published_scale import with_retention

INFORMATIVE = (0.1, 0.9)  # range of the mean loss over the conditions in which a level tells them apart
RISE = 0.05  # of retention, from a milder to a stronger level
EFFECT = {"effect": pl.Float64, "levels": pl.Int64}
UNKNOWN = ("retention_low", "retention_high", "relative_score_low", "relative_score_high")


@dataclass(frozen=True)
class MeanEffect:
    """Mean of `n` effects with its 95 % Student t interval; the interval is NaN for fewer than two."""

    mean: float
    low: float
    high: float
    n: int


def single_points() -> pl.DataFrame:
    """Every point of the published conditions (`condition_points`) with dense score, baseline and retention."""
    return with_retention(condition_points())


def as_drops(points: pl.DataFrame) -> pl.DataFrame:
    """Single points in the columns of the table of drops; the figure is the experiment.

    Limits of intervals and `n_seeds` are null, because a point has no spread. `score` and `dense_score` are null where
    the dense score is unknown.
    """
    score = pl.col("percent_of_dense") / 100 * pl.col("dense")
    names = ("model", "task", "knobs", "method", "compression", "sparsity", "transfer")
    return points.select(
        pl.col("figure").alias("experiment"),
        *names,
        score.alias("score"),
        pl.col("dense").alias("dense_score"),
        (pl.col("dense") - score).alias("drop"),
        pl.col("percent_of_dense").alias("relative_score"),
        "retention",
        *(pl.lit(None, pl.Float64).alias(name) for name in UNKNOWN),
        pl.lit(None, pl.Int64).alias("n_seeds"),
        "doubt",
    )


def pair_effects(points: pl.DataFrame, family: str, informative: bool = True) -> pl.DataFrame:
    """Loss of the hard task minus loss of the easy task, for each pair of the figure across tasks of a family.

    Columns: pair, easy, hard, effect, levels. The effect is a mean over the levels, with `informative` over those whose
    mean loss over the pair is in `INFORMATIVE`; it is null if there are none. Labels easy and hard are the authors'.
    """
    rows = []
    for (pair,), curves in points.filter(figure=f"across_tasks_{family}").group_by("panel", maintain_order=True):
        sides = {label: curve for (label,), curve in curves.group_by("difficulty_label")}
        losses_cl = np.stack([1 - sides[label]["retention"].to_numpy() for label in ("easy", "hard")])
        names = {label: side["task"][0] for label, side in sides.items()}
        rows.append({"pair": pair, **names, **_effect(losses_cl, informative)})
    return pl.DataFrame(rows, schema_overrides=EFFECT).select("pair", "easy", "hard", "effect", "levels")


def data_fraction_effects(points: pl.DataFrame, family: str, informative: bool = True) -> pl.DataFrame:
    """Linear trend of the loss over the ranks of the training fractions, for each task of the figure of fractions.

    Columns: task, effect, levels. The effect is the slope per rank times the number of steps: the least data minus all
    data. Levels as in `pair_effects`. Less data also means fewer steps, so the effect is not of data alone.
    """
    rows = []
    for (task,), curves in points.filter(figure=f"data_fraction_{family}").group_by("task", maintain_order=True):
        by_fraction = {int(name.removesuffix("% data")): curve for (name,), curve in curves.group_by("series")}
        ordered = [by_fraction[percent] for percent in sorted(by_fraction, reverse=True)]
        losses_cl = np.stack([1 - curve["retention"].to_numpy() for curve in ordered])
        rows.append({"task": task, **_effect(losses_cl, informative)})
    return pl.DataFrame(rows, schema_overrides=EFFECT)


def _effect(losses_cl: np.ndarray, informative: bool) -> dict:
    """Contrast of mean losses (c, l), conditions from easy to hard, and the number of levels that count."""
    mean_l = losses_cl.mean(axis=0)
    chosen = (mean_l >= INFORMATIVE[0]) & (mean_l <= INFORMATIVE[1]) if informative else np.full(len(mean_l), True)
    if not chosen.any():
        return {"effect": None, "levels": 0}
    ranks = np.arange(len(losses_cl)) - (len(losses_cl) - 1) / 2
    weights = ranks / (ranks**2).sum() * (len(losses_cl) - 1)
    return {"effect": float(weights @ losses_cl[:, chosen].mean(axis=1)), "levels": int(chosen.sum())}


def mean_effect(effects: pl.Series) -> MeanEffect:
    """Mean over pairs or tasks, each of which counts once; null effects are left out."""
    from scipy.special import stdtrit

    values = effects.drop_nulls().to_numpy()
    count = len(values)
    mean = float(values.mean()) if count else float("nan")
    half = stdtrit(count - 1, 0.975) * values.std(ddof=1) / np.sqrt(count) if count > 1 else float("nan")
    return MeanEffect(mean, float(mean - half), float(mean + half), count)


def rises(points: pl.DataFrame, least: float = RISE) -> pl.DataFrame:
    """Curves of Sparse Transfer whose retention rises by more than `least` from a level to a stronger one.

    Columns: figure, panel, series, task, rise (the largest of the curve), milder and stronger (its levels; "" is
    dense), sorted by rise. The curves are those of the figures across tasks and of training fractions.
    """
    shown = points.filter(pl.col("figure").str.contains("^(across_tasks|data_fraction)_"))
    curves = [
        dict(zip(CURVE, curve, strict=True)) | {"task": points["task"][0]} | _largest_rise(points)
        for curve, points in shown.group_by(CURVE, maintain_order=True)
    ]
    return pl.DataFrame(curves).filter(pl.col("rise") > least).sort("rise", descending=True)


def _largest_rise(curve: pl.DataFrame) -> dict:
    """Largest difference of retention of a level and any milder one, dense included."""
    kept = np.concatenate([[1.0], curve.sort("sparsity")["retention"].to_numpy()])
    levels = ["", *curve.sort("sparsity")["level"]]
    differences = np.triu(kept[None, :] - kept[:, None], k=1)
    milder, stronger = np.unravel_index(differences.argmax(), differences.shape)
    rise = float(differences[milder, stronger])
    return {"rise": rise, "milder": levels[milder], "stronger": levels[stronger]}
