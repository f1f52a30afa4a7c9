"""Task metrics by name, their baselines, and the signs of a run that learned or kept nothing.

Every metric is a number of one run over one evaluation set; higher is better. `gold_n` and `given_n` hold one number
per example: class ids or option positions (accuracy, matthews, f1), numbers (pearson, spearman), and for generated
text the credit of each answer (exact_match, lenient_match, token_f1: the mean of it; `gold_n` is not read).

`resampled` gives the metric of many bootstrap samples at once: `counts_rn[r, i]` says how often example i is drawn in
replicate r (whole numbers, at least one example a row). It equals `value` on the rows repeated that often. Shapes: n
examples, r replicates, s seeds.

A value that is undefined is 0 by convention: matthews, pearson and spearman where either side is constant or where a
prediction is not a finite number, f1 where class 1 is neither gold nor predicted. Such runs are told from runs that
score 0 by `collapsed`. Names, ranges and kinds of task are in `study.metrics`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Array = np.ndarray
POSITIVE = 1  # the class id that f1 counts
CONSTANT = 1e-12  # variance, as a share of the second moment, below which rounding error is all there is
CHUNK = 256  # replicates ranked at a time: ranks take several arrays of the size of the counts


@dataclass(frozen=True)
class Outcome:
    """Per-example predictions of one run.

    Classes and options: `gold` and `prediction` are class ids or option positions, `margin` is the gold score less
    the best other score (> 0 exactly when right without a tie). Numbers (regress): `margin` is None. Generated text:
    `prediction` holds the texts; `gold` and `margin` are None.
    """

    gold: Array | None
    prediction: Array
    margin: Array | None


def outcome(scores: list[Array], gold: Array) -> Outcome:
    """Outcome of scores per option (or class): the highest wins, the lowest position among equals.

    A score that is not a number counts as minus infinity: a broken model must not look right.
    """
    clean = [np.where(np.isnan(row), -np.inf, row) for row in scores]
    prediction = np.array([int(np.argmax(row)) for row in clean], dtype=np.int32)
    margin = np.array(
        [_margin(row, answer) for row, answer in zip(clean, gold, strict=True)],
        dtype=np.float32,
    )
    return Outcome(gold.astype(np.int32), prediction, margin)


def _margin(row: Array, answer: int) -> float:
    others = np.delete(row, answer).max()
    return 0.0 if row[answer] == others else float(row[answer] - others)


def collapsed(result: Outcome) -> bool:
    """Whether the run gives one and the same prediction (class, number or text; white space around a text aside) for
    every example, or cannot tell any options apart."""
    if result.margin is not None and np.all(result.margin == 0):
        return True
    if result.prediction.dtype.kind in "OUT":
        return len({text.strip() for text in result.prediction}) == 1
    return len(np.unique(result.prediction)) == 1


# ---- metrics ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One metric. `given` names the column of a cell's examples that stands as `given_n`.

    `credit` is set for metrics that are means over examples: what each example counts, 0..1 (any shape that ends in n).
    `chance(gold_n, options_n)` is the expected value of guessing evenly among the options (or classes) of each example.
    `majority(gold_n)` is the value of the best constant prediction; None for generated text, where a constant answer
    is a text (`text_match.constant_credit`).
    """

    value: Callable[[Array | None, Array], float]
    resampled: Callable[[Array | None, Array, Array], Array]
    chance: Callable[[Array | None, Array | None], float]
    majority: Callable[[Array], float] | None
    credit: Callable[[Array | None, Array], Array] | None = None
    given: Literal["prediction", "correct"] = "prediction"

    def over_seeds(self, gold_n: Array | None, given_sn: Array) -> float:
        """Mean of the metric over seeds that answered the same examples, one row of `given_sn` a seed."""
        if self.credit is not None:  # a mean of means: taken at once, so that it is rounded once
            return float(self.credit(gold_n, given_sn).mean())
        return float(np.mean([self.value(gold_n, given_n) for given_n in given_sn]))


def _mean_of(credit: Callable[[Array | None, Array], Array], **rest: object) -> Metric:
    """The metric that is the mean of `credit` over examples."""

    def resampled(gold_n: Array | None, given_n: Array, counts_rn: Array) -> Array:
        return counts_rn @ credit(gold_n, given_n) / counts_rn.sum(axis=1)

    return Metric(lambda gold_n, given_n: float(credit(gold_n, given_n).mean()), resampled, credit=credit, **rest)


def _metric(resampled: Callable[[Array, Array, Array], Array], **rest: object) -> Metric:
    """The metric whose value is that of the sample in which every example is drawn once."""

    def value(gold_n: Array, given_n: Array) -> float:
        return float(resampled(gold_n, given_n, np.ones((1, len(given_n))))[0])

    return Metric(value, resampled, **rest)


def _right(gold_n: Array, given_n: Array) -> Array:
    return (given_n == gold_n).astype(float)


def matthews(gold_n: Array, given_n: Array, counts_rn: Array) -> Array:
    """Matthews correlation (replicates,) from resampled confusion counts, for any number of classes.

    R_K = (c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)), with s examples, c right ones, p_k predicted
    and t_k gold ones of class k (Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006); the usual coefficient for two
    classes. All sums are of whole numbers, hence exact.
    """
    classes = np.unique(np.concatenate([gold_n, given_n]))
    gold_rk = counts_rn @ (gold_n[:, None] == classes).astype(float)
    given_rk = counts_rn @ (given_n[:, None] == classes).astype(float)
    total_r, right_r = counts_rn.sum(axis=1), counts_rn @ _right(gold_n, given_n)
    joint_r = right_r * total_r - (gold_rk * given_rk).sum(axis=1)
    return _correlation(joint_r, *(total_r**2 - (part**2).sum(axis=1) for part in (gold_rk, given_rk)))


def f1(gold_n: Array, given_n: Array, counts_rn: Array) -> Array:
    """F1 of class 1 (replicates,): 2 true positives / (gold positives + predicted positives)."""
    gold, given = gold_n == POSITIVE, given_n == POSITIVE
    columns_nk = np.stack([gold & given, gold, given], axis=1).astype(float)
    both_r, gold_r, given_r = (counts_rn @ columns_nk).T
    return _ratio(2 * both_r, gold_r + given_r)


def pearson(gold_n: Array, given_n: Array, counts_rn: Array) -> Array:
    """Pearson correlation (replicates,) from resampled first and second moments.

    Both sides are centerd on their means over all examples first, so that little is lost when the moments are
    subtracted; a variance below 1e-12 of the second moment is taken for a constant side.
    """
    if not np.isfinite(given_n).all():
        return np.zeros(len(counts_rn))
    x_n, y_n = (side - side.mean() for side in (gold_n.astype(float), given_n.astype(float)))
    moments_rk = counts_rn @ np.stack([x_n, y_n, x_n * x_n, y_n * y_n, x_n * y_n], axis=1)
    x_r, y_r, xx_r, yy_r, xy_r = (moments_rk / counts_rn.sum(axis=1, keepdims=True)).T
    variances = [np.where(sq - mean**2 > CONSTANT * sq, sq - mean**2, 0) for mean, sq in ((x_r, xx_r), (y_r, yy_r))]
    return _correlation(xy_r - x_r * y_r, *variances)


def spearman(gold_n: Array, given_n: Array, counts_rn: Array) -> Array:
    """Spearman correlation (replicates,): Pearson correlation of mid-ranks, which are taken anew in each replicate."""
    if not np.isfinite(given_n).all():
        return np.zeros(len(counts_rn))
    chunks = [counts_rn[start : start + CHUNK] for start in range(0, len(counts_rn), CHUNK)]
    return np.concatenate([_spearman(gold_n, given_n, chunk_rn) for chunk_rn in chunks])


def _spearman(gold_n: Array, given_n: Array, counts_rn: Array) -> Array:
    x_rn, y_rn = _centerd_ranks(gold_n, counts_rn), _centerd_ranks(given_n, counts_rn)
    xx_r, yy_r, xy_r = ((counts_rn * a * b).sum(axis=1) for a, b in ((x_rn, x_rn), (y_rn, y_rn), (x_rn, y_rn)))
    return _correlation(xy_r, xx_r, yy_r)


def _centerd_ranks(values_n: Array, counts_rn: Array) -> Array:
    """Mid-rank of each example within each replicate, less the mean rank: halves of whole numbers, hence exact."""
    order = np.argsort(values_n, kind="stable")
    _, starts, group_n = np.unique(values_n[order], return_index=True, return_inverse=True)
    drawn_rg = np.add.reduceat(counts_rn[:, order], starts, axis=1)
    ranks_rg = np.cumsum(drawn_rg, axis=1) - (drawn_rg - 1) / 2
    ranks_rn = np.empty_like(counts_rn, dtype=float)
    ranks_rn[:, order] = ranks_rg[:, group_n]
    return ranks_rn - (counts_rn.sum(axis=1, keepdims=True) + 1) / 2


def _correlation(covariance_r: Array, gold_variance_r: Array, given_variance_r: Array) -> Array:
    """Correlation, 0 where a side is constant; clipped, because rounding may lead just beyond 1."""
    return np.clip(_ratio(covariance_r, np.sqrt(gold_variance_r) * np.sqrt(given_variance_r)), -1, 1)


def _ratio(above_r: Array, below_r: Array) -> Array:
    """Quotient, 0 where it is undefined."""
    return np.divide(above_r, below_r, out=np.zeros_like(below_r), where=below_r > 0)


# ---- baselines -------------------------------------------------------------------------------------------------------


def chance_baseline(options_n: Array) -> float:
    """Expected accuracy of guessing evenly: mean of 1 / (number of options or classes) over the examples."""
    return float(np.mean(1.0 / options_n))


def majority_baseline(gold_n: Array) -> float:
    """Accuracy of always giving the evaluation set's most frequent answer (class id or option position)."""
    return float(np.unique(gold_n, return_counts=True)[1].max() / len(gold_n))


def f1_chance_floor(gold_n: Array, options_n: Array) -> float:
    """Expected F1 of class 1 when each example is given class 1 with probability q = 1 / (number of classes).

    Given that m of the n examples are predicted positive, they are any m with equal probability, so m P / n of the P
    gold positives are among them on average and F1 is 2 (m P / n) / (P + m). Over m ~ Binomial(n, q):
    E[F1] = 2 (P / n) E[m / (P + m)], near 2 p q / (p + q) for p = P / n and large n.
    """
    n, positives = len(gold_n), int(np.sum(gold_n == POSITIVE))
    q = float(1 / options_n[0])
    if not positives:
        return 0.0
    m = np.arange(n + 1)
    steps = np.log((n - m[:-1]) / m[1:]) + np.log(q / (1 - q))  # log of successive ratios of the binomial's terms
    log_terms = n * np.log1p(-q) + np.concatenate([[0.0], np.cumsum(steps)])
    return float(2 * positives / n * np.sum(np.exp(log_terms) * m / (positives + m)))


def f1_majority_floor(gold_n: Array) -> float:
    """F1 of predicting class 1 throughout: 2 p / (1 + p) for a share p of gold positives. It is above chance."""
    share = float(np.mean(gold_n == POSITIVE))
    return 2 * share / (1 + share)


def _zero(*_: object) -> float:
    """Floor of the correlations: a constant prediction is 0 by convention, and a guess that ignores the example is 0 on
    average, because given its values every order of them is equally likely. Also chance of a free text."""
    return 0.0


def _as_given(_: Array | None, credit_n: Array) -> Array:
    return credit_n.astype(float)


_CORRELATION = {"chance": _zero, "majority": _zero}
_TEXT = _mean_of(_as_given, chance=_zero, majority=None, given="correct")

METRICS: dict[str, Metric] = {
    "accuracy": _mean_of(_right, chance=lambda _, options_n: chance_baseline(options_n), majority=majority_baseline),
    "matthews": _metric(matthews, **_CORRELATION),
    "f1": _metric(f1, chance=f1_chance_floor, majority=f1_majority_floor),
    "pearson": _metric(pearson, **_CORRELATION),
    "spearman": _metric(spearman, **_CORRELATION),
    "exact_match": _TEXT,
    "lenient_match": _TEXT,
    "token_f1": _TEXT,
}
