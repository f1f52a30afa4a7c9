"""Intervals of the table of behavior."""

import numpy as np
import pytest
from planted_behavior import (
    IDS,
    REPLICATES,
    N,
    deciding,
    pairs,
    row_of,
    table,
)
from scipy.special import log_softmax
from scipy.stats import entropy, t

from junkdna.analysis.behavior import intervals
from junkdna.analysis.draws import Draws, clusters
from junkdna.analysis.intervals import Panel
from junkdna.analysis.mean_panels import mean_panels
from junkdna.analysis.option_probabilities import blind_nll


def test_intervals_are_those_of_a_slow_bootstrap(planted_study):
    """One seed: percentiles over drawn passages."""
    resolved, answers, facts = planted_study
    row = row_of(table(resolved, facts), experiment="per_token")
    ((dense, other),) = pairs(answers, row)
    cluster = clusters(dense["cluster"].to_list())
    right = [frame["correct"].to_numpy() == 1 for frame in (dense, other)]
    gold = dense["gold"].to_numpy().astype(int)
    p, q = (log_softmax(deciding(frame, row), axis=1) for frame in (dense, other))
    values: dict[str, list] = {"broken": [], "kl_divergence": [], "information_retained": []}
    for _, counts in Draws(tuple(IDS), REPLICATES, cluster).blocks():
        for drawn in counts.astype(int):
            sample = np.repeat(np.arange(N), drawn)
            values["broken"].append((right[0] & ~right[1])[sample].mean())
            values["kl_divergence"].append(entropy(np.exp(p[sample]), np.exp(q[sample]), axis=1).mean())
            nlls = [-each[sample, gold[sample]].mean() for each in (q, p)]
            values["information_retained"].append((np.log(4) - nlls[0]) / (np.log(4) - nlls[1]))
    for name, replicated in values.items():
        low, high = np.quantile(replicated, [0.025, 0.975])
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high), rel=1e-3)


@pytest.mark.parametrize("classes", [True, False])
def test_the_baseline_of_information_is_drawn_with_the_likelihoods(classes):
    """Questions with more options, and rare classes, are harder for a model with and without the input."""
    rng, n = np.random.default_rng(2), 300
    options = np.full(n, 8) if classes else rng.choice([2, 4, 8], n)
    gold = rng.choice(8, n, p=np.array([43, 22, 11, 6, 6, 4, 4, 4]) / 100) if classes else np.zeros(n, int)
    blind = blind_nll(gold, options, classes)
    dense = blind * 0.6 + rng.gamma(4, 0.02, n)
    other = dense + rng.gamma(20, 0.005, n)
    draws = Draws(tuple(map(str, range(n))), 2000)
    none = np.zeros((3, n))
    row = intervals(mean_panels({"a": np.stack([*none, other, dense, blind])[None]}, draws)["a"], n)
    kept, fixed = [], []
    for _, counts in draws.blocks():
        for drawn in counts.astype(int):
            at = np.repeat(np.arange(n), drawn)
            h0 = entropy(np.bincount(gold[at])) if classes else np.log(options[at]).mean()
            kept.append((h0 - other[at].mean()) / (h0 - dense[at].mean()))
            fixed.append((blind.mean() - other[at].mean()) / (blind.mean() - dense[at].mean()))
    low, high = np.quantile(kept, [0.025, 0.975])
    assert (row["information_retained_low"], row["information_retained_high"]) == pytest.approx(
        (low, high), abs=0.01 if classes else 1e-4
    )
    width = row["information_retained_high"] - row["information_retained_low"]
    assert width < 0.8 * np.ptp(np.quantile(fixed, [0.025, 0.975]))


def test_seeds_widen_an_interval():
    """high = T + sqrt(t^2 V + (u - T)^2), with V the jackknife variance of three seeds."""
    value, replicates = np.array([0.4, 0.1, 0.2, 1.0, 0.8, 1.4]), np.random.default_rng(0).random((6, 200))
    left_out = value[:, None] + np.array([-0.02, 0.0, 0.02])
    row = intervals(Panel(value, replicates, left_out), units=50)
    variance = 2 / 3 * 2 * 0.02**2
    upper = np.quantile(replicates[0], 0.975) - 0.4
    assert row["broken_high"] == pytest.approx(min(1, 0.4 + (t.ppf(0.975, 2) ** 2 * variance + upper**2) ** 0.5))
    assert row["information_retained"] == pytest.approx(0.4 / 0.6)
    assert row["kl_divergence_low"] >= 0
