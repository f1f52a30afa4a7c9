"""Resampling of examples and seeds, and the intervals that it gives."""

from dataclasses import dataclass

import numpy as np

from junkdna.evaluate.metrics import Metric
from junkdna.seeds import seed_for

QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class Resamples:
    """Replicates of one evaluation set: how often each example is drawn, whole numbers (replicates, examples)."""

    counts_rn: np.ndarray
    seed: int

    def over_seeds(self, values_rs: np.ndarray) -> np.ndarray:
        """Mean (replicates,) of resampled metrics (replicates, seeds), seeds drawn anew in each replicate."""
        seeds = values_rs.shape[1]
        draws = np.random.default_rng(self.seed).integers(0, seeds, (len(values_rs), seeds))
        return np.take_along_axis(values_rs, draws, axis=1).mean(axis=1)


def resamples(ids: tuple[str, ...], replicates: int) -> Resamples:
    """Bootstrap draws of an evaluation set, the same for every cell that was scored on these example ids."""
    seed = seed_for("bootstrap", *ids)
    counts = np.random.default_rng(seed).multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=replicates)
    return Resamples(counts.astype(float), seed_for("bootstrap_seeds", *ids))


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of bootstrap replicates."""
    low, high = np.quantile(values, QUANTILES)
    return float(low), float(high)


@dataclass(frozen=True)
class Estimate:
    """A metric, averaged over the seeds of one group, and the same of every replicate (replicates,)."""

    value: float
    value_r: np.ndarray


def estimate(metric: Metric, gold_n: np.ndarray | None, given_sn: np.ndarray, draws: Resamples) -> Estimate:
    """Estimate of one group: `given_sn` holds what each seed gave for the same examples."""
    values_rs = np.stack([metric.resampled(gold_n, given_n, draws.counts_rn) for given_n in given_sn], axis=1)
    return Estimate(metric.over_seeds(gold_n, given_sn), draws.over_seeds(values_rs))


def effects(score: Estimate, dense: Estimate, chance: float) -> dict:
    """Score, drop, percent of dense and retention of one group of seeds against its dense reference, each with its
    interval. Both estimates come from the same draws, and seed by seed from the same seeds.

    drop = dense - score; relative_score = 100 score / dense; kept = (score - chance) / (dense - chance), with the
    chance of the metric. `relative_score` is null where dense is not above 0 in every replicate. `kept` is null where
    the dense score's interval reaches down to chance: a share of nothing has no meaning.
    """
    row = {"score": score.value, "dense_score": dense.value, "drop": dense.value - score.value}
    row["score_low"], row["score_high"] = interval(score.value_r)
    row["drop_low"], row["drop_high"] = interval(dense.value_r - score.value_r)
    safe = dense.value > 0 and bool((dense.value_r > 0).all())
    row["relative_score"] = 100 * (score.value / dense.value) if safe else None
    low, high = interval(100 * (score.value_r / dense.value_r)) if safe else (None, None)
    row |= {"relative_score_low": low, "relative_score_high": high}
    above = interval(dense.value_r)[0] > chance
    row["retention"] = (score.value - chance) / (dense.value - chance) if above else None
    usable = dense.value_r > chance
    kept_r = (score.value_r[usable] - chance) / (dense.value_r[usable] - chance)
    low, high = interval(kept_r) if above else (None, None)
    return row | {"retention_low": low, "retention_high": high}
