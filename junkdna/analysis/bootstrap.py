"""Bootstrap resampling of examples and seeds, and the intervals computed from it."""

from dataclasses import dataclass

import numpy as np

from junkdna.evaluate.metrics import Metric
from junkdna.seeds import seed_for

QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class Resamples:
    """Replicates of one evaluation set: how often each example is drawn, as counts of shape (replicates, examples)."""

    counts_rn: np.ndarray
    seed: int

    def over_seeds(self, values_rs: np.ndarray) -> np.ndarray:
        """Mean (replicates,) of resampled metrics (replicates, seeds); each replicate draws its own seeds."""
        seeds = values_rs.shape[1]
        draws = np.random.default_rng(self.seed).integers(0, seeds, (len(values_rs), seeds))
        return np.take_along_axis(values_rs, draws, axis=1).mean(axis=1)


def resamples(ids: tuple[str, ...], replicates: int) -> Resamples:
    """Bootstrap draws of an evaluation set, identical for every cell scored on these example ids."""
    seed = seed_for("bootstrap", *ids)
    counts = np.random.default_rng(seed).multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=replicates)
    return Resamples(counts.astype(float), seed_for("bootstrap_seeds", *ids))


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of bootstrap replicates."""
    low, high = np.quantile(values, QUANTILES)
    return float(low), float(high)


@dataclass(frozen=True)
class Estimate:
    """A metric averaged over the seeds of one group, and its value in every replicate, shape (replicates,)."""

    value: float
    value_r: np.ndarray


def estimate(metric: Metric, gold_n: np.ndarray | None, given_sn: np.ndarray, draws: Resamples) -> Estimate:
    """Estimate of one group. `given_sn` (seeds, examples) holds each seed's answers to the same examples."""
    values_rs = np.stack([metric.resampled(gold_n, given_n, draws.counts_rn) for given_n in given_sn], axis=1)
    return Estimate(metric.over_seeds(gold_n, given_sn), draws.over_seeds(values_rs))


def effects(score: Estimate, dense: Estimate, chance: float) -> dict:
    """Score, drop, relative score and retention of one group of seeds against its dense reference, with intervals.

    drop = dense - score; relative_score = 100 score / dense, in percent; retention = (score - chance) / (dense -
    chance), with the chance score of the metric. Both estimates must come from the same draws and the same seeds, so
    that differences are paired. `relative_score` is null unless dense is above 0 in every replicate. `retention` is
    null when the interval of the dense score includes chance: there is no performance above chance to retain.
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
    retention_r = (score.value_r[usable] - chance) / (dense.value_r[usable] - chance)
    low, high = interval(retention_r) if above else (None, None)
    return row | {"retention_low": low, "retention_high": high}
