"""Broken and fixed answers, kappa, and McNemar's test: against scikit-learn and SciPy."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from junkdna.analysis.changed_answers import broken, combined_p, kappa, mcnemar


def test_broken_answers_were_right_and_are_wrong():
    dense, other = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert broken(dense, other).tolist() == [False, True, False, False]
    assert broken(other, dense).tolist() == [False, False, True, False]


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_kappa_is_scikit_learns(classes, seed):
    rng = np.random.default_rng(seed)
    one = rng.integers(0, classes, 50)
    other = np.where(rng.random(50) < 0.6, one, rng.integers(0, classes + 1, 50))
    assert kappa(one.astype(float), other.astype(float)) == pytest.approx(cohen_kappa_score(one, other))


def test_kappa_of_constant_answers():
    same = np.ones(20)
    assert np.isnan(kappa(same, same))
    assert kappa(same, np.zeros(20)) == 0
    assert kappa(same, np.arange(20) % 2) == 0


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (0, 6), (3, 3), (12, 4), (4, 12), (200, 150), (90, 40)])
def test_mcnemar_is_an_exact_binomial_test(counts):
    total = sum(counts)
    wanted = binomtest(counts[0], total).pvalue if total else 1.0
    assert mcnemar(*counts) == pytest.approx(wanted, rel=1e-9)


def test_several_p_values_become_twice_their_mean():
    assert combined_p([0.03]) == 0.03
    assert combined_p([0.02, 0.04]) == pytest.approx(0.06)
    assert combined_p([0.9, 0.8, 1.0]) == 1


def test_the_combined_p_value_holds_its_level_for_runs_that_share_their_examples():
    """Two runs of which one copies half of the other's changes: at most 5 % of p-values below .05 under the null."""
    rng, below = np.random.default_rng(3), 0
    for _ in range(2000):
        first = rng.integers(0, 2, 30)
        second = np.where(np.arange(30) < 15, first, rng.integers(0, 2, 30))
        below += combined_p([mcnemar(int(run.sum()), int(30 - run.sum())) for run in (first, second)]) < 0.05
    assert below / 2000 <= 0.05
