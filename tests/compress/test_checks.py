from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress import chunks
from junkdna.compress.checks import (
    check_divides,
    check_matrix,
    check_weights,
    group_size,
    keep_count,
    kept_rank,
    prune_count,
)
from junkdna.errors import UserError


@given(st.integers(0, 10**10), st.integers(0, 10_000))
def test_count_is_exact_for_decimal_sparsities(total, ten_thousandths):
    assert prune_count(total, ten_thousandths / 10_000) == total * ten_thousandths // 10_000


@given(st.integers(0, 10**10), st.integers(0, 10_000))
def test_kept_and_pruned_make_all_or_all_but_one(total, ten_thousandths):
    sparsity = ten_thousandths / 10_000
    assert keep_count(total, sparsity) == total * (10_000 - ten_thousandths) // 10_000
    whole = total * ten_thousandths % 10_000 == 0
    assert keep_count(total, sparsity) + prune_count(total, sparsity) == total - (not whole)


def test_count_when_the_float_product_is_too_small():
    total = 85_000_010  # the size of a base encoder; a fixed 1e-9 is below one unit in the last place here
    assert int(total * 0.7 + 1e-9) == 59_500_006
    assert prune_count(total, 0.7) == 59_500_007


@pytest.mark.parametrize("level", [70, -0.1, float("nan"), float("inf")])
def test_a_fraction_outside_0_to_1_fails_an_assertion(level):
    for count in (prune_count, keep_count, partial(kept_rank, 100)):
        with pytest.raises(AssertionError):
            count(100, level)


def test_group_zero_is_one_group_per_row():
    assert group_size(576, 0) == 576
    assert group_size(576, 64) == 64


@pytest.mark.parametrize(
    ("inputs", "group", "words"),
    [
        (96, 128, r"group 128 does not divide the 96 inputs.*one of \[8, 12, 16, 24, 32, 48\] or 0\.$"),
        (600, 128, r"use one of \[8, 10, 12, 15, 20, 24, 25, 30, 40, 50, 60, 75, 100, 120, 150, 200, 300\] or 0"),
        (37, 8, r"For this matrix, use 0\.$"),
    ],
)
def test_bad_group(inputs, group, words):
    with pytest.raises(UserError, match=words):
        group_size(inputs, group)


def test_divides():
    check_divides(8, 4)
    with pytest.raises(UserError, match=r"\(6 = 1 x 4 \+ 2\): use one of \[2, 3, 6\] for `of`"):
        check_divides(6, 4)
    with pytest.raises(UserError, match="leave this matrix out"):
        check_divides(37, 4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_name_their_matrix(bad):
    with pytest.raises(UserError, match=r"layer\.b: 1 of 4 weights are NaN or infinite"):
        check_weights({"layer.a": torch.ones(2, 2), "layer.b": torch.tensor([[1.0, bad], [0.0, 2.0]])})
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        with pytest.raises(UserError, match=r"^1 of 4 weights are NaN or infinite"):
            check_matrix(torch.tensor([[1.0, bad], [0.0, 2.0]], dtype=dtype))


def test_the_largest_finite_weights_pass():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        check_weights({"w": torch.tensor([[torch.finfo(dtype).max, -torch.finfo(dtype).max]], dtype=dtype)})


def test_two_bad_weights_in_different_parts_are_found(monkeypatch):
    monkeypatch.setattr(chunks, "CPU_CHUNK", 3)
    weight = torch.ones(3, 4)
    weight[0, 0] = weight[2, 3] = float("nan")
    with pytest.raises(UserError, match=r"^b: 2 of 12"):
        check_weights({"a": torch.ones(2, 2), "b": weight.t()})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("bad", [float("nan"), -float("inf")])
def test_cuda_weights_that_are_not_finite(bad):
    weight = torch.ones(300, 300, device="cuda", dtype=torch.bfloat16)
    check_weights({"w": weight})
    weight[299, 1] = bad
    with pytest.raises(UserError, match=r"^w: 1 of 90000"):
        check_weights({"w": weight})


def test_no_weights():
    with pytest.raises(UserError, match="scope contains no matrix"):
        check_weights({})


@pytest.mark.parametrize("weight", [torch.ones(3), torch.ones(2, 2, dtype=torch.int8), torch.ones(0, 2)])
def test_anything_but_a_float_matrix_fails_an_assertion(weight):
    with pytest.raises(AssertionError, match="w:"):
        check_weights({"w": weight})
    with pytest.raises(AssertionError, match="weight:"):
        check_matrix(weight)
