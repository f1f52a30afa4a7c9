import numpy as np
import pytest
import torch
from compress_oracle import DTYPES, joined, kept_after_sort, pruned_count, sparsities, weight_sets
from hypothesis import given

from junkdna.compress.methods.magnitude_layer import compress
from junkdna.errors import UserError


@given(weight_sets(), sparsities)
def test_each_matrix_loses_its_own_smallest(weights, sparsity):
    for name, weight in weights.items():
        before = weight.clone()
        mask, new = compress(weight, None, sparsity)
        assert new is None
        assert mask.shape == weight.shape
        assert torch.equal(weight, before)
        count = pruned_count(weight.numel(), sparsity)
        np.testing.assert_array_equal(joined({name: mask}), kept_after_sort(np.abs(joined({name: weight})), count))


@given(weight_sets(), sparsities, sparsities)
def test_masks_are_nested(weights, one, other):
    for weight in weights.values():
        light, heavy = (compress(weight, None, sparsity).mask for sparsity in sorted((one, other)))
        assert not (heavy & ~light).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_matrix_large_enough_to_be_sampled(dtype):
    weight = torch.randn(300, 400, generator=torch.Generator().manual_seed(4)).to(dtype)
    mask = compress(weight.t(), None, 0.35).mask
    assert mask.shape == (400, 300)
    count = pruned_count(weight.numel(), 0.35)
    np.testing.assert_array_equal(joined({"": mask}), kept_after_sort(np.abs(joined({"": weight.t()})), count))


def test_nothing_and_everything():
    weight = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    assert compress(weight, None, 0).mask.all()
    assert not compress(weight, None, 1).mask.any()


def test_errors_name_no_matrix():
    with pytest.raises(UserError, match=r"^1 of 2 weights are NaN"):
        compress(torch.tensor([[float("inf"), 1.0]]), None, 0.5)
    with pytest.raises(AssertionError, match="50"):
        compress(torch.ones(2, 2), None, 50)
