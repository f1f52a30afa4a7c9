import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from quant_oracle import nearest_point, points_of

from junkdna.compress.quant_grid import Grid, cast, fit, nearest

all_bits = st.sampled_from([2, 3, 4, 8])
half_steps = st.lists(st.integers(-1000, 1000), min_size=1, max_size=12)  # ties, zeros, groups of one sign


def normal_group(seed, size, dtype):
    """Weights that are halfway between two points only because of the grid (the largest of a symmetric grid), so that
    floating-point and exact arithmetic choose the same points."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=size)).to(dtype)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    all_bits,
    st.booleans(),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_grid_and_rounding_are_those_of_exact_arithmetic(seed, size, bits, symmetric, dtype):
    weights = normal_group(seed, size, dtype)
    scale, codes, rule = points_of(weights.tolist(), bits, symmetric)
    grid = fit(weights, bits, symmetric)
    close = {"rtol": 8 * torch.finfo(dtype).eps, "atol": 0}
    assert (grid.lowest.item(), grid.highest.item()) == (codes[0], codes[-1])
    np.testing.assert_allclose(grid.scale.item(), float(scale), **close)
    expected = [nearest_point(value, scale, codes, rule) for value in weights.tolist()]
    np.testing.assert_allclose(nearest(weights, grid).tolist(), expected, **close)


@given(half_steps, all_bits, st.booleans())
def test_zero_is_a_point_and_no_weight_is_more_than_half_a_step_away(values, bits, symmetric):
    weights = torch.tensor(values, dtype=torch.float64)
    grid = fit(weights, bits, symmetric)
    assert grid.lowest <= 0 <= grid.highest
    assert grid.highest - grid.lowest == 2**bits - 1
    rounded = nearest(weights, grid)
    assert not rounded[weights == 0].any()
    assert (rounded - weights).abs().max() <= grid.scale * (0.5 + 1e-9)


@given(st.floats(2**-100, 2**100, width=32), all_bits)
def test_the_largest_weights_of_a_symmetric_grid_go_to_its_ends(value, bits):
    weights = torch.tensor([-value, value])
    grid = fit(weights, bits, symmetric=True)
    assert nearest(weights, grid).tolist() == [grid.scale * grid.lowest, grid.scale * grid.highest]


def test_asymmetric_grid_by_hand():
    scale, lowest, highest = fit(torch.tensor([[-1.0, 1.0, -2.0], [2.0, 6.0, -6.0]]), 2, symmetric=False)
    assert scale.tolist() == [1, 2, 2]  # from -1 to 2, from 0 (not 1) to 6, from -6 to 0 (not -2)
    assert lowest.tolist() == [-1, 0, -3]
    assert highest.tolist() == [2, 3, 0]


def test_halves_of_a_symmetric_grid_go_away_from_zero():
    weights = torch.tensor([-7.5, -2.5, -1.5, 0.5, 1.5, 2.5, 7.5])  # steps of 1
    rounded = nearest(weights, fit(weights, 4, symmetric=True))
    torch.testing.assert_close(rounded, torch.tensor([-8.0, -3, -2, 1, 2, 3, 7]), rtol=1e-6, atol=0)


def test_symmetric_grid_by_hand_and_of_positive_weights_too():
    scale, lowest, highest = fit(torch.tensor([[-1.0, 1.0], [3.0, 6.0]]), 2, symmetric=True)
    torch.testing.assert_close(scale, torch.tensor([2.0, 4.0]))
    assert lowest.tolist() == [-2, -2]
    assert highest.tolist() == [1, 1]


def test_halves_go_to_the_even_code_and_codes_are_cut():
    grid = Grid(torch.tensor(1.0), torch.tensor(-2.0), torch.tensor(1.0))
    weights = torch.tensor([-9.0, -2.5, -1.5, -0.5, 0.5, 1.5, 9.0])
    assert nearest(weights, grid).tolist() == [-2, -2, -2, 0, 0, 1, 1]


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, -1e-45, 1e-38])
def test_groups_of_zeros_or_of_next_to_nothing_become_zero(value, symmetric):
    weights = torch.full((5,), value)
    assert not nearest(weights, fit(weights, 4, symmetric)).any()


def test_small_weights_keep_their_grid():
    weights = torch.tensor([-3e-30, 1e-30, 0, 12e-30])  # steps of 1e-30
    torch.testing.assert_close(nearest(weights, fit(weights, 4, False)), weights, rtol=1e-6, atol=0)


def test_a_grid_that_reaches_beyond_float16_is_cut():
    weights = torch.tensor([-65504.0, 65504.0])
    beyond = nearest(weights, fit(weights, 4, symmetric=True))
    assert beyond[0] < -65504
    assert cast(beyond, torch.float16).tolist()[0] == -65504
    assert torch.equal(cast(beyond, torch.float32), beyond)


def test_cast_leaves_plain_rows():
    values = torch.from_numpy(np.arange(6.0).reshape(2, 3)).t()
    assert cast(values, torch.bfloat16).is_contiguous()
    assert cast(values, torch.float64).is_contiguous()
