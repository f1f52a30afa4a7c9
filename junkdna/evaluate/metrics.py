"""Task metrics by name, their baselines, and a test for collapsed runs.

Every metric is a number for one run on one evaluation set; higher is better. `gold_n` and `predicted_n` contain one
number per example: class ids or option positions (accuracy, matthews, f1) or numbers (pearson, spearman). For generated
text (exact_match, lenient_match, token_f1), `predicted_n` is the credit of each answer, the metric is its mean, and
`gold_n` is ignored. For log2_likelihood_per_byte, `predicted_n` is the log2-likelihood per byte of each text, the
metric is its mean, and `gold_n` is the same of the input-blind model, whose mean is the baseline.

`resampled` computes the metric of many bootstrap samples at once: `counts_rn[r, i]` is the number of times that
replicate r draws example i (integers, at least one example per row). It equals `value` on the rows repeated that often.
Shapes: n examples, r replicates, s seeds.

Undefined values are 0 by convention: matthews, pearson and spearman if either side is constant or a prediction is not
finite, f1 if class 1 is neither gold nor predicted. `collapsed` distinguishes such runs from runs that score 0. Names,
ranges and kinds of task are in `study.metrics`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Array = np.ndarray
POSITIVE = 1  # the class id that f1 counts
CONSTANT = 1e-12  # variance, as a fraction of the second moment, at or below which there is only rounding error
REPLICATE_CHUNK = 256  # replicates ranked together: ranks take several arrays of the size of the counts


@dataclass(frozen=True)
class Outcome:
    """Per-example predictions of one run, as class ids or option positions.

    `margin` is the gold score minus the best other score (> 0 exactly if the prediction is right without a tie).
    """

    gold: Array
    prediction: Array
    margin: Array


def outcome(scores: list[Array], gold: Array) -> Outcome:
    """The outcome of scores per option (or class): the highest score wins, among equal ones the lowest position.

    NaN counts as minus infinity, so that a broken model is not right.
    """
    clean = [np.where(np.isnan(row), -np.inf, row) for row in scores]
    prediction = np.array([int(np.argmax(row)) for row in clean], dtype=np.int32)
    margin = np.array([_margin(row, answer) for row, answer in zip(clean, gold, strict=True)], dtype=np.float32)
    return Outcome(gold.astype(np.int32), prediction, margin)


def _margin(row: Array, answer: int) -> float:
    others = np.delete(row, answer).max()
    return 0.0 if row[answer] == others else float(row[answer] - others)


def collapsed(prediction: Array, margin: Array | None = None) -> bool:
    """Whether the run gives the same prediction (class, number, or text without surrounding white space) for every
    example, or cannot distinguish any options (every `margin` is 0).
    """
    if margin is not None and np.all(margin == 0):
        return True
    if prediction.dtype.kind in "OUT":
        return len({text.strip() for text in prediction}) == 1
    return len(np.unique(prediction)) == 1


# ---- metrics ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One metric. `column` and `gold_column` are the columns of a cell's examples to pass as `predicted_n` and
    `gold_n`.

    - `credit`: for metrics that are means over examples, the value of each example (any shape that ends in n).
    - `chance(gold_n, options_n)`: the expected value of guessing uniformly among the options (or classes) of each
      example.
    - `majority(gold_n)`: the value of the best constant prediction. None for generated text, for which
      `text_match.constant_credit` computes it.
    """

    value: Callable[[Array | None, Array], float]
    resampled: Callable[[Array | None, Array, Array], Array]
    chance: Callable[[Array | None, Array | None], float]
    majority: Callable[[Array], float] | None
    credit: Callable[[Array | None, Array], Array] | None = None
    column: Literal["prediction", "correct"] = "prediction"
    gold_column: Literal["gold", "blind"] = "gold"

    def over_seeds(self, gold_n: Array | None, predicted_sn: Array) -> float:
        """Mean of the metric over seeds that answered the same examples, one row of `predicted_sn` per seed."""
        if self.credit is not None:  # a mean of means: computed in one step, so that it is rounded once
            return float(self.credit(gold_n, predicted_sn).mean())
        return float(np.mean([self.value(gold_n, predicted_n) for predicted_n in predicted_sn]))


def _mean_of(credit: Callable[[Array | None, Array], Array], **rest: object) -> Metric:
    """The metric that is the mean of `credit` over examples."""

    def resampled(gold_n: Array | None, predicted_n: Array, counts_rn: Array) -> Array:
        return counts_rn @ credit(gold_n, predicted_n) / counts_rn.sum(axis=1)

    return Metric(
        lambda gold_n, predicted_n: float(credit(gold_n, predicted_n).mean()), resampled, credit=credit, **rest
    )


def _metric(resampled: Callable[[Array, Array, Array], Array], **rest: object) -> Metric:
    """The metric whose value is that of the sample in which every example is drawn once."""

    def value(gold_n: Array, predicted_n: Array) -> float:
        return float(resampled(gold_n, predicted_n, np.ones((1, len(predicted_n))))[0])

    return Metric(value, resampled, **rest)


def _right(gold_n: Array, predicted_n: Array) -> Array:
    return (predicted_n == gold_n).astype(float)


def matthews(gold_n: Array, predicted_n: Array, counts_rn: Array) -> Array:
    """Matthews correlation (replicates,) from resampled confusion counts, for any number of classes.

    R_K = (c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)), with s examples, c of them right, p_k
    predicted and t_k gold examples of class k (Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006); the usual
    coefficient for two classes. All sums are of integers, hence exact.
    """
    classes = np.unique(np.concatenate([gold_n, predicted_n]))
    gold_rk = counts_rn @ (gold_n[:, None] == classes).astype(float)
    predicted_rk = counts_rn @ (predicted_n[:, None] == classes).astype(float)
    total_r, right_r = counts_rn.sum(axis=1), counts_rn @ _right(gold_n, predicted_n)
    joint_r = right_r * total_r - (gold_rk * predicted_rk).sum(axis=1)
    return _correlation(joint_r, *(total_r**2 - (counts_rk**2).sum(axis=1) for counts_rk in (gold_rk, predicted_rk)))


def f1(gold_n: Array, predicted_n: Array, counts_rn: Array) -> Array:
    """F1 of class 1 (replicates,): 2 true positives / (gold positives + predicted positives)."""
    gold, predicted = gold_n == POSITIVE, predicted_n == POSITIVE
    columns_nk = np.stack([gold & predicted, gold, predicted], axis=1).astype(float)
    both_r, gold_r, predicted_r = (counts_rn @ columns_nk).T
    return _ratio(2 * both_r, gold_r + predicted_r)


def pearson(gold_n: Array, predicted_n: Array, counts_rn: Array) -> Array:
    """Pearson correlation (replicates,) from resampled first and second moments.

    Both sides are first centered on their means over all examples, to lose little precision when moments are
    subtracted. A side counts as constant if its variance is below 1e-12 of its second moment.
    """
    if not np.isfinite(predicted_n).all():
        return np.zeros(len(counts_rn))
    x_n, y_n = (side - side.mean() for side in (gold_n.astype(float), predicted_n.astype(float)))
    moments_rk = counts_rn @ np.stack([x_n, y_n, x_n * x_n, y_n * y_n, x_n * y_n], axis=1)
    x_r, y_r, xx_r, yy_r, xy_r = (moments_rk / counts_rn.sum(axis=1, keepdims=True)).T
    variances = [np.where(sq - mean**2 > CONSTANT * sq, sq - mean**2, 0) for mean, sq in ((x_r, xx_r), (y_r, yy_r))]
    return _correlation(xy_r - x_r * y_r, *variances)


def spearman(gold_n: Array, predicted_n: Array, counts_rn: Array) -> Array:
    """Spearman correlation (replicates,): Pearson correlation of mid-ranks, recomputed in each replicate."""
    if not np.isfinite(predicted_n).all():
        return np.zeros(len(counts_rn))
    chunks = [counts_rn[start : start + REPLICATE_CHUNK] for start in range(0, len(counts_rn), REPLICATE_CHUNK)]
    return np.concatenate([_spearman(gold_n, predicted_n, chunk_rn) for chunk_rn in chunks])


def _spearman(gold_n: Array, predicted_n: Array, counts_rn: Array) -> Array:
    x_rn, y_rn = _centered_ranks(gold_n, counts_rn), _centered_ranks(predicted_n, counts_rn)
    xx_r, yy_r, xy_r = ((counts_rn * a * b).sum(axis=1) for a, b in ((x_rn, x_rn), (y_rn, y_rn), (x_rn, y_rn)))
    return _correlation(xy_r, xx_r, yy_r)


def _centered_ranks(values_n: Array, counts_rn: Array) -> Array:
    """Mid-rank of each example within each replicate, minus the mean rank. Halves of integers, hence exact."""
    order = np.argsort(values_n, kind="stable")
    _, starts, group_n = np.unique(values_n[order], return_index=True, return_inverse=True)
    drawn_rg = np.add.reduceat(counts_rn[:, order], starts, axis=1)
    ranks_rg = np.cumsum(drawn_rg, axis=1) - (drawn_rg - 1) / 2
    ranks_rn = np.empty_like(counts_rn, dtype=float)
    ranks_rn[:, order] = ranks_rg[:, group_n]
    return ranks_rn - (counts_rn.sum(axis=1, keepdims=True) + 1) / 2


def _correlation(covariance_r: Array, gold_variance_r: Array, predicted_variance_r: Array) -> Array:
    """Correlation, 0 if a side is constant; clipped, because rounding may exceed 1 slightly."""
    return np.clip(_ratio(covariance_r, np.sqrt(gold_variance_r) * np.sqrt(predicted_variance_r)), -1, 1)


def _ratio(numerator_r: Array, denominator_r: Array) -> Array:
    """Quotient, 0 if it is undefined."""
    return np.divide(numerator_r, denominator_r, out=np.zeros_like(denominator_r), where=denominator_r > 0)


# ---- baselines -------------------------------------------------------------------------------------------------------


def chance_baseline(options_n: Array) -> float:
    """Expected accuracy of guessing uniformly: mean of 1 / (number of options or classes) over the examples."""
    return float(np.mean(1.0 / options_n))


def majority_baseline(gold_n: Array) -> float:
    """Accuracy of always predicting the most frequent answer of the evaluation set (class id or option position)."""
    return float(np.unique(gold_n, return_counts=True)[1].max() / len(gold_n))


def f1_chance(gold_n: Array, options_n: Array) -> float:
    """Expected F1 of class 1 if each example is assigned class 1 with probability q = 1 / (number of classes).

    Given that m of the n examples are predicted positive, every set of m examples is equally likely. So m P / n of the
    P gold positives are among them on average, and F1 is 2 (m P / n) / (P + m). Over m ~ Binomial(n, q): E[F1] = 2 (P /
    n) E[m / (P + m)], near 2 p q / (p + q) for p = P / n and large n.
    """
    n, positives = len(gold_n), int(np.sum(gold_n == POSITIVE))
    q = float(1 / options_n[0])
    if not positives:
        return 0.0
    m = np.arange(n + 1)
    steps = np.log((n - m[:-1]) / m[1:]) + np.log(q / (1 - q))  # log of successive ratios of the binomial's terms
    log_terms = n * np.log1p(-q) + np.concatenate([[0.0], np.cumsum(steps)])
    return float(2 * positives / n * np.sum(np.exp(log_terms) * m / (positives + m)))


def f1_majority(gold_n: Array) -> float:
    """F1 of always predicting class 1: 2 p / (1 + p) for a fraction p of gold positives. It is above chance."""
    share = float(np.mean(gold_n == POSITIVE))
    return 2 * share / (1 + share)


def _zero(*_: object) -> float:
    """Baseline of the correlations, and chance baseline of generated text.

    A constant prediction is 0 by convention. A guess that ignores the example is 0 on average, because every order of
    its values is equally likely.
    """
    return 0.0


def _blind(blind_n: Array, *_: object) -> float:
    """Baseline of the log-likelihood: the mean of the input-blind model."""
    return float(np.mean(blind_n))


def _credit(_: Array | None, credit_n: Array) -> Array:
    return credit_n.astype(float)


_CORRELATION = {"chance": _zero, "majority": _zero}
_TEXT = _mean_of(_credit, chance=_zero, majority=None, column="correct")

METRICS: dict[str, Metric] = {
    "accuracy": _mean_of(_right, chance=lambda _, options_n: chance_baseline(options_n), majority=majority_baseline),
    "matthews": _metric(matthews, **_CORRELATION),
    "f1": _metric(f1, chance=f1_chance, majority=f1_majority),
    "pearson": _metric(pearson, **_CORRELATION),
    "spearman": _metric(spearman, **_CORRELATION),
    "exact_match": _TEXT,
    "lenient_match": _TEXT,
    "token_f1": _TEXT,
    "log2_likelihood_per_byte": _mean_of(_credit, chance=_blind, majority=_blind, gold_column="blind"),
}
