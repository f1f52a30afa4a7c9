"""Broken and fixed answers, kappa, and McNemar's test: against scikit-learn, SciPy and all signs of few clusters."""

from itertools import product

import numpy as np
import pytest
from planted_clusters import changes, modified_obuchowski, rejected
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
    broken_n, fixed_n = np.arange(500) < counts[0], np.arange(500) >= 500 - counts[1]
    assert mcnemar(broken_n, fixed_n) == pytest.approx(wanted, rel=1e-9)
    each_its_own = np.random.default_rng(0).permutation(500)
    assert mcnemar(broken_n, fixed_n, each_its_own) == mcnemar(broken_n, fixed_n)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 2, 3, 4), (5, 5, 1, 1, 7), (1, 1, 1, 1), (3, 1, 8, 2, 2, 6, 4)])
@pytest.mark.parametrize("seed", range(5))
def test_clusters_have_random_signs(sizes, seed):
    """All signs tried, one by one."""
    rng = np.random.default_rng(seed)
    cluster_n = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    direction = rng.choice([-1, 0, 1], len(cluster_n), p=[0.2, 0.3, 0.5])
    net = [direction[cluster_n == at].sum() for at in range(len(sizes))]
    sums = np.array([np.dot(signs, net) for signs in product((-1, 1), repeat=len(sizes))])
    wanted = np.mean(np.abs(sums) >= abs(sum(net)))
    assert mcnemar(direction == 1, direction == -1, cluster_n) == pytest.approx(wanted, rel=1e-9)


def test_a_passage_with_all_answers_broken_counts_once():
    """Ten answers of one passage break and nothing else changes: the sign of one passage says nothing."""
    broken_n, none_n = np.arange(100) < 10, np.zeros(100, bool)
    assert mcnemar(broken_n, none_n, np.arange(100) // 10) == 1
    assert mcnemar(broken_n, none_n) == pytest.approx(2 / 1024)


def test_many_clusters_agree_with_the_modified_obuchowski_test():
    name = "200 clusters of 1 to 20, correlation 0.6"
    for study in range(20):
        found, theirs = mcnemar(*changes(name, study)), modified_obuchowski(*changes(name, study))
        assert found == pytest.approx(theirs, abs=0.05)


def test_mcnemars_test_holds_its_level_in_clusters():
    """400 studies; 32 or more below 0.05 have a chance of 0.004 at a level of 0.05."""
    studies = [dict(rejected("200 clusters of 1 to 20, correlation 0.6", study)) for study in range(400)]
    assert sum(each["clusters"] for each in studies) < 32
    assert sum(each["clusters"] for each in studies) >= 8  # and has not lost its power
    assert sum(each["single answers"] for each in studies) >= 50


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
        below += combined_p([mcnemar(run, 1 - run) for run in (first, second)]) < 0.05
    assert below / 2000 <= 0.05
