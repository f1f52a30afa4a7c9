import numpy as np
import pytest
import torch
from compress_oracle import joined, kept_after_sort, pruned_count, sparsities, weight_sets
from hypothesis import given

from junkdna.compress.methods import magnitude
from junkdna.compress.methods.largest import masks


@given(weight_sets(), sparsities)
def test_equals_the_sort_of_everything(weights, sparsity):
    magnitudes = np.abs(joined(weights))
    expected = kept_after_sort(-magnitudes, pruned_count(len(magnitudes), sparsity))
    np.testing.assert_array_equal(joined(dict(masks(weights, sparsity, None))), expected)


@given(weight_sets(), sparsities, sparsities)
def test_masks_are_nested(weights, one, other):
    light, heavy = (dict(masks(weights, sparsity, None)) for sparsity in sorted((one, other)))
    for name in weights:
        assert not (heavy[name] & ~light[name]).any()


def test_complements_magnitude_without_ties():
    weights = {"w": torch.arange(1.0, 21.0).reshape(4, 5)}
    ((_, low),), ((_, high),) = magnitude.masks(weights, 0.3, None), masks(weights, 0.7, None)
    assert torch.equal(low, ~high)


def test_ties_lower_index_first():
    assert [mask.tolist() for _, mask in masks({"w": torch.tensor([[1.0, -1.0, 0.0, 1.0]])}, 0.5, None)] == [
        [[False, False, True, True]]
    ]


def test_zeros_go_last():
    ((_, mask),) = masks({"w": torch.tensor([[0.0, 1.0, -0.0, 3e38]])}, 0.75, None)
    assert mask.tolist() == [[False, False, True, False]]


def test_errors_come_before_the_first_mask():
    with pytest.raises(AssertionError, match="30"):
        masks({"w": torch.ones(2, 2)}, 30, None)
