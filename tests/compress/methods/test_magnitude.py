import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from compress_oracle import joined, kept_after_sort, pruned_count, sparsities, weight_sets
from hypothesis import given

from junkdna.compress.methods.magnitude import masks
from junkdna.errors import UserError


def made(*args, **options):
    return dict(masks(*args, **options))


@given(weight_sets(), sparsities)
def test_equals_the_sort_of_everything(weights, sparsity):
    before = {name: weight.clone() for name, weight in weights.items()}
    found = made(weights, sparsity, None)
    magnitudes = np.abs(joined(weights))
    np.testing.assert_array_equal(joined(found), kept_after_sort(magnitudes, pruned_count(len(magnitudes), sparsity)))
    for name, weight in weights.items():
        assert found[name].dtype == torch.bool
        assert found[name].shape == weight.shape
        assert torch.equal(weight, before[name])
    assert list(found) == list(weights)


@pytest.mark.parametrize("ties", [False, True])
@given(weights=weight_sets(), one=sparsities, other=sparsities)
def test_masks_are_nested(ties, weights, one, other):
    light, heavy = (made(weights, sparsity, None, reference_ties=ties) for sparsity in sorted((one, other)))
    for name in weights:
        assert not (heavy[name] & ~light[name]).any()


def test_nothing_and_everything():
    weights = {"b": torch.zeros(3, 2), "a": torch.ones(2, 2)}
    assert all(one.all() for one in made(weights, 0, None).values())
    assert not any(one.any() for one in made(weights, 1, None).values())


def test_one_threshold_over_all_matrices():
    found = made({"large": torch.full((4, 4), 2.0), "small": torch.full((4, 4), -0.1)}, 0.5, None)
    assert found["large"].all()
    assert not found["small"].any()


def test_zeros_are_pruned_first_and_ties_by_mapping_order_then_index():
    weights = {"z": torch.tensor([[1.0, 0.0], [-1.0, 1.0]]), "a": torch.tensor([[1.0, -1.0], [-0.0, 3.0]])}
    found = made(weights, 0.5, None)  # 4 of 8: both zeros, then the first two ones of "z"
    assert found["z"].tolist() == [[False, False], [False, True]]
    assert found["a"].tolist() == [[True, True], [False, True]]


def test_order_is_that_of_the_view_given_not_of_its_memory():
    stored = torch.ones(3, 4)
    assert made({"w": stored.t()}, 0.5, None)["w"].tolist() == [[False] * 3, [False] * 3, [True] * 3, [True] * 3]


def test_parameters_with_gradients_are_read_only():
    weight = torch.nn.Parameter(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))
    assert not made({"w": weight}, 0.5, None)["w"].requires_grad


@given(weight_sets(), sparsities)
def test_reference_ties_keep_what_is_strictly_above_the_kth_largest(weights, sparsity):
    """The rule as the authors state it, by a sort: keep-count k, threshold the k-th largest, keep strictly greater."""
    magnitudes = np.abs(joined(weights))
    k = len(magnitudes) - math.ceil(len(magnitudes) * Decimal(str(float(sparsity))))
    threshold = np.sort(magnitudes)[::-1][k - 1] if k else np.inf
    found = joined(made(weights, sparsity, None, reference_ties=True))
    np.testing.assert_array_equal(found, magnitudes > threshold)
    assert found.sum() <= max(k - 1, 0)


def test_reference_ties_by_hand():
    weights = {"w": torch.tensor([[4.0, -2.0, 2.0, 1.0, 3.0, 2.0]])}
    expected = {  # k = 6, 3, 2, 1, 0
        0: [True, True, True, False, True, True],  # the smallest is pruned although the level is 0
        0.5: [True, False, False, False, True, False],  # the third largest is a 2: all three go
        0.6: [True, False, False, False, False, False],
        0.8: [False] * 6,
        1: [False] * 6,
    }
    for sparsity, kept in expected.items():
        assert made(weights, sparsity, None, reference_ties=True)["w"].tolist() == [kept]


def test_errors_come_before_the_first_mask():
    with pytest.raises(AssertionError, match="70"):
        masks({"w": torch.ones(2, 2)}, 70, None)
    with pytest.raises(UserError, match="scope contains no matrix"):
        masks({}, 0.5, None)
    with pytest.raises(UserError, match=r"^w: 1 of 2 weights are NaN"):
        masks({"w": torch.tensor([[float("nan"), 1.0]])}, 0.5, None)
    with pytest.raises(AssertionError, match="2"):
        masks({"w": torch.ones(2, 2)}, 2, None, reference_ties=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("ties", [False, True])
def test_device_is_kept_and_the_mask_is_that_of_the_cpu(ties):
    generator = torch.Generator().manual_seed(1)
    weights = {name: torch.randn(512, 384, generator=generator).bfloat16() for name in "ba"}
    on_gpu = made({name: weight.cuda() for name, weight in weights.items()}, 0.7, None, reference_ties=ties)
    for name, expected in made(weights, 0.7, None, reference_ties=ties).items():
        assert on_gpu[name].device.type == "cuda"
        assert torch.equal(on_gpu[name].cpu(), expected)
