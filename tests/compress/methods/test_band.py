import numpy as np
import pytest
import torch
from compress_oracle import joined, pruned_count, sparsities, weight_sets
from hypothesis import given

from junkdna.compress.methods import magnitude
from junkdna.compress.methods.band import masks
from junkdna.errors import UserError


@given(weight_sets(), sparsities, sparsities)
def test_prunes_a_slice_of_the_magnitude_order(weights, one, other):
    low, high = sorted((one, other))
    magnitudes = np.abs(joined(weights))
    order = np.argsort(magnitudes, kind="stable")
    expected = np.ones(len(order), dtype=bool)
    expected[order[pruned_count(len(order), low) : pruned_count(len(order), high)]] = False
    found = dict(masks(weights, (low, high), None))
    np.testing.assert_array_equal(joined(found), expected)
    assert list(found) == list(weights)


@given(weight_sets(), sparsities, sparsities)
def test_bands_that_share_an_end_share_no_scalar_and_leave_none_out(weights, one, other):
    low, high = sorted((one, other))
    pruned = sum((~joined(dict(masks(weights, band, None)))).astype(int) for band in ((0, low), (low, high), (high, 1)))
    assert (pruned == 1).all()


def test_from_nothing_is_magnitude():
    weights = {"b": torch.tensor([[1.0, 0.0, 1.0]]), "a": torch.tensor([[2.0, -1.0]])}
    one, other = dict(masks(weights, (0, 0.6), None)), dict(magnitude.masks(weights, 0.6, None))
    assert all(torch.equal(one[name], other[name]) for name in weights)


def test_by_hand():
    weights = {"w": torch.tensor([[0.4, -0.1, 0.3, 0.2]])}
    assert dict(masks(weights, (0.25, 0.75), None))["w"].tolist() == [[True, True, False, False]]
    assert dict(masks(weights, [0.5, 0.5], None))["w"].all()
    assert not dict(masks(weights, (0, 1), None))["w"].any()


def test_a_matrix_may_be_changed_once_its_mask_exists():
    weights = {"b": torch.tensor([[1.0, 2.0]]), "a": torch.tensor([[3.0, 4.0]])}
    for name, mask in masks(weights, (0.25, 0.75), None):
        assert mask.tolist() == {"b": [[True, False]], "a": [[False, True]]}[name]
        weights[name].zero_()


def test_errors_come_before_the_first_mask():
    with pytest.raises(AssertionError, match=r"\(0\.3, 0\.2\)"):
        masks({"w": torch.ones(2, 2)}, (0.3, 0.2), None)
    with pytest.raises(UserError, match="scope contains no matrix"):
        masks({}, (0.2, 0.3), None)
    with pytest.raises(UserError, match=r"^w: 1 of 2 weights are NaN"):
        masks({"w": torch.tensor([[float("nan"), 1.0]])}, (0.2, 0.3), None)
