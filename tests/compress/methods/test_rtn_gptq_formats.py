"""rtn and gptq at the levels of number formats, against a loop over weights in exact arithmetic."""

import format_oracle as oracle
import numpy as np
import pytest
import torch
from compress_oracle import DTYPES
from hypothesis import given, settings
from hypothesis import strategies as st
from quant_oracle import correlated_tokens, in_order, statistics_of

from junkdna.compress import sweep_block
from junkdna.compress.input_stats import inverse_factor
from junkdna.compress.methods import gptq, rtn
from junkdna.compress.rounding import rounding_of
from junkdna.errors import UserError
from junkdna.study.number_formats import NUMBER_FORMATS

NAMES = [*NUMBER_FORMATS]
formats = st.sampled_from([*((name, False) for name in NAMES), ("fp8", True)])


def case(rows, inputs, tokens, seed=0):
    """(weight, tokens): float64 normal weights and correlated inputs."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(rows, inputs))), torch.from_numpy(correlated_tokens(rng, tokens, inputs))


def rounded(weight, name, per_channel=False):
    return rtn.compress(weight, None, name, per_channel=per_channel).weight


@given(st.integers(0, 2**32 - 1), formats)
def test_rtn_equals_a_loop_over_weights(seed, form):
    weight = case(2, 64, 1, seed)[0]
    np.testing.assert_allclose(rounded(weight, *form).numpy(), oracle.rtn(weight, *form), rtol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("form", [*((name, False) for name in NAMES), ("fp8", True)])
def test_low_precision_weights_are_rounded_as_their_exact_values_are(dtype, form):
    """Up to weights halfway between two points, which are frequent among those of 8 bits; they differ by a rounding."""
    weight = case(8, 64, 1)[0].to(dtype)
    new, expected = rounded(weight, *form).double(), torch.from_numpy(oracle.rtn(weight.double(), *form))
    close = (new - expected).abs() <= max(1e-6, torch.finfo(dtype).eps) * expected.abs()
    assert close.float().mean() > 0.99
    nearly = (weight.double() - new).abs() <= (weight.double() - expected).abs() * (1 + 2 * torch.finfo(dtype).eps)
    assert (close | nearly).all()


@given(
    st.integers(0, 2**32 - 1),
    formats,
    st.sampled_from(DTYPES),
    st.sampled_from([1e-30, 1e-3, 1, 1e4]),
)
def test_what_every_result_is(seed, form, dtype, size):
    weight = (case(3, 128, 1, seed)[0] * size).to(dtype)
    weight[0, :64] = 0
    before = weight.clone()
    new = rounded(weight, *form)
    assert torch.equal(weight, before)
    assert (new.shape, new.dtype, new.is_contiguous()) == (weight.shape, weight.dtype, True)
    assert new.isfinite().all()
    assert not new[weight == 0].any()
    for values in new.reshape(-1, NUMBER_FORMATS[form[0]].block or 128).double().tolist():
        assert len({*values}) <= 2 ** NUMBER_FORMATS[form[0]].bits
    assert torch.equal(rounded(weight, *form), new)


@given(st.integers(0, 2**32 - 1), formats)
def test_a_second_pass_changes_the_last_bits_at_most(seed, form):
    new = rounded(case(4, 128, 1, seed)[0].float(), *form)
    torch.testing.assert_close(rounded(new, *form), new, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_signs_do_not_matter(name):
    weight = case(4, 64, 1)[0]
    other = rounded(-weight, name)
    assert torch.equal(other, -rounded(weight, name)) == (name != "nf4")  # whose values are not symmetric


def test_errors_are_in_the_order_of_the_formats():
    """NVFP4 with blocks of 16 is nearer than MXFP4; NF4 is made for normal weights; FP8 has twice the bits."""
    weight = case(64, 256, 1)[0]
    errors = {name: (rounded(weight, name) - weight).norm() / weight.norm() for name in NAMES}
    assert errors["fp8"] < 0.03 < min(errors["nvfp4"], errors["nf4"]) < max(errors["nvfp4"], errors["nf4"]) < 0.1
    assert 0.1 < errors["mxfp4"] < 0.13
    assert (rounded(weight, "fp8", per_channel=True) - weight).norm() / weight.norm() < 0.03


@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("form", [*((name, False) for name in NAMES), ("fp8", True)])
def test_gptq_equals_inverting_the_remaining_hessian_for_each_input(form, act_order):
    weight, x = case(3, 128, 300, seed=5)
    gram = (x.double().t() @ x.double()).numpy()
    name, per_channel = form
    row = iter(weight.abs().amax(1).tolist() if per_channel else [])

    def fit(values):
        return oracle.fit(values, name, next(row) if per_channel else weight.abs().max().item())

    expected = in_order(weight.numpy(), gram, oracle.BLOCKS[name], fit, oracle.nearest_point, act_order)
    new = gptq.compress(weight, statistics_of(x), name, act_order=act_order, per_channel=per_channel).weight
    np.testing.assert_allclose(new.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_gptq_of_an_identity_gram_is_rtn(name, dtype):
    weight, statistics = case(6, 192, 1)[0].to(dtype), statistics_of(3 * torch.eye(192))
    assert torch.equal(gptq.compress(weight, statistics, name).weight, rounded(weight, name))


@pytest.mark.parametrize("name", NAMES)
def test_gptq_keeps_outputs_better_than_rtn(name):
    ratios = []
    for seed in range(6):
        weight, x = case(16, 128, 600, seed)
        x, new = x.double(), gptq.compress(weight, statistics_of(x), name).weight
        ratios.append(((x @ (new - weight).t()).norm() / (x @ (rounded(weight, name) - weight).t()).norm()).item())
    assert np.mean(ratios) < 0.9
    assert max(ratios) < 1


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), form=formats, act_order=st.booleans(), dtype=st.sampled_from(DTYPES))
def test_what_every_result_of_gptq_is(seed, form, act_order, dtype):
    weight, x = case(3, 64, 80, seed)
    weight = weight.to(dtype)
    x = x * torch.from_numpy(np.random.default_rng(seed).random(64) > 0.2)  # some inputs are dead
    statistics, (name, per_channel) = statistics_of(x), form
    new = gptq.compress(weight, statistics, name, act_order=act_order, per_channel=per_channel).weight
    assert (new.shape, new.dtype, new.is_contiguous()) == (weight.shape, weight.dtype, True)
    assert new.isfinite().all()
    order = statistics.square_sums.argsort(descending=True, stable=True) if act_order else torch.arange(64)
    for values in new[:, order].reshape(-1, NUMBER_FORMATS[name].block or 64).double().tolist():
        assert len({*values}) <= 2 ** NUMBER_FORMATS[name].bits


@pytest.mark.parametrize("name", NAMES)
def test_a_block_of_columns_that_cuda_captures_does_the_same(name):
    """On the CPU, uncaptured: the scales and the table on tensors of their own, for two matrices."""
    for seed in range(2):
        weight, x = case(5, NUMBER_FORMATS[name].block or 64, 200, seed)
        factor, rounding = inverse_factor(statistics_of(x)), rounding_of(weight, name, 128, False, False)
        wanted, columns = gptq._round_in_order(weight, factor, rounding), weight.t().contiguous()
        unit, errors, state = factor / factor.diagonal()[:, None], torch.empty_like(columns), rounding.fit(columns)
        block = sweep_block.like_earlier(columns, state, rounding.nearest, capture=False)
        block.run(columns, errors, unit, state)
        torch.testing.assert_close(columns.t(), wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("compress", [lambda w, name: rounded(w, name), lambda w, name: gptq.compress(w, None, name)])
def test_a_block_that_does_not_divide_the_inputs_is_refused(compress):
    with pytest.raises(UserError, match="blocks of 64 inputs of nf4 do not divide the 96 inputs of a row"):
        compress(case(2, 96, 1)[0], "nf4")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_on_cuda_weights_are_those_of_the_cpu_and_nothing_is_read_back(name):
    weight, x = case(8, 256, 600)
    weight = weight.float()
    assert torch.equal(rounded(weight.cuda(), name).cpu(), rounded(weight, name))
    new = gptq.compress(weight.cuda(), statistics_of(x.float(), "cuda"), name).weight
    same = torch.isclose(new.cpu(), gptq.compress(weight, statistics_of(x.float()), name).weight)
    assert same.float().mean() > 0.98  # sums in another order move weights across a half
    rounding = rounding_of(weight.cuda(), name, 128, False, False)
    work, factor = weight.cuda(), torch.eye(256, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        gptq._round_in_order(work, factor, rounding)
    finally:
        torch.cuda.set_sync_debug_mode("default")
