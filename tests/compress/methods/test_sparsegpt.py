import numpy as np
import obs_oracle
import pytest
import torch
from compress_oracle import DTYPES, kept_after_sort, pruned_count, sparsities
from hypothesis import given
from hypothesis import strategies as st
from obs_oracle import best_mask, correlated_inputs, damped, error, refit, statistics_of

from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.methods.sparsegpt import compress
from junkdna.errors import UserError


def normal(rows, inputs, seed, dtype=torch.float64):
    return torch.tensor(np.random.default_rng(seed).normal(size=(rows, inputs))).to(dtype)


def expected(weight, statistics, level):
    """(kept, new weights) of the oracle: the rules of the docstring in loops."""

    def by_sparsity(first, saliencies):
        rows, columns = saliencies.shape
        count = pruned_count(rows * (first + columns), level) - pruned_count(rows * first, level)
        return kept_after_sort(saliencies.T.ravel(), count).reshape(columns, rows).T

    def by_pair(first, saliencies):
        return np.stack([kept_after_sort(row, level[1] - level[0]) for row in saliencies])

    dead = np.flatnonzero(statistics.square_sums.numpy() == 0)
    group, choose = (level[1], by_pair) if isinstance(level, tuple) else (128, by_sparsity)
    return obs_oracle.sparsegpt(weight.double().numpy(), damped(statistics), dead, group, choose)


@pytest.mark.parametrize(
    ("inputs", "level"),
    [
        (12, 0.5), (128, 0.3), (140, 0.5), (140, 0.77), (260, 0.5),
        (40, (2, 4)), (132, (2, 4)), (135, (4, 9)), (130, (1, 5)), (20, (3, 20)), (40, (0, 4)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dead", [(), (0, 7)])
def test_equals_inverting_the_hessian_again_for_every_column(inputs, level, dead):
    weight = normal(3, inputs, seed=inputs)
    statistics = statistics_of(correlated_inputs(2 * inputs, inputs, seed=inputs, dead=dead))
    mask, new = compress(weight, statistics, level)
    kept, wanted = expected(weight, statistics, level)
    np.testing.assert_array_equal(mask, kept)
    np.testing.assert_allclose(new, wanted, rtol=0, atol=1e-8 * np.abs(wanted).max())


any_width = st.integers(1, 150)


@st.composite
def layers(draw, width=any_width, dtypes=DTYPES):
    seed, rows, inputs = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 5)), draw(width)
    weight = normal(rows, inputs, seed, draw(st.sampled_from(dtypes)))
    if draw(st.booleans()):
        weight[weight.abs() < 0.7] = 0
    dead = draw(st.sampled_from([(), (0,), range(0, inputs, 3), range(inputs)]))
    return weight, statistics_of(correlated_inputs(draw(st.integers(1, 60)), inputs, seed, dead=dead))


@given(layers(), sparsities)
def test_exact_counts_and_exact_zeros(layer, sparsity):
    weight, statistics = layer
    before, rows = weight.clone(), len(weight)
    mask, new = compress(weight, statistics, sparsity)
    assert torch.equal(weight, before)
    assert mask.dtype == torch.bool
    assert new.dtype == weight.dtype
    assert mask.shape == new.shape == weight.shape
    for columns in {*range(128, weight.shape[1], 128), weight.shape[1]}:
        assert int((~mask[:, :columns]).sum()) == pruned_count(rows * columns, sparsity)
    assert not new[~mask].any()
    assert torch.isfinite(new).all()


@given(layers(width=st.sampled_from([12, 24, 144])), st.sampled_from([1, 2, 3, 4, 6, 12]), st.data())
def test_every_group_keeps_as_many(layer, of, data):
    weight, statistics = layer
    keep = data.draw(st.integers(0, of))
    mask, new = compress(weight, statistics, (keep, of))
    assert (mask.unflatten(1, (-1, of)).sum(-1) == keep).all()
    assert not new[~mask].any()


@given(layers(dtypes=[torch.float64], width=st.integers(1, 40)), sparsities)
def test_no_better_than_least_squares_on_the_weights_kept(layer, sparsity):
    weight, statistics = layer
    mask, new = compress(weight, statistics, sparsity)
    hessian = damped(statistics)
    for row, kept, got in zip(weight.numpy(), mask.numpy(), new.numpy(), strict=True):
        least = error(row[None], refit(row, hessian, kept)[None], hessian)
        whole = error(row[None], 0 * row[None], hessian)
        assert error(row[None], got[None], hessian) >= least - 1e-9 * whole


@pytest.mark.parametrize("level", [0.5, 0.8, (2, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_between_least_squares_and_the_mask_alone(level, seed):
    """Not a law for every matrix, but what the update is for: inputs that share directions, error without damping."""
    weight = normal(16, 160, seed, torch.float32)
    statistics = statistics_of(correlated_inputs(800, 160, seed))
    mask, new = compress(weight, statistics, level)
    gram, before, kept = statistics.gram.double().numpy(), weight.double().numpy(), mask.numpy()
    best = np.stack([refit(row, gram, row_kept) for row, row_kept in zip(before, kept, strict=True)])
    bound, got, alone = (error(before, after, gram) for after in (best, new.double().numpy(), before * kept))
    assert bound < got < 0.8 * alone


@given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.data())
def test_no_better_than_the_best_of_all_masks(seed, inputs, data):
    weight, statistics = normal(1, inputs, seed), statistics_of(correlated_inputs(20, inputs, seed))
    count = data.draw(st.integers(0, inputs))
    new = compress(weight, statistics, (inputs - count, inputs)).weight
    hessian, row = damped(statistics), weight.numpy()[0]
    least = best_mask(row, hessian, count)[0]
    assert error(weight.numpy(), new.numpy(), hessian) >= least - 1e-9 * error(weight.numpy(), 0 * row[None], hessian)


@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.data())
def test_inputs_that_share_nothing_get_the_best_of_all_masks(seed, inputs, data):
    weight = normal(1, inputs, seed)
    statistics = statistics_of(torch.tensor(np.random.default_rng(seed).uniform(0.5, 2, inputs)).diag())
    count = data.draw(st.integers(0, inputs))
    mask, new = compress(weight, statistics, (inputs - count, inputs))
    np.testing.assert_array_equal(mask[0], best_mask(weight.numpy()[0], damped(statistics), count)[1])
    assert torch.equal(new, weight * mask)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("level", [0, 0.0, (4, 4), 0.001])
def test_nothing_pruned_is_bit_for_bit_the_weight_and_a_copy(dtype, level):
    weight = normal(2, 8, 0, dtype)
    weight[0, 0] = -0.0
    mask, new = compress(weight, statistics_of(correlated_inputs(20, 8, 0)), level)
    assert mask.all()
    assert new.dtype == dtype
    assert torch.equal(new.view(torch.uint8), weight.view(torch.uint8))
    assert new.data_ptr() != weight.data_ptr()


@pytest.mark.parametrize("level", [1, 1.0, (0, 4)])
def test_everything_pruned(level):
    mask, new = compress(normal(3, 200, 0, torch.bfloat16), statistics_of(correlated_inputs(20, 200, 0)), level)
    assert not mask.any()
    assert not new.any()
    assert new.dtype == torch.bfloat16


def test_weights_that_are_0_already_cost_nothing():
    statistics = statistics_of(correlated_inputs(300, 140, 0))
    sparse = normal(6, 140, 0, torch.float32)
    sparse *= compress(sparse, statistics, (2, 4)).mask
    mask, new = compress(sparse, statistics, (2, 4))
    assert torch.equal(mask, sparse != 0)
    assert torch.equal(new, sparse)


def test_weights_of_dead_inputs_are_pruned_first_and_the_rest_stay():
    weight = normal(4, 10, 0, torch.float32)
    statistics = statistics_of(correlated_inputs(50, 10, 0, dead=[2, 6]))
    mask, new = compress(weight, statistics, 0.15)  # 6 of 40: of the 8 dead, lower columns first, then lower rows
    assert torch.equal(new, weight * mask)
    assert (~mask).nonzero().tolist() == [[0, 2], [0, 6], [1, 2], [1, 6], [2, 2], [3, 2]]
    assert not compress(weight, statistics, 0.5).mask[:, [2, 6]].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bits_are_computed_in_float32_and_rounded_once(dtype):
    weight, statistics = normal(8, 150, 0, dtype), statistics_of(correlated_inputs(300, 150, 0))
    mask, new = compress(weight, statistics, 0.5)
    in_float32 = compress(weight.float(), statistics, 0.5)
    assert torch.equal(mask, in_float32.mask)
    assert torch.equal(new, in_float32.weight.to(dtype))


def test_parameters_and_transposed_weights():
    stored = torch.nn.Parameter(normal(12, 5, 0))  # (in 12, out 5)
    statistics = statistics_of(correlated_inputs(50, 12, 0))
    of_view, of_copy = compress(stored.t(), statistics, 0.5), compress(stored.detach().t().clone(), statistics, 0.5)
    assert not of_view.weight.requires_grad
    for one, other in zip(of_view, of_copy, strict=True):
        assert one.is_contiguous()
        assert torch.equal(one, other)


def test_bad_input():
    weight, statistics = torch.ones(2, 6), statistics_of(correlated_inputs(20, 6, 0))
    with pytest.raises(AssertionError, match="70"):
        compress(weight, statistics, 70)
    with pytest.raises(AssertionError, match=r"\(4, 2\)"):
        compress(weight, statistics, (4, 2))
    with pytest.raises(UserError, match=r"6 inputs.*\[2, 3, 6\]"):
        compress(weight, statistics, (2, 4))
    with pytest.raises(UserError, match="2 of 12 weights are NaN"):
        compress(weight.index_fill(1, torch.tensor([3]), float("nan")), statistics, 0.5)
    with pytest.raises(UserError, match="no calibration tokens"):
        compress(weight, InputStatistics(6, gram=True, device="cpu"), 0)
    with pytest.raises(UserError, match="6 of 6 inputs have NaN or infinite"):
        compress(weight, statistics_of(torch.full((3, 6), float("nan"))), 0.5)


def test_new_weights_that_float16_cannot_hold():
    twins = statistics_of(torch.ones(9, 2))  # one input twice: what is pruned of one goes to the other
    with pytest.raises(UserError, match=r"exceed the largest torch.float16, 65504.*bfloat16"):
        compress(torch.full((1, 2), 6e4, dtype=torch.float16), twins, 0.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("level", [0.6, (2, 4)])
def test_device_is_kept_and_float64_is_that_of_the_cpu(level):
    weight = normal(64, 192, 0)
    x = torch.tensor(np.random.default_rng(0).integers(-9, 10, (400, 192)) * 1.0)  # sums exact on both
    on_gpu, on_cpu = compress(weight.cuda(), statistics_of(x.cuda()), level), compress(weight, statistics_of(x), level)
    assert on_gpu.mask.is_cuda
    assert on_gpu.weight.is_cuda
    assert torch.equal(on_gpu.mask.cpu(), on_cpu.mask)
    torch.testing.assert_close(on_gpu.weight.cpu(), on_cpu.weight)
