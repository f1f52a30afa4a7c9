import math

import numpy as np
import pytest
import torch
from compress_oracle import DTYPES, TIED, kept_after_sort, pruned_count, sparsities
from hypothesis import given
from hypothesis import strategies as st
from obs_oracle import statistics_of

from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.methods.wanda import compress
from junkdna.errors import UserError


def of_norms(norms, gram=False):
    """Statistics of as many tokens as inputs, token j holding input j alone: the norms are exact."""
    return statistics_of(torch.tensor(norms, dtype=torch.float32).diag(), gram=gram)


any_width = st.integers(1, 30)


@st.composite
def layers(draw, width=any_width):
    """(weight of any dtype, norms): integer norms, some 0, on normal or tied weights."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 5)), draw(width))
    values = rng.choice(TIED, shape) if draw(st.booleans()) else rng.normal(size=shape)
    weight = torch.tensor(values).to(draw(st.sampled_from(DTYPES)))
    return weight, rng.integers(0, 8, shape[1]).astype(float)


def scores_of(weight, norms):
    return np.abs(weight.double().numpy()) * norms


@given(layers(), sparsities, st.booleans())
def test_every_row_loses_its_lowest_scores(layer, sparsity, gram):
    weight, norms = layer
    before = weight.clone()
    mask, new = compress(weight, of_norms(norms, gram), sparsity)
    assert new is None
    assert torch.equal(weight, before)
    assert mask.dtype == torch.bool
    count = pruned_count(len(norms), sparsity)
    for scores, kept in zip(scores_of(weight, norms), mask.numpy(), strict=True):
        np.testing.assert_array_equal(kept, kept_after_sort(scores, count))


@given(layers(), st.fractions(0, 1, max_denominator=60))
def test_a_fraction_is_the_count_of_the_matrix_spread_over_its_rows(layer, share):
    weight, norms = layer
    mask = compress(weight, of_norms(norms), share).mask
    rows = len(weight)
    total = math.floor(weight.numel() * share)
    counts = [total // rows + (row < total % rows) for row in range(rows)]
    assert int((~mask).sum()) == total
    for scores, kept, count in zip(scores_of(weight, norms), mask.numpy(), counts, strict=True):
        np.testing.assert_array_equal(kept, kept_after_sort(scores, count))


@given(layers(width=st.sampled_from([12, 24])), st.sampled_from([1, 2, 3, 4, 6, 12]), st.data())
def test_every_group_keeps_its_highest_scores(layer, of, data):
    weight, norms = layer
    keep = data.draw(st.integers(0, of))
    mask = compress(weight, of_norms(norms), (keep, of)).mask
    for scores, kept in zip(scores_of(weight, norms), mask.numpy(), strict=True):
        for first in range(0, len(norms), of):
            expected = kept_after_sort(scores[first : first + of], of - keep)
            np.testing.assert_array_equal(kept[first : first + of], expected)


@given(layers(), sparsities, st.sampled_from([0.1, 1.0, 3.0]))
def test_equal_norms_are_magnitude_in_every_row(layer, sparsity, norm):
    weight = layer[0]
    mask = compress(weight, of_norms([norm] * weight.shape[1]), sparsity).mask
    for row, kept in zip(weight.double().abs().numpy(), mask.numpy(), strict=True):
        np.testing.assert_array_equal(kept, kept_after_sort(row, pruned_count(len(row), sparsity)))


@given(layers(), sparsities, sparsities)
def test_masks_are_nested(layer, one, other):
    weight, statistics = layer[0], of_norms(layer[1])
    light, heavy = (compress(weight, statistics, sparsity).mask for sparsity in sorted((one, other)))
    assert not (heavy & ~light).any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), sparsities)
def test_a_new_order_of_inputs_is_a_new_order_of_the_mask(seed, inputs, sparsity):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, inputs, generator=generator, dtype=torch.float64)  # no ties, which go by the order
    x = torch.randn(7, inputs, generator=generator)
    order = torch.randperm(inputs, generator=generator)
    mask = compress(weight, statistics_of(x, gram=False), sparsity).mask
    permuted = statistics_of(x, gram=False)
    permuted.square_sums.copy_(permuted.square_sums[order])
    assert torch.equal(compress(weight[:, order], permuted, sparsity).mask, mask[:, order])


def test_by_hand():
    weight = torch.tensor([[1.0, -2.0, 3.0, -4.0], [4.0, 3.0, -2.0, 1.0]])
    statistics = statistics_of(torch.tensor([[3.0, 1.0, 0.5, 0.0], [4.0, 0.0, 0.0, 0.1]]), gram=False)
    # norms 5, 1, 0.5, 0.1: scores 5, 2, 1.5, 0.4 and 20, 3, 1, 0.1
    assert compress(weight, statistics, 0.5).mask.tolist() == [[True, True, False, False]] * 2
    assert compress(weight, statistics, 0.75).mask.tolist() == [[True, False, False, False]] * 2
    assert compress(weight, statistics, (1, 2)).mask.tolist() == [[True, False, True, False]] * 2


def test_weights_one_bit_apart_make_no_ties():
    weight = torch.tensor([[2 - 2**-23, 2 - 2**-22]])  # times 1.5 they are equal in float32
    for norm in np.linspace(1, 2, 9):
        assert compress(weight, of_norms([norm] * 2), 0.5).mask.tolist() == [[True, False]]


def test_dead_inputs_go_first():
    weight = torch.tensor([[0.1, 9.0, 0.2, 9.0]])
    assert compress(weight, of_norms([1, 0, 1, 0]), 0.5).mask.tolist() == [[True, False, True, False]]
    assert compress(weight, of_norms([1, 0, 1, 0]), 0.25).mask.tolist() == [[True, False, True, True]]


def test_nothing_and_everything():
    weight, statistics = torch.ones(2, 4), of_norms([1.0] * 4)
    for level, kept in ((0, True), (0.0, True), (1, False), ((4, 4), True), ((0, 4), False)):
        assert compress(weight, statistics, level).mask.tolist() == [[kept] * 4] * 2


def test_parameters_and_transposed_weights():
    stored = torch.nn.Parameter(torch.tensor([[1.0, 8.0], [2.0, 7.0], [3.0, 6.0]]))  # (in 3, out 2)
    mask = compress(stored.t(), of_norms([9.0, 1.0, 1.0]), 0.4).mask
    assert mask.tolist() == [[True, False, True], [True, True, False]]
    assert not mask.requires_grad


def test_bad_input():
    weight, statistics = torch.ones(2, 6), of_norms([1.0] * 6)
    with pytest.raises(AssertionError, match="70"):
        compress(weight, statistics, 70)
    with pytest.raises(AssertionError, match=r"\(4, 2\)"):
        compress(weight, statistics, (4, 2))
    with pytest.raises(UserError, match=r"6 inputs.*\[2, 3, 6\]"):
        compress(weight, statistics, (2, 4))
    with pytest.raises(UserError, match="1 of 2 weights are NaN"):
        compress(torch.tensor([[float("nan"), 1.0]]), of_norms([1.0, 1.0]), 0.5)
    with pytest.raises(UserError, match="1 of 6 inputs have NaN or infinite"):
        compress(weight, of_norms([1.0] * 5 + [float("inf")]), 0.5)
    with pytest.raises(UserError, match="no calibration tokens"):
        compress(weight, InputStatistics(6, gram=False, device="cpu"), 0.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("level", [0.6, (2, 4)])
def test_device_is_kept_and_the_mask_is_that_of_the_cpu(level):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(64, 48, generator=generator).bfloat16()
    x = torch.randint(-9, 9, (30, 48), generator=generator).bfloat16()  # sums exact on both
    mask = compress(weight.cuda(), statistics_of(x.cuda(), gram=False), level).mask
    assert mask.is_cuda
    assert torch.equal(mask.cpu(), compress(weight, statistics_of(x, gram=False), level).mask)
