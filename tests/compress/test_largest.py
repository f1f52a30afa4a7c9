import numpy as np
import pytest
import torch
from compress_oracle import joined, kept_after_sort, pruned_count, sparsities, weight_sets
from hypothesis import given

from junkdna.compress import largest, magnitude
from junkdna.errors import UserError


@given(weight_sets(), sparsities)
def test_equals_the_sort_of_everything(weights, sparsity):
    masks = largest.mask(weights, sparsity, None)
    magnitudes = np.abs(joined(weights))
    np.testing.assert_array_equal(joined(masks), kept_after_sort(-magnitudes, pruned_count(len(magnitudes), sparsity)))


@given(weight_sets(), sparsities, sparsities)
def test_masks_are_nested(weights, one, other):
    light, heavy = (largest.mask(weights, sparsity, None) for sparsity in sorted((one, other)))
    for name in weights:
        assert not (heavy[name] & ~light[name]).any()


def test_complements_magnitude_where_nothing_ties():
    weights = {"w": torch.arange(1.0, 21.0).reshape(4, 5)}
    low, high = magnitude.mask(weights, 0.3, None)["w"], largest.mask(weights, 0.7, None)["w"]
    assert torch.equal(low, ~high)


def test_ties_lower_index_first():
    assert largest.mask({"w": torch.tensor([[1.0, -1.0, 0.0, 1.0]])}, 0.5, None)["w"].tolist() == [
        [False, False, True, True]
    ]


def test_errors_come_through():
    with pytest.raises(UserError, match=r"write 0\.3"):
        largest.mask({"w": torch.ones(2, 2)}, 30, None)
