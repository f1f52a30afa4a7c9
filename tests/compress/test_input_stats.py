from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from obs_oracle import correlated_inputs, damped, statistics_of

from junkdna.compress import input_stats
from junkdna.compress.input_stats import InputStatistics, inverse_factor
from junkdna.errors import UserError

dtypes = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
seeds = st.integers(0, 2**32 - 1)


def whole_numbers(tokens, inputs, seed, largest=255):
    """Inputs of 8 bits, exact in every dtype, whose products in bfloat16 would not be."""
    return np.random.default_rng(seed).integers(-largest, largest, (tokens, inputs), endpoint=True)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(1, 6), seeds, dtypes, st.booleans())
def test_sums_that_float32_can_represent_are_exact_in_any_batches(batches, inputs, seed, dtype, gram):
    x = whole_numbers(sum(batches), inputs, seed)
    statistics = InputStatistics(inputs, gram=gram, device="cpu")
    for batch in torch.tensor(x).to(dtype).split(batches):
        statistics.add(batch)
    assert statistics.tokens == len(x)
    assert statistics.square_sums.tolist() == (x**2).sum(0).tolist()
    assert statistics.square_sums.dtype == torch.float32
    if gram:
        assert statistics.gram.dtype == torch.float32
        assert statistics.gram.tolist() == (x.T @ x).tolist()
    else:
        assert statistics.gram is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_sums_of_real_numbers_to_float32(dtype):
    x = correlated_inputs(500, 20, seed=0).to(dtype)
    exact = x.double().t() @ x.double()
    sizes = exact.diagonal().sqrt()
    wrong = (statistics_of(x).gram - exact).abs() / (sizes * sizes.unsqueeze(1))
    assert wrong.max() < 1e-6


def test_inputs_that_carry_gradients_are_let_go():
    x = torch.ones(3, 2, requires_grad=True)
    for gram in (False, True):
        assert not statistics_of(x, gram=gram).square_sums.requires_grad


@given(st.integers(1, 40), st.integers(1, 12), seeds, st.sampled_from([0.01, 0.1]))
def test_factor_is_the_triangular_root_of_the_inverse(tokens, inputs, seed, damping):
    statistics = statistics_of(correlated_inputs(tokens, inputs, seed))
    with patch.object(input_stats, "DAMPING", damping):
        factor = inverse_factor(statistics)
    assert factor.dtype == torch.float64
    assert torch.equal(factor, factor.triu())
    assert (factor.diagonal() > 0).all()
    expected = np.linalg.inv(damped(statistics, damping))
    np.testing.assert_allclose(factor.t() @ factor, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_row_of_the_factor_is_that_of_the_inverse_over_the_inputs_behind():
    statistics = statistics_of(correlated_inputs(60, 9, seed=3))
    factor, hessian = inverse_factor(statistics).numpy(), damped(statistics)
    for j in range(9):
        inverse = np.linalg.inv(hessian[j:, j:])
        np.testing.assert_allclose(factor[j, j] ** 2, inverse[0, 0], rtol=1e-9)
        np.testing.assert_allclose(factor[j, j] * factor[j, j:], inverse[0], rtol=0, atol=1e-9 * inverse.max())


def test_factor_scales_inversely():
    x = correlated_inputs(60, 9, seed=4)
    assert torch.equal(inverse_factor(statistics_of(4 * x)) * 4, inverse_factor(statistics_of(x)))


def test_dead_inputs_are_linked_to_none_and_change_nothing_for_the_others():
    dead = [0, 3, 8]
    x = correlated_inputs(60, 9, seed=5, dead=dead)
    factor = inverse_factor(statistics_of(x))
    live = [j for j in range(9) if j not in dead]
    torch.testing.assert_close(factor[live][:, live], inverse_factor(statistics_of(x[:, live])), rtol=1e-4, atol=0)
    for j in dead:
        assert factor[j].count_nonzero() == 1
        assert factor[:, j].count_nonzero() == 1
        assert 0 < factor[j, j] <= 1


def test_all_inputs_dead():
    assert torch.equal(inverse_factor(statistics_of(torch.zeros(5, 3))), torch.eye(3, dtype=torch.float64))


def test_fewer_tokens_than_inputs_are_enough():
    assert torch.isfinite(inverse_factor(statistics_of(correlated_inputs(1, 30, seed=6)))).all()


def test_factor_is_cached_until_tokens_are_added():
    x = correlated_inputs(60, 5, seed=7)
    statistics = statistics_of(x)
    first = inverse_factor(statistics)
    assert inverse_factor(statistics) is first
    statistics.add(x)
    torch.testing.assert_close(inverse_factor(statistics), first / 2**0.5, rtol=1e-4, atol=0)


def test_making_the_factor_leaves_the_sums():
    statistics = statistics_of(correlated_inputs(60, 5, seed=8, dead=[2]))
    before = statistics.gram.clone()
    inverse_factor(statistics)
    assert torch.equal(statistics.gram, before)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_broken_inputs(broken):
    x = torch.ones(4, 3)
    x[2, 1] = broken
    with pytest.raises(UserError, match=r"1 of 3 inputs have NaN or infinite.*bfloat16 or float32"):
        inverse_factor(statistics_of(x))


def test_no_tokens():
    with pytest.raises(UserError, match=r"no calibration tokens.*padding"):
        inverse_factor(InputStatistics(3, gram=True, device="cpu"))
    with pytest.raises(UserError, match="no calibration tokens"):
        inverse_factor(statistics_of(torch.zeros(0, 3)))


def test_sums_that_no_inputs_have():
    statistics = statistics_of(torch.ones(4, 2))
    statistics.gram[0, 1] = statistics.gram[1, 0] = 9  # beyond sqrt(4 * 4)
    with pytest.raises(UserError, match=r"4 calibration tokens is not positive definite, even with 0\.01"):
        inverse_factor(statistics)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_on_a_gpu(dtype):
    x = torch.tensor(whole_numbers(300, 64, seed=9, largest=15)).to("cuda", dtype)
    statistics = statistics_of(x)
    assert statistics.gram.is_cuda
    assert torch.equal(statistics.gram, (x.double().t() @ x.double()).float())  # below 2^24: every sum is exact
    factor = inverse_factor(statistics)
    assert factor.is_cuda
    torch.testing.assert_close(factor.cpu(), inverse_factor(statistics_of(x.cpu())))
