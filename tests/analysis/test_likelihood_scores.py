"""Log-likelihoods in the analysis: retention is a share of information, and a perfect score is 0 bits."""

import numpy as np
import polars as pl
import pytest

from junkdna.analysis import retention
from junkdna.analysis.collect import check
from junkdna.analysis.effects import effects
from junkdna.analysis.scores import Answers, Scores
from junkdna.errors import UserError
from junkdna.study.metrics import METRIC_KINDS, perfect_score

METRIC = "log2_likelihood_per_byte"
N = 80


def scores() -> tuple[Scores, np.ndarray, dict[str, np.ndarray]]:
    """A dense model, a compressed one, and the dense model without the question."""
    rng = np.random.default_rng(4)
    blind = -rng.gamma(6, 0.2, N)
    dense = blind + rng.gamma(3, 0.1, N)
    given = {"dense": dense[None], "pruned": dense[None] - rng.gamma(2, 0.05, N)}
    ids = tuple(f"r{i}" for i in range(N))
    return Scores(lambda name: Answers(METRIC, ids, blind, given[name], seeds=(0,)), 2000), blind, given


def test_retention_is_the_share_of_usable_information():
    engine, blind, given = scores()
    row = effects(engine, "pruned", "dense", float(blind.mean()))
    h0, dense, pruned = (-values.mean() for values in (blind, given["dense"], given["pruned"]))
    assert row["retention"] == pytest.approx((h0 - pruned) / (h0 - dense))
    assert 0 < row["retention_low"] < row["retention"] < row["retention_high"] < 1
    assert row["drop"] == pytest.approx(pruned - dense)  # bits per byte more than dense
    assert row["relative_score"] is None  # a quotient of negative numbers says nothing
    low, high = np.quantile(bootstrap(blind, given), [0.025, 0.975])
    assert (row["retention_low"], row["retention_high"]) == pytest.approx((low, high), abs=0.02)


def bootstrap(blind: np.ndarray, given: dict[str, np.ndarray]) -> list[float]:
    """Retention of resampled examples against the fixed baseline, by a plain loop."""
    rng, found = np.random.default_rng(0), []
    for _ in range(2000):
        at = rng.integers(0, N, N)
        dense, pruned = given["dense"][0, at].mean(), given["pruned"][:, at].mean()
        found.append((pruned - blind.mean()) / (dense - blind.mean()))
    return found


def test_known_share_ends_at_the_perfect_score_of_each_metric():
    assert {name: perfect_score(name) for name in METRIC_KINDS} == dict.fromkeys(METRIC_KINDS, 1) | {METRIC: 0}
    assert retention.known_share(-0.9, -1.2, perfect_score(METRIC)) == pytest.approx(0.25)
    assert retention.known_share(0.7, 0.25, perfect_score("accuracy")) == pytest.approx(0.6)
    both = retention.known_share(np.array([[-0.9], [0.7]]), np.array([[-1.2], [0.25]]), np.array([[0], [1]]))
    assert both[:, 0] == pytest.approx([0.25, 0.6])


def test_d_prime_without_options_is_the_probit_of_the_known_share():
    from scipy.stats import norm

    assert retention.d_prime(np.array([-0.9]), None, -1.2, 0) == pytest.approx(norm.ppf(0.25))
    assert np.isnan(retention.d_prime(np.array([-1.3, 0]), None, -1.2, 0)).all()


@pytest.mark.parametrize("name", ["score", "chance", "majority"])
def test_a_table_takes_negative_scores_and_baselines_of_this_metric_only(name):
    row = {"cell": "c", "metric": METRIC, "score": -0.9, "chance": -1.2, "majority": -1.2, "truncated": 0.0,
           "achieved_sparsity": 0.5, "effective_bits_per_weight": 9.0}  # fmt: skip
    check(pl.DataFrame([row]))
    with pytest.raises(UserError, match=rf"{name} is 0.1, but must lie in -inf\.\.0 as {METRIC}"):
        check(pl.DataFrame([row | {name: 0.1}]))
    accuracy = row | {"metric": "accuracy", "score": 0.5, "chance": 0.25, "majority": 0.25}
    check(pl.DataFrame([accuracy]))
    with pytest.raises(UserError, match=rf"{name} is -0.1"):
        check(pl.DataFrame([accuracy | {name: -0.1}]))
