"""Data fractions: sizes, nesting, shares of the classes, the authors' slice."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise, product

import pytest
from datasets import ReadInstruction
from hypothesis import given
from hypothesis import strategies as st

from junkdna.errors import UserError
from junkdna.train.subset import check_targets, subset

KEY = ("mood", 0)
PERCENTS = (10, 25, 50, 70, 100)
percents = st.integers(1, 100)
classes = st.lists(st.integers(0, 2), min_size=30, max_size=200)


def positions(rows: int) -> list[int]:
    return list(range(rows))


@given(st.integers(1, 300), percents, st.sampled_from(["random", "first"]), st.integers(0, 5))
def test_size_order_and_rows(rows, percent, how, seed):
    kept = subset(None, positions(rows), percent, how, ("sts", seed))
    assert len(kept) == max(1, round(rows * percent / 100))
    assert kept == sorted(set(kept))
    assert set(kept) <= set(range(rows))


@given(st.lists(st.integers(0, 2), min_size=3, max_size=60), st.sampled_from(["random", "first"]))
def test_all_rows_in_stored_order_at_100(answers, how):
    for given_answers in (answers, None):
        assert subset(given_answers, positions(len(answers)), 100, how, KEY) == positions(len(answers))


@given(classes, st.booleans(), st.integers(0, 5))
def test_smaller_fractions_lie_inside_larger_ones(answers, stratified, seed):
    kept = [set(subset(answers if stratified else None, positions(len(answers)), p, "random", ("t", seed)))
            for p in PERCENTS]  # fmt: skip
    assert all(small <= large for small, large in pairwise(kept))


@given(classes, st.integers(10, 100))
def test_classes_are_apportioned_as_sainte_lague_does(answers, percent):
    """Balinski and Young's criterion: no place would be better used by another class, a class's first place aside."""
    kept = subset(answers, positions(len(answers)), percent, "random", KEY)
    counts, places = Counter(answers), Counter(answers[row] for row in kept)
    assert places.keys() == counts.keys()
    for label, other in product(counts, repeat=2):
        if places[label] > 1:
            assert Fraction(counts[other], 2 * places[other] + 1) <= Fraction(counts[label], 2 * places[label] - 1)


@given(st.lists(st.integers(0, 1), min_size=60, max_size=400).filter(lambda rows: 10 <= sum(rows) <= len(rows) - 10),
       st.integers(10, 100))  # fmt: skip
def test_shares_of_two_classes_stay_within_one_row(answers, percent):
    kept = subset(answers, positions(len(answers)), percent, "random", KEY)
    share = sum(answers) * len(kept) / len(answers)
    assert abs(sum(answers[row] for row in kept) - share) < 1


def test_a_rare_class_is_kept_at_least_once():
    answers = [1] + [0] * 999
    for percent in (1, 10, 50):
        kept = subset(answers, positions(1000), percent, "random", KEY)
        assert sum(answers[row] for row in kept) == 1
        assert len(kept) == 10 * percent


def test_fewer_rows_than_classes_is_an_error():
    answers = [0, 1, 2, 3, 4] * 6
    with pytest.raises(UserError, match=r"data_fraction 10 keeps 3 of 30 .* none of class .*Raise data_fraction"):
        subset(answers, positions(30), 10, "random", KEY)
    kept = subset(answers, positions(30), 17, "random", KEY)
    assert sorted(answers[row] for row in kept) == [0, 1, 2, 3, 4]


def test_sorted_file_cannot_be_cut_at_its_top():
    answers = [0] * 50 + [1] * 50
    with pytest.raises(UserError, match=r"data_fraction 25 keeps .* none of class 1, .*subset: random"):
        subset(answers, positions(100), 25, "first", KEY)
    assert len(subset(answers, positions(100), 51, "first", KEY)) == 51


def test_the_draw_is_of_task_and_seed_alone():
    answers = [k % 2 for k in range(200)]
    draw = {key: subset(answers, positions(200), 10, "random", key) for key in [KEY, ("mood", 1), ("other", 0)]}
    assert subset(answers, positions(200), 10, "random", KEY) == draw[KEY]
    assert len({tuple(kept) for kept in draw.values()}) == 3
    assert subset(answers, positions(200), 10, "first", KEY) == subset(answers, positions(200), 10, "first", ("x", 9))


@pytest.mark.parametrize("stratified", [True, False])
def test_every_row_of_a_class_is_as_likely(stratified):
    """400 seeds at 25 %: each row is drawn 100 times, give or take (standard deviation at most 8.7)."""
    answers = [0] * 30 + [1] * 10
    classes = answers if stratified else None
    kept = [subset(classes, positions(40), 25, "random", ("t", seed)) for seed in range(400)]
    drawn = Counter(row for rows in kept for row in rows)
    assert all(100 - 45 < drawn[row] < 100 + 45 for row in range(40))


@given(st.integers(1, 5000), percents)
def test_first_is_the_slice_that_datasets_takes(rows, percent):
    (theirs,) = ReadInstruction.from_spec(f"train[:{percent}%]").to_absolute({"train": rows})
    kept = subset(None, positions(rows), percent, "first", KEY)
    assert kept == list(range(max(1, theirs.to)))  # an empty slice of theirs is one row here


@given(st.permutations(range(40)), percents)
def test_first_goes_by_the_rows_of_the_source(order, percent):
    """The table may be stored in another order than its source."""
    size = max(1, round(40 * percent / 100))
    kept = subset(None, order, percent, "first", KEY)
    assert {order[row] for row in kept} == set(range(size))
    assert kept == sorted(kept)


@pytest.mark.parametrize("percent", [0, -5, 101])
def test_percentage_out_of_range_is_refused(percent):
    with pytest.raises(UserError, match=rf"data_fraction {percent}: .* from 1 to 100"):
        subset(None, positions(10), percent, "random", KEY)


def test_unknown_rule_gives_close_names():
    with pytest.raises(UserError, match=r"unknown subset 'fist'. Did you mean 'first'"):
        subset(None, positions(10), 50, "fist", KEY)


def test_numbers_that_are_all_the_same_are_refused():
    check_targets([1.0, 2.0], 10)
    with pytest.raises(UserError, match=r"data_fraction 10: the 2 train rows that it keeps all have the target 1\.5"):
        check_targets([1.5, 1.5], 10)
