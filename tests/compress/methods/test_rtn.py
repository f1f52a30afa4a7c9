import numpy as np
import pytest
import quant_oracle
import torch
from compress_oracle import weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.methods.rtn import compress
from junkdna.errors import UserError

all_bits = st.sampled_from([2, 3, 4, 8])
matrices = weight_sets(widths=(24, 48)).map(lambda weights: next(iter(weights.values())))
group_sizes = st.sampled_from([0, 1, 2, 6, 8, 12, 24])


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def rounded(weight, bits, group, symmetric=False):
    mask, new = compress(weight, None, bits, group=group, symmetric=symmetric)
    assert mask is None
    return new


# 2 bits, one grid a row. First row: from -1 to 2 in steps of 1. Second: from 0 to 3 in steps of 1, halves to even.
WEIGHT = [[-1.0, 0.2, 0.9, 2.0], [0.5, 1.5, 2.5, 3.0]]


def test_by_hand():
    assert rounded(torch.tensor(WEIGHT), 2, 0).tolist() == [[-1, 0, 1, 2], [0, 2, 2, 3]]


def test_by_hand_symmetric():
    # steps of 4/3 and 2, codes -2..1: -0.75, 0.15, 0.675, 1.5 and 0.25, 0.75, 1.25, 1.5 steps
    expected = torch.tensor([[-4 / 3, 0, 4 / 3, 4 / 3], [0, 2, 2, 2]])
    torch.testing.assert_close(rounded(torch.tensor(WEIGHT), 2, 0, symmetric=True), expected)


def test_by_hand_in_groups():
    # -1..0.2 in steps of 0.4, zero point 2 (2.5 to even); 0..2 of 2/3; 0..1.5 of 0.5; 0..3 of 1
    expected = torch.tensor([[-0.8, 0.0, 2 / 3, 2], [0.5, 1.5, 2, 3]])
    torch.testing.assert_close(rounded(torch.tensor(WEIGHT), 2, 2), expected)


@given(st.integers(0, 2**32 - 1), all_bits, group_sizes, st.booleans())
def test_equals_a_loop_over_weights(seed, bits, group, symmetric):
    weight = normal(3, 24, seed=seed, dtype=torch.float64)
    expected = quant_oracle.rtn(weight.tolist(), bits, group, symmetric)
    np.testing.assert_allclose(rounded(weight, bits, group, symmetric).numpy(), expected, rtol=1e-14)


@given(matrices, all_bits, group_sizes, st.booleans())
def test_what_every_result_is(weight, bits, group, symmetric):
    before = weight.clone()
    new = rounded(weight, bits, group, symmetric)
    assert torch.equal(weight, before)
    assert (new.shape, new.dtype) == (weight.shape, weight.dtype)
    assert new.isfinite().all()
    assert not new[weight == 0].any()
    for values in new.reshape(-1, group or weight.shape[1]).double().tolist():
        assert len(set(values)) <= 2**bits
    again = rounded(weight, bits, group, symmetric)
    assert torch.equal(new, again)


@given(st.integers(0, 2**32 - 1), all_bits, st.sampled_from([0, 8]))
def test_a_second_pass_changes_the_last_bits_at_most(seed, bits, group):
    new = rounded(normal(4, 16, seed=seed), bits, group)
    torch.testing.assert_close(rounded(new, bits, group), new, rtol=1e-6, atol=0)


@given(st.integers(0, 2**32 - 1), all_bits, st.booleans())
def test_inputs_of_one_group_may_change_places(seed, bits, symmetric):
    weight, order = normal(3, 16, seed=seed), torch.from_numpy(np.random.default_rng(seed).permutation(16))
    moved = rounded(weight[:, order], bits, 0, symmetric)
    assert torch.equal(moved, rounded(weight, bits, 0, symmetric)[:, order])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("symmetric", [False, True])
def test_low_precision_weights_are_rounded_as_their_exact_values_are(dtype, symmetric):
    weight = normal(8, 64, dtype=dtype)
    expected = torch.from_numpy(quant_oracle.rtn(weight.double().numpy(), 4, 16, symmetric))
    close = max(1e-6, torch.finfo(dtype).eps)
    torch.testing.assert_close(rounded(weight, 4, 16, symmetric).double(), expected, rtol=close, atol=0)


def test_eight_bits_are_close_and_fewer_are_farther():
    weight = normal(16, 256)
    errors = [(rounded(weight, bits, 128) - weight).square().mean().sqrt().item() for bits in (8, 4, 3, 2)]
    assert errors[0] < 0.007  # a step of about 5.5 standard deviations / 255, over sqrt(12)
    assert errors == sorted(errors)


def test_the_default_group_is_128():
    weight = normal(2, 256)
    assert torch.equal(compress(weight, None, 4).weight, rounded(weight, 4, 128))
    assert not torch.equal(compress(weight, None, 4).weight, rounded(weight, 4, 0))


def test_a_group_of_zeros_stays_zero_next_to_others():
    weight = normal(2, 8)
    weight[0, 4:] = 0
    for symmetric in (False, True):
        new = rounded(weight, 4, 4, symmetric)
        assert not new[0, 4:].any()
        assert new[1, 4:].any()


def test_a_transposed_view_is_grouped_by_inputs():
    stored = normal(8, 3)  # (in, out)
    assert torch.equal(rounded(stored.t(), 3, 4), rounded(stored.t().contiguous(), 3, 4))


def test_parameters_with_gradients_are_read_only():
    assert not compress(torch.nn.Parameter(normal(2, 4)), None, 4, group=0).weight.requires_grad


@pytest.mark.parametrize("group", [3, 16, 128])
def test_groups_must_divide_the_inputs(group):
    with pytest.raises(UserError, match=str(group)):
        compress(normal(2, 8), None, 4, group=group)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(bad):
    with pytest.raises(UserError, match="1 of 4 weights are NaN or infinite"):
        compress(torch.tensor([[1.0, bad], [0.0, 2.0]]), None, 4, group=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_device_is_kept_and_the_weights_are_those_of_the_cpu(dtype):
    weight = normal(64, 256, dtype=dtype)
    on_gpu = rounded(weight.cuda(), 4, 64)
    assert on_gpu.device.type == "cuda"
    assert torch.equal(on_gpu.cpu(), rounded(weight, 4, 64))
