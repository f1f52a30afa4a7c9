import numpy as np
import pytest
import scipy.linalg
import torch
from compress_oracle import pruned_count
from hypothesis import given, settings
from hypothesis import strategies as st
from obs_oracle import correlated_inputs, statistics_of

from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.methods import svd
from junkdna.compress.methods.svd_whitened import compress, whitening_factor
from junkdna.errors import UserError


def matrix(outputs, inputs, seed=0, dtype=torch.float64):
    return torch.tensor(np.random.default_rng(seed).normal(size=(outputs, inputs))).to(dtype)


def damped(statistics):
    """Gram plus 1 % of the mean diagonal of its live inputs, from the lower triangle, in numpy."""
    lower = np.tril(statistics.gram.double().numpy())
    h = lower + np.tril(lower, -1).T
    live = h.diagonal() > 0
    return h + (0.01 * h.diagonal()[live].mean() if live.any() else 1) * np.eye(len(h))


def loss(weight, new, h):
    difference = (weight - new).double().numpy()
    return np.sqrt(max(np.trace(difference @ h @ difference.T), 0))


def by_inverse(weight, h, rank):
    """As the paper writes it: truncate the SVD of W S, multiply by the inverse of S; with scipy's Cholesky factor."""
    s = scipy.linalg.cholesky(h, lower=True)
    u, sigma, v = scipy.linalg.svd(weight.double().numpy() @ s, full_matrices=False)
    return (u[:, :rank] * sigma[:rank]) @ v[:rank] @ np.linalg.inv(s), sigma


sides = st.integers(1, 9)


@settings(deadline=None)
@given(sides, sides, st.floats(0, 1), st.integers(0, 99))
def test_it_is_the_formula_of_the_paper_and_the_loss_is_what_was_dropped(outputs, inputs, level, seed):
    weight, statistics = matrix(outputs, inputs, seed), statistics_of(correlated_inputs(40, inputs, seed))
    rank, h = pruned_count(min(outputs, inputs), level), damped(statistics)
    mask, new = compress(weight, statistics, level)
    assert mask is None
    assert new.dtype == weight.dtype
    expected, sigma = by_inverse(weight, h, rank)
    scale = np.abs(weight.numpy()).max()
    np.testing.assert_allclose(new.numpy(), expected, atol=1e-8 * scale)
    np.testing.assert_allclose(loss(weight, new, h), np.linalg.norm(sigma[rank:]), atol=1e-9 * sigma[0])
    assert np.linalg.matrix_rank(new.numpy(), tol=1e-8 * scale) == rank


@settings(deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.floats(0.1, 0.9), st.integers(0, 99))
def test_outputs_are_never_worse_than_those_of_plain_svd(outputs, inputs, level, seed):
    """On the calibration tokens themselves, without damping."""
    weight, x = matrix(outputs, inputs, seed), correlated_inputs(30, inputs, seed).double()
    statistics = statistics_of(x.float())
    whitened, plain = (method(weight, statistics, level).weight for method in (compress, svd.compress))
    errors = [float(torch.linalg.norm(x @ (weight - new).t())) for new in (whitened, plain)]
    assert errors[0] <= errors[1] * (1 + 1e-6) + 1e-9


def test_outputs_are_much_better_on_inputs_of_unequal_norms():
    weight, x = matrix(24, 32), correlated_inputs(200, 32, 1).double()
    statistics = statistics_of(x.float())
    errors = [
        float(torch.linalg.norm(x @ (weight - method(weight, statistics, 0.5).weight).t()))
        for method in (compress, svd.compress)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_no_other_matrix_of_that_rank_is_better():
    """Alternating weighted least squares from many starts reaches the best rank-2 matrix by another road."""
    weight, statistics = matrix(7, 5, 4), statistics_of(correlated_inputs(40, 5, 4))
    h = damped(statistics)
    root = scipy.linalg.sqrtm(h).real
    ours = loss(weight, compress(weight, statistics, 0.4).weight, h)
    rng, target, errors = np.random.default_rng(1), weight.numpy() @ root, []
    for _ in range(20):
        right = rng.normal(size=(2, 5))
        for _ in range(300):
            left = np.linalg.lstsq((right @ root).T, target.T, rcond=None)[0].T
            right = np.linalg.lstsq(left, target, rcond=None)[0] @ np.linalg.inv(root)
        errors.append(np.linalg.norm(target - left @ right @ root))
    assert ours <= min(errors) + 1e-9
    assert min(errors) == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_uncorrelated_inputs_of_equal_norm_give_plain_svd(scale):
    weight = matrix(6, 8, 3)
    found = compress(weight, statistics_of(scale * torch.eye(8)), 0.5).weight
    torch.testing.assert_close(found, svd.compress(weight, None, 0.5).weight, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-2, 1e2])
def test_the_number_and_the_scale_of_tokens_change_nothing(scale):
    weight, x = matrix(6, 8, 3), correlated_inputs(50, 8, 3, dead=[2])
    expected = compress(weight, statistics_of(x), 0.5).weight
    for other in (scale * x, x.repeat(3, 1)):
        torch.testing.assert_close(compress(weight, statistics_of(other), 0.5).weight, expected, rtol=0, atol=1e-5)


def test_dead_inputs_count_as_the_damping_alone():
    weight, x = matrix(5, 6, 8), correlated_inputs(50, 6, 8, dead=[1, 4])
    statistics = statistics_of(x)
    factor = whitening_factor(statistics).numpy()
    np.testing.assert_allclose(factor @ factor.T, damped(statistics), rtol=1e-6)
    squares = statistics.square_sums.double().numpy()
    np.testing.assert_allclose(factor[4, 4] ** 2, 0.01 * squares[squares > 0].mean())
    assert torch.isfinite(compress(weight, statistics, 0.5).weight).all()


def test_only_dead_inputs_give_plain_svd():
    weight = matrix(5, 6, 8)
    found = compress(weight, statistics_of(torch.zeros(9, 6)), 0.5).weight
    torch.testing.assert_close(found, svd.compress(weight, None, 0.5).weight, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ends_of_the_level(dtype):
    weight, statistics = matrix(6, 4, dtype=dtype), statistics_of(correlated_inputs(30, 4, 0))
    whole, nothing = compress(weight, statistics, 1).weight, compress(weight, statistics, 0).weight
    assert torch.equal(whole, weight)
    assert whole.data_ptr() != weight.data_ptr()
    assert torch.equal(nothing, torch.zeros_like(weight))
    assert torch.equal(compress(weight, statistics, 0.2).weight, nothing)  # 0.8 of a singular value is none


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.bfloat16, 8e-3), (torch.float16, 1e-3)])
def test_dtypes_are_kept_and_worked_out_wide(dtype, bound):
    weight, statistics = matrix(24, 16, 2, dtype), statistics_of(correlated_inputs(90, 16, 2))
    before, gram = weight.clone(), statistics.gram.clone()
    found = compress(weight, statistics, 0.5).weight
    assert found.dtype == dtype
    assert torch.equal(weight, before)
    assert torch.equal(statistics.gram, gram)
    expected, _ = by_inverse(weight, damped(statistics), 8)
    assert np.abs(found.double().numpy() - expected).max() < bound * np.abs(expected).max()


def test_statistics_are_checked():
    weight = matrix(4, 3)
    with pytest.raises(UserError, match="no calibration tokens reached this layer"):
        compress(weight, InputStatistics(3, gram=True, device="cpu"), 0.5)
    with pytest.raises(UserError, match="NaN or infinite calibration statistics"):
        compress(weight, statistics_of(torch.tensor([[1.0, float("inf"), 0.0]])), 0.5)
    holed = weight.clone()
    holed[1, 2] = float("nan")
    with pytest.raises(UserError, match="1 of 12 weights are NaN"):
        compress(holed, statistics_of(torch.eye(3)), 0.5)
    broken = statistics_of(torch.eye(3))
    broken.gram[1, 0] = 5
    with pytest.raises(UserError, match=r"not positive definite.*or use svd"):
        compress(weight, broken, 0.5)
