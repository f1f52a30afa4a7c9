"""Dividing a sparsity among blocks and a count among matrices, against numpy and counting one by one."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from junkdna.compress.allocation import divide, list_sparsities, owl_sparsities
from junkdna.errors import UserError

HALF = Fraction(1, 2)
blocks = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 50)), min_size=1, max_size=6)


def mean_of(sparsities, weights):
    return sum(sparsity * weight for sparsity, weight in zip(sparsities, weights, strict=True)) / sum(weights)


def test_a_list_with_the_right_mean_is_taken_as_it_is():
    found = list_sparsities(HALF, [64, 64, 64], [0.3, 0.5, 0.7])
    assert found == [Fraction(3, 10), HALF, Fraction(7, 10)]


def test_a_list_is_relative():
    assert list_sparsities(HALF, [64] * 3, [3, 5, 7]) == list_sparsities(HALF, [64] * 3, [0.3, 0.5, 0.7])
    assert list_sparsities(Fraction(1, 10), [64] * 3, [3, 5, 7]) == [Fraction(n, 50) for n in (3, 5, 7)]
    assert list_sparsities(HALF, [10, 30], [1, 3]) == [Fraction(1, 5), Fraction(3, 5)]  # (10/5 + 30 * 3/5) / 40 = 1/2


@given(blocks, st.sampled_from([0.1, 0.3, 0.5, 0.77]))
def test_the_mean_of_a_list_is_the_sparsity_exactly_or_it_is_refused(given_blocks, sparsity):
    weights, relative = zip(*given_blocks, strict=True)
    share = Fraction(str(sparsity))
    mean = np.average(relative, weights=weights)
    assume(mean > 0)
    if sparsity * max(relative) / mean > 1 + 1e-9:
        with pytest.raises(UserError, match="allocation"):
            list_sparsities(share, weights, relative)
    elif sparsity * max(relative) / mean < 1 - 1e-9:
        found = list_sparsities(share, weights, relative)
        assert mean_of(found, weights) == share
        np.testing.assert_allclose([float(each) for each in found], sparsity * np.array(relative) / mean)


def test_a_list_of_another_length_names_both():
    with pytest.raises(UserError, match=r"allocation lists 2 numbers for 3 compressed blocks.*one number for each"):
        list_sparsities(HALF, [1, 1, 1], [1, 2])


def test_a_list_that_cannot_reach_the_sparsity_names_the_highest():
    with pytest.raises(UserError, match=r"reach sparsity 0\.75: number 3 of the list, 0\.7,.* 105\.0 %.* is 0\.714:"):
        list_sparsities(Fraction(3, 4), [64] * 3, [0.3, 0.5, 0.7])
    assert max(list_sparsities(Fraction("0.714"), [64] * 3, [0.3, 0.5, 0.7])) < 1


def test_owl_by_hand():
    """Ratios 1, 2, 6 % have mean 3 %; the last is farthest, 3 % away, so 0.08 / 0.03 for each."""
    ratios = [Fraction(n, 100) for n in (1, 2, 6)]
    found = owl_sparsities(HALF, [64, 64, 64], ratios, 0.08)
    assert found == [HALF + Fraction(8, 150), HALF + Fraction(4, 150), HALF - Fraction(8, 100)]


@given(st.lists(st.integers(0, 40), min_size=2, max_size=8), st.sampled_from([0.3, 0.5, 0.7]))
def test_owl_is_the_rule_of_the_paper(outliers, sparsity):
    """Sparsities fall with the ratios in a straight line, have mean s, and stay in [s - lambda, s + lambda]."""
    ratios = np.array(outliers) / 400
    found = np.array(
        [float(each) for each in owl_sparsities(Fraction(str(sparsity)), [400] * len(ratios),
                                                [Fraction(n, 400) for n in outliers], 0.08)]
    )  # fmt: skip
    assert found.mean() == pytest.approx(sparsity, abs=1e-12)
    if ratios.min() == ratios.max():
        assert set(found) == {sparsity}
        return
    assert np.abs(found - sparsity).max() == pytest.approx(0.08, abs=1e-12)
    slope = (found[ratios.argmax()] - found[ratios.argmin()]) / (ratios.max() - ratios.min())
    assert slope < 0
    np.testing.assert_allclose(found, sparsity + slope * (ratios - ratios.mean()), atol=1e-12)


def test_owl_agrees_with_the_authors_code_where_the_extremes_are_equally_far():
    """Their code: keep ratios from D, minimum at 0, scaled to a range of 2 lambda, shifted to the mean 1 - s."""
    ratios = np.array([0.4, 1.0, 2.2, 2.8]) / 100  # mean 1.6, extremes 1.2 away
    keep = (ratios - ratios.min()) / (ratios.max() - ratios.min()) * 0.08 * 2
    keep = keep - keep.mean() + 0.4
    found = owl_sparsities(Fraction(3, 5), [9] * 4, [Fraction(n, 1000) for n in (4, 10, 22, 28)], 0.08)
    np.testing.assert_allclose([float(each) for each in found], 1 - keep, atol=1e-12)


def test_owl_weighs_blocks_of_different_sizes():
    found = owl_sparsities(HALF, [300, 100], [Fraction(1, 100), Fraction(5, 100)], 0.09)
    assert found == [HALF + Fraction(3, 100), HALF - Fraction(9, 100)]
    assert mean_of(found, [300, 100]) == HALF


def test_the_largest_remainders_are_rounded_up():
    shares = {"a": Fraction(13, 10), "b": Fraction(19, 10), "c": Fraction(18, 10)}
    assert divide(5, shares) == {"a": 1, "b": 2, "c": 2}
    assert divide(4, dict.fromkeys("abc", Fraction(4, 3))) == {"a": 2, "b": 1, "c": 1}  # ties: the first
    assert divide(0, shares) == {"a": 0, "b": 0, "c": 0}


@given(st.lists(st.integers(0, 99), min_size=1, max_size=7).filter(any), st.integers(0, 500))
def test_counts_sum_to_the_total_and_are_rounded_by_less_than_one(parts, total):
    shares = {str(number): Fraction(part) for number, part in enumerate(parts)}
    counts = divide(total, shares)
    assert sum(counts.values()) == total
    exact = {name: Fraction(total) * share / sum(parts) for name, share in shares.items()}
    assert all(abs(counts[name] - exact[name]) < 1 for name in shares)
    up = [exact[name] % 1 for name in shares if counts[name] > exact[name]]
    down = [exact[name] % 1 for name in shares if counts[name] < exact[name]]
    assert not up or not down or min(up) >= max(down)
