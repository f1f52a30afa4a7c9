import numpy as np
import pytest
import torch
from compress_oracle import pruned_count
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.checks import kept_rank
from junkdna.compress.methods.svd import compress, decompose
from junkdna.errors import UserError


def matrix(outputs, inputs, seed=0, dtype=torch.float64):
    return torch.tensor(np.random.default_rng(seed).normal(size=(outputs, inputs))).to(dtype)


sides = st.integers(1, 9)


@given(sides, sides, st.floats(0, 1), st.integers(0, 99))
def test_error_is_what_eckart_and_young_say(outputs, inputs, level, seed):
    weight = matrix(outputs, inputs, seed)
    rank = pruned_count(min(outputs, inputs), level)
    result = compress(weight, None, level)
    assert result.mask is None
    assert result.weight.shape == weight.shape
    dropped = np.linalg.svd(weight.numpy(), compute_uv=False)[rank:]
    error = (weight - result.weight).numpy()
    np.testing.assert_allclose(np.linalg.norm(error), np.linalg.norm(dropped), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(error, 2), max(dropped, default=0), atol=1e-12)
    assert np.linalg.matrix_rank(result.weight.numpy(), tol=1e-10) == rank


def test_no_other_matrix_of_that_rank_is_nearer():
    """Alternating least squares from many starts reaches the best rank-2 matrix by another road: never a nearer one."""
    weight = matrix(7, 5, 4).numpy()
    ours = np.linalg.norm(weight - compress(torch.tensor(weight), None, 0.4).weight.numpy())
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(20):
        right = rng.normal(size=(2, 5))
        for _ in range(200):
            left = np.linalg.lstsq(right.T, weight.T, rcond=None)[0].T
            right = np.linalg.lstsq(left, weight, rcond=None)[0]
        errors.append(np.linalg.norm(weight - left @ right))
    assert ours <= min(errors) + 1e-9
    assert min(errors) == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 2e-6), (torch.bfloat16, 8e-3), (torch.float16, 1e-3)]
)
def test_dtypes_are_kept_and_worked_out_wide(dtype, bound):
    weight = matrix(24, 16, 2, dtype)
    before = weight.clone()
    found = compress(weight, None, 0.5).weight
    assert found.dtype == dtype
    assert torch.equal(weight, before)
    u, s, v = np.linalg.svd(weight.double().numpy(), full_matrices=False)
    expected = (u[:, :8] * s[:8]) @ v[:8]
    assert np.abs(found.double().numpy() - expected).max() < bound * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ends_of_the_level(dtype):
    weight = matrix(6, 4, dtype=dtype)
    whole, nothing = compress(weight, None, 1).weight, compress(weight, None, 0).weight
    assert torch.equal(whole, weight)
    assert whole.data_ptr() != weight.data_ptr()
    assert torch.equal(nothing, torch.zeros_like(weight))
    assert torch.equal(compress(weight, None, 0.2).weight, nothing)  # 0.8 of a singular value is none


def test_rank_is_exact_in_decimals():
    assert kept_rank(10, 300, 0.7) == kept_rank(300, 10, 0.7) == 7
    assert kept_rank(100, 100, 0.29) == 29  # the float product is 28.999999999999996
    assert kept_rank(3, 3, 0.99) == 2


def test_lower_ranks_are_cut_from_higher_ones():
    weight = matrix(8, 8, 5)
    twice = compress(compress(weight, None, 0.75).weight, None, 0.25).weight
    np.testing.assert_allclose(twice, compress(weight, None, 0.25).weight, atol=1e-12)


def test_given_factors_are_used_and_give_the_same():
    weight = matrix(6, 9, dtype=torch.float32)
    factors = decompose(weight)
    assert torch.equal(compress(weight, None, 0.5, factors=factors).weight, compress(weight, None, 0.5).weight)
    doubled = factors._replace(s=2 * factors.s)
    assert torch.equal(compress(weight, None, 0.5, factors=doubled).weight, 2 * compress(weight, None, 0.5).weight)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 6)])
def test_factors_are_those_of_numpy(shape):
    weight = matrix(*shape, seed=8)
    u, s, v = decompose(weight)
    k = min(shape)
    assert (u.shape, s.shape, v.shape) == ((shape[0], k), (k,), (k, shape[1]))
    np.testing.assert_allclose(s, np.linalg.svd(weight.numpy(), compute_uv=False), atol=1e-12)
    np.testing.assert_allclose(u.T @ u, np.eye(k), atol=1e-12)
    np.testing.assert_allclose(v @ v.T, np.eye(k), atol=1e-12)
    np.testing.assert_allclose(u * s @ v, weight, atol=1e-12)
    assert decompose(weight.bfloat16()).s.dtype == torch.float32


def test_a_transposed_view_and_its_copy_agree():
    stored = matrix(9, 6, 6)
    turned, plain = stored.t(), stored.t().contiguous()
    np.testing.assert_allclose(compress(turned, None, 0.5).weight, compress(plain, None, 0.5).weight, atol=1e-13)
    assert torch.equal(compress(plain, None, 0.5).weight, compress(plain.clone(), None, 0.5).weight)


def test_no_overflow_to_infinity():
    weight = torch.full((3, 3), 65504.0, dtype=torch.float16)
    weight[0, 0] = -65504
    assert torch.isfinite(compress(weight, None, 0.4).weight).all()


def test_bad_input():
    with pytest.raises(AssertionError, match=r"1\.5"):
        compress(torch.ones(2, 2), None, 1.5)
    with pytest.raises(UserError, match="NaN or infinite"):
        compress(torch.tensor([[1.0, float("nan")]]), None, 0.5)
