import numpy as np
import pytest
import quant_oracle
import torch
from compress_oracle import DTYPES
from hypothesis import given, settings
from hypothesis import strategies as st
from quant_oracle import correlated_tokens, statistics_of

from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.methods import gptq, rtn
from junkdna.compress.methods.gptq import compress
from junkdna.compress.rounding import rounding_of
from junkdna.errors import UserError


def case(rows, inputs, tokens, seed=0):
    """(weight, tokens): float64 normal weights and correlated inputs."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(rows, inputs))), torch.from_numpy(correlated_tokens(rng, tokens, inputs))


def gram_of(x):
    return (x.double().t() @ x.double()).numpy()


# Two pairs of inputs. Within a pair the gram is [[200, 101], [101, 200]]; with 1 % of its mean diagonal added,
# [[202, 101], [101, 202]]: an error in the first of a pair moves the second by 101/202 = half of it.
PAIR = [[1, 1]] * 101 + [[1, 0]] * 99 + [[0, 1]] * 99
PAIRS = torch.tensor([[*pair, 0, 0] for pair in PAIR] + [[0, 0, *pair] for pair in PAIR])


def test_by_hand():
    # 2 bits, grids of step 1 from -1 to 2 and from 0 to 3. Row 1: 0.4 -> 0, so the next becomes 0.4 + 0.2 = 0.6 -> 1.
    # Row 2: 0.6 -> 1, so the next becomes 0.6 - 0.2 = 0.4 -> 0. The others are points of their grids.
    weight = torch.tensor([[0.4, 0.4, -1.0, 2.0], [0.6, 0.6, 3.0, 0.0]], dtype=torch.float64)
    mask, new = compress(weight, statistics_of(PAIRS), 2, group=0)
    assert mask is None
    assert new.tolist() == [[0, 1, -1, 2], [1, 0, 3, 0]]
    assert rtn.compress(weight, None, 2, group=0).weight.tolist() == [[0, 0, -1, 2], [1, 1, 3, 0]]


@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("bits", "group"), [(2, 0), (3, 4), (4, 12), (8, 1), (4, 24)])
def test_equals_inverting_the_remaining_hessian_for_each_input(bits, group, symmetric, act_order):
    weight, x = case(4, 24, 60, seed=bits)
    expected = quant_oracle.gptq(weight.numpy(), gram_of(x), bits, group, symmetric, act_order)
    new = compress(weight, statistics_of(x), bits, group=group, symmetric=symmetric, act_order=act_order).weight
    np.testing.assert_allclose(new.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("group", [0, 32, 160, 320])
def test_more_inputs_than_a_group_of_the_default_size(group):
    weight, x = case(2, 320, 500)
    expected = quant_oracle.gptq(weight.numpy(), gram_of(x), 3, group, False)
    new = compress(weight, statistics_of(x), 3, group=group).weight
    np.testing.assert_allclose(new.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("group", [0, 32, 160])
def test_inputs_of_an_identity_gram_give_round_to_nearest(group, dtype, act_order):
    weight = case(6, 160, 1)[0].to(dtype)
    statistics = statistics_of(3 * torch.eye(160))
    for symmetric in (False, True):
        new = compress(weight, statistics, 3, group=group, symmetric=symmetric, act_order=act_order).weight
        assert torch.equal(new, rtn.compress(weight, None, 3, group=group, symmetric=symmetric).weight)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([2, 3, 4, 8]),
    group=st.sampled_from([0, 2, 8]),
    symmetric=st.booleans(),
    act_order=st.booleans(),
    dtype=st.sampled_from(DTYPES),
)
def test_what_every_result_is(seed, bits, group, symmetric, act_order, dtype):
    weight, x = case(3, 16, 20, seed)
    weight = weight.to(dtype)
    x = x * torch.from_numpy(np.random.default_rng(seed).random(16) > 0.2)  # some inputs are dead
    statistics = statistics_of(x) if x.any() else statistics_of(torch.ones(1, 16))
    before = weight.clone()
    new = compress(weight, statistics, bits, group=group, symmetric=symmetric, act_order=act_order).weight
    assert torch.equal(weight, before)
    assert (new.shape, new.dtype) == (weight.shape, weight.dtype)
    assert new.is_contiguous()
    assert new.isfinite().all()
    order = statistics.square_sums.argsort(descending=True, stable=True) if act_order else torch.arange(16)
    for values in new[:, order].reshape(-1, group or 16).double().tolist():
        assert len(set(values)) <= 2**bits


def test_the_groups_grid_is_fitted_when_its_first_input_is_reached():
    # inputs 0 and 1 always equal: what 0 loses goes to 1, whose own grid (group of one) then holds the sum
    weight = torch.tensor([[1.0, 0.4, 1.0]], dtype=torch.float64)
    x = torch.tensor([[0.0, 1.0, 1.0]] * 10 + [[1.0, 0.0, 0.0]] * 10)
    new = compress(weight, statistics_of(x), 2, group=0).weight
    assert new[0, 1] == pytest.approx(1 / 3)  # the grid 0, 1/3, 2/3, 1
    assert new[0, 2] == pytest.approx(1)
    weight = torch.tensor([[1.0, 0.4, 1.0, 0.0]], dtype=torch.float64)
    x = torch.tensor([[0.0, 1.0, 1.0, 0.0]] * 10 + [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]] * 10)
    lost = 0.4 - 1 / 3  # the second group's range is 1 and what the first group's grid 0, 1/3, 2/3, 1 lost
    kept = 10 / 10.1  # the damped gram of the pair is [[10.1, 10], [10, 10.1]]
    new = compress(weight, statistics_of(x), 2, group=2).weight
    assert new[0].tolist() == pytest.approx([1, 1 / 3, 1 + lost * kept, 0])


def test_dead_inputs_are_rounded_as_rtn_does_and_move_nothing():
    weight, x = case(4, 12, 40)
    x[:, [0, 5, 11]] = 0
    new = compress(weight, statistics_of(x), 3, group=0).weight
    nearest = rtn.compress(weight, None, 3, group=0).weight
    assert torch.equal(new[:, [0, 5, 11]], nearest[:, [0, 5, 11]])
    assert new[:, 0].any()
    assert not torch.equal(new, nearest)
    expected = quant_oracle.gptq(weight.numpy(), gram_of(x), 3, 0, False)
    np.testing.assert_allclose(new.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_act_order_rounds_the_strongest_input_to_its_nearest_point():
    weight, x = case(40, 16, 60)
    x[:, 13] *= 20
    nearest = rtn.compress(weight, None, 2, group=0).weight
    ordered = compress(weight, statistics_of(x), 2, group=0, act_order=True).weight
    assert torch.equal(ordered[:, 13], nearest[:, 13])
    assert not torch.equal(ordered[:, 12], nearest[:, 12])


def test_act_order_does_not_see_the_order_given():
    weight, x = case(5, 16, 60)
    x *= torch.arange(1, 17)  # no two square sums are equal
    moved = torch.from_numpy(np.random.default_rng(1).permutation(16))
    expected = compress(weight, statistics_of(x), 3, group=8, act_order=True).weight[:, moved]
    new = compress(weight[:, moved], statistics_of(x[:, moved]), 3, group=8, act_order=True).weight
    torch.testing.assert_close(new, expected)


def test_outputs_are_kept_better_than_by_rounding_over_many_matrices():
    ratios = []
    for seed in range(10):
        weight, x = case(16, 64, 400, seed)
        x = x.double()
        new = compress(weight, statistics_of(x), 3, group=0).weight
        nearest = rtn.compress(weight, None, 3, group=0).weight
        ratios.append((x @ (new - weight).t()).norm() / (x @ (nearest - weight).t()).norm())
    assert np.mean(ratios) < 0.9


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_eight_bits_hardly_change_outputs(dtype):
    weight, x = case(16, 256, 600)
    weight, x = weight.to(dtype), x.double()
    new = compress(weight, statistics_of(x), 8).weight
    outputs = x @ weight.double().t()
    assert (x @ new.double().t() - outputs).norm() < 0.01 * outputs.norm()


def test_the_default_group_is_128():
    weight, x = case(2, 256, 300)
    assert torch.equal(compress(weight, statistics_of(x), 3).weight, compress(weight, statistics_of(x), 3, 128).weight)
    assert not torch.equal(
        compress(weight, statistics_of(x), 3).weight, compress(weight, statistics_of(x), 3, 0).weight
    )


def test_statistics_may_be_used_again():
    weight, x = case(3, 16, 30)
    statistics = statistics_of(x)
    first = compress(weight, statistics, 3, group=4, act_order=True).weight
    compress(weight, statistics, 3, group=4)
    assert torch.equal(compress(weight, statistics, 3, group=4, act_order=True).weight, first)
    assert torch.equal(statistics.gram.double(), torch.from_numpy(gram_of(x)))


def test_a_transposed_parameter_is_taken_as_out_by_in():
    weight, x = case(3, 16, 30)
    stored = torch.nn.Parameter(weight.t().contiguous())  # (in, out)
    new = compress(stored.t(), statistics_of(x), 3, group=8).weight
    assert not new.requires_grad
    assert torch.equal(new, compress(weight, statistics_of(x), 3, group=8).weight)


def test_errors_come_through():
    weight, x = case(3, 16, 30)
    with pytest.raises(UserError, match=r"\b12\b"):
        compress(weight, statistics_of(x), 4, group=12)
    with pytest.raises(UserError, match="NaN or infinite"):
        compress(weight / 0, statistics_of(x), 4, group=0)
    with pytest.raises(UserError, match="no calibration tokens"):
        compress(weight, InputStatistics(16, gram=True, device="cpu"), 4, group=0)
    with pytest.raises(AssertionError, match="statistics of 8 inputs"):
        compress(weight, statistics_of(x[:, :8]), 4, group=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("act_order", [False, True])
def test_on_cuda_weights_are_those_of_the_cpu_and_nothing_is_read_back(act_order):
    weight, x = case(8, 256, 600)
    expected = compress(weight, statistics_of(x), 4, act_order=act_order).weight
    new = compress(weight.cuda(), statistics_of(x.float(), "cuda"), 4, act_order=act_order).weight
    assert new.device.type == "cuda"
    torch.testing.assert_close(new.cpu(), expected)
    half = compress(weight.bfloat16().cuda(), statistics_of(x.bfloat16(), "cuda"), 4, act_order=act_order).weight
    assert half.dtype == torch.bfloat16
    work, factor = weight.float().cuda(), torch.eye(256, device="cuda")
    rounding = rounding_of(work, 4, 128, False, False)
    torch.cuda.set_sync_debug_mode("error")
    try:
        gptq._round_in_order(work, factor, rounding)
    finally:
        torch.cuda.set_sync_debug_mode("default")
