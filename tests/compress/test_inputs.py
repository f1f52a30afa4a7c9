import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.inputs import check_keep_of, check_weights, prune_count
from junkdna.errors import UserError


@given(st.integers(0, 10**10), st.integers(0, 10_000))
def test_count_is_exact_for_decimal_sparsities(total, ten_thousandths):
    assert prune_count(total, ten_thousandths / 10_000) == total * ten_thousandths // 10_000


def test_count_where_the_float_product_falls_short():
    total = 85_000_010  # the size of a base encoder; a fixed 1e-9 is below one unit in the last place here
    assert int(total * 0.7 + 1e-9) == 59_500_006
    assert prune_count(total, 0.7) == 59_500_007


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (70, "0.7 means 70 % pruned.*looks like a percentage: write 0.7"),
        (-0.1, "from 0 to 1"),
        (101, r"from 0 to 1 \(0.7 means 70 % pruned\)\.$"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ((2, 4), "belongs to method 'nm'"),
        ("0.5", "'0.5'"),
        (True, "True"),
        (None, "None"),
    ],
)
def test_bad_sparsity(level, words):
    with pytest.raises(UserError, match=words):
        prune_count(100, level)


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ((4, 2), r"keep 4, of 2.*swapped: \(2, 4\)"),
        ((-1, 4), "keep -1, of 4"),
        ((0, 0), "of >= 1"),
        ((1, -4), "of >= 1"),
        (0.5, "belongs to 'magnitude'"),
        ((2,), "pair"),
        ((2.0, 4), "whole numbers"),
        ("24", "'24'"),
    ],
)
def test_bad_keep_of(level, words):
    with pytest.raises(UserError, match=words):
        check_keep_of(level)


def test_keep_of_from_a_yaml_list():
    assert check_keep_of([2, 4]) == (2, 4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_name_their_matrix(bad):
    with pytest.raises(UserError, match=r"layer\.b: 1 of 4 weights are NaN or infinite"):
        check_weights({"layer.a": torch.ones(2, 2), "layer.b": torch.tensor([[1.0, bad], [0.0, 2.0]])})


def test_no_weights():
    with pytest.raises(UserError, match="matched no matrix"):
        check_weights({})


@pytest.mark.parametrize("weight", [torch.ones(3), torch.ones(2, 2, dtype=torch.int8), torch.ones(2, 2, 2)])
def test_what_is_no_float_matrix_is_our_own_mistake(weight):
    with pytest.raises(AssertionError, match="w:"):
        check_weights({"w": weight})
