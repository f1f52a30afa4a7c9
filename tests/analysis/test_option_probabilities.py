"""Softmax, divergence, temperature and information: by hand, and against SciPy."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from junkdna.analysis.option_probabilities import (
    bits_per_byte,
    blind_nll,
    fitted_temperature,
    kl_divergence,
    log_probabilities,
    nll,
)

RNG = np.random.default_rng(0)
LISTS = [RNG.normal(size=2 + i % 4) for i in range(40)]
OPTIONS = np.array([len(row) for row in LISTS])
SCORES = np.full((40, 5), -np.inf)
for at, row in enumerate(LISTS):
    SCORES[at, : len(row)] = row
GOLD = np.array([int(RNG.integers(len(row))) for row in LISTS])


@pytest.mark.parametrize("temperature", [1, 0.05, 7])
def test_probabilities_are_the_softmax_of_the_options_there_are(temperature):
    found = log_probabilities(SCORES, OPTIONS, temperature)
    for at, row in enumerate(LISTS):
        np.testing.assert_allclose(found[at, : len(row)], log_softmax(row / temperature), rtol=1e-12)
        assert np.isneginf(found[at, len(row) :]).all()


def test_the_likelihood_of_the_gold_options():
    wanted = [-log_softmax(row)[gold] for row, gold in zip(LISTS, GOLD, strict=True)]
    np.testing.assert_allclose(nll(log_probabilities(SCORES, OPTIONS), GOLD), wanted)


def test_divergence_by_hand():
    """p = (3/4, 1/4), q = (1/2, 1/2): 3/4 log(3/2) + 1/4 log(1/2)."""
    p = log_probabilities(np.log([[3.0, 1.0]]), np.array([2]))
    q = log_probabilities(np.array([[5.0, 5.0]]), np.array([2]))
    assert kl_divergence(p, q) == pytest.approx([0.75 * np.log(1.5) + 0.25 * np.log(0.5)])
    assert kl_divergence(q, p) == pytest.approx([0.5 * np.log(2 / 3) + 0.5 * np.log(2)])


def test_divergence_is_scipys():
    other = SCORES + np.random.default_rng(1).normal(size=SCORES.shape)
    found = kl_divergence(log_probabilities(SCORES, OPTIONS), log_probabilities(other, OPTIONS))
    wanted = [entropy(softmax(s[:n]), softmax(o[:n])) for s, o, n in zip(SCORES, other, OPTIONS, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    assert (found > 0).all()


def test_an_impossible_option_makes_the_divergence_infinite_and_not_undefined():
    certain = log_probabilities(np.array([[0.0, -np.inf]]), np.array([2]))
    even = log_probabilities(np.array([[0.0, 0.0]]), np.array([2]))
    assert kl_divergence(certain, even) == pytest.approx([np.log(2)])
    assert np.isposinf(kl_divergence(even, certain)).all()


def test_broken_scores_give_probabilities_or_nan():
    scores = np.array([[np.nan, 1.0, 2.0], [np.nan] * 3, [-np.inf, -np.inf, -np.inf], [np.inf, 0.0, 0.0]])
    found = np.exp(log_probabilities(scores, np.array([3, 2, 3, 3])))
    np.testing.assert_allclose(found[0], [0, *softmax([1, 2])])
    np.testing.assert_allclose(found[1], [0.5, 0.5, 0])
    np.testing.assert_allclose(found[2], [1 / 3] * 3)
    assert np.isnan(found[3]).all()


def informed(strength: float) -> np.ndarray:
    """Cosines of which that of the gold option is higher by `strength` on average."""
    scores = SCORES * 0.1
    scores[np.arange(40), GOLD] += strength
    return scores


@pytest.mark.parametrize("strength", [0.05, 0.1, 0.15])
def test_the_temperature_has_the_least_loss(strength):
    scores = informed(strength)

    def loss(inverse: np.ndarray) -> float:
        rows = zip(scores, OPTIONS, GOLD, strict=True)
        return float(np.mean([-log_softmax(row[:n] * inverse[0])[gold] for row, n, gold in rows]))

    best = minimize(loss, [5.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13}).x[0]
    assert 1 / fitted_temperature(scores, OPTIONS, GOLD) == pytest.approx(best, rel=1e-4)


def test_there_is_no_temperature_for_scores_that_say_nothing_or_everything():
    assert fitted_temperature(informed(-0.3), OPTIONS, GOLD) is None
    assert fitted_temperature(informed(100.0), OPTIONS, GOLD) is None
    assert fitted_temperature(np.where(OPTIONS[:, None] > np.arange(5), 1.0, -np.inf), OPTIONS, GOLD) is None
    broken = informed(0.1)
    broken[3, 1] = np.nan
    assert fitted_temperature(broken, OPTIONS, GOLD) is None


def test_what_is_known_without_the_input():
    options = np.array([2, 4, 4])
    assert blind_nll(np.array([0, 1, 0]), options, classes=False) == pytest.approx(np.log(options))
    gold = np.array([0] * 6 + [2] * 3 + [1])
    found = blind_nll(gold, np.full(10, 3), classes=True)
    assert found == pytest.approx(-np.log([0.6] * 6 + [0.3] * 3 + [0.1]))
    assert found.mean() == pytest.approx(entropy([0.6, 0.3, 0.1]))
    assert (blind_nll(np.zeros(5, int), np.full(5, 2), classes=True) == 0).all()


def test_bits_per_byte_by_hand():
    """Two bytes with a likelihood of 1/16 cost four bits, two a byte."""
    assert bits_per_byte(np.log([1 / 16, 1 / 2]), np.array([2.0, 4.0])) == pytest.approx([2, 0.25])
