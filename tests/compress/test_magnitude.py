import numpy as np
import pytest
import torch
from compress_oracle import joined, kept_after_sort, pruned_count, sparsities, weight_sets
from hypothesis import given

from junkdna.compress.magnitude import mask
from junkdna.errors import UserError


@given(weight_sets(), sparsities)
def test_equals_the_sort_of_everything(weights, sparsity):
    before = {name: weight.clone() for name, weight in weights.items()}
    masks = mask(weights, sparsity, None)
    magnitudes = np.abs(joined(weights))
    np.testing.assert_array_equal(joined(masks), kept_after_sort(magnitudes, pruned_count(len(magnitudes), sparsity)))
    for name, weight in weights.items():
        assert masks[name].dtype == torch.bool
        assert masks[name].shape == weight.shape
        assert torch.equal(weight, before[name])
    assert list(masks) == list(weights)


@given(weight_sets(), sparsities, sparsities)
def test_masks_are_nested(weights, one, other):
    light, heavy = (mask(weights, sparsity, None) for sparsity in sorted((one, other)))
    for name in weights:
        assert not (heavy[name] & ~light[name]).any()


def test_nothing_and_everything():
    weights = {"b": torch.zeros(3, 2), "a": torch.ones(2, 2)}
    assert all(one.all() for one in mask(weights, 0, None).values())
    assert not any(one.any() for one in mask(weights, 1, None).values())


def test_one_threshold_over_all_matrices():
    masks = mask({"large": torch.full((4, 4), 2.0), "small": torch.full((4, 4), -0.1)}, 0.5, None)
    assert masks["large"].all()
    assert not masks["small"].any()


def test_zeros_are_pruned_first_and_ties_by_mapping_order_then_index():
    weights = {"z": torch.tensor([[1.0, 0.0], [-1.0, 1.0]]), "a": torch.tensor([[1.0, -1.0], [-0.0, 3.0]])}
    masks = mask(weights, 0.5, None)  # 4 of 8: both zeros, then the first two ones of "z"
    assert masks["z"].tolist() == [[False, False], [False, True]]
    assert masks["a"].tolist() == [[True, True], [False, True]]


def test_order_is_that_of_the_view_given_not_of_its_memory():
    stored = torch.ones(3, 4)
    assert mask({"w": stored.t()}, 0.5, None)["w"].tolist() == [[False] * 3, [False] * 3, [True] * 3, [True] * 3]


def test_parameters_with_gradients_are_read_only():
    weight = torch.nn.Parameter(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))
    assert not mask({"w": weight}, 0.5, None)["w"].requires_grad


def test_errors_come_through():
    with pytest.raises(UserError, match="70 % pruned"):
        mask({"w": torch.ones(2, 2)}, 70, None)
    with pytest.raises(UserError, match="matched no matrix"):
        mask({}, 0.5, None)
    with pytest.raises(UserError, match=r"^w: 1 of 2 weights are NaN"):
        mask({"w": torch.tensor([[float("nan"), 1.0]])}, 0.5, None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_device_is_kept_and_the_mask_is_that_of_the_cpu():
    generator = torch.Generator().manual_seed(1)
    weights = {name: torch.randn(64, 48, generator=generator).bfloat16() for name in "ba"}
    on_gpu = mask({name: weight.cuda() for name, weight in weights.items()}, 0.7, None)
    for name, expected in mask(weights, 0.7, None).items():
        assert on_gpu[name].device.type == "cuda"
        assert torch.equal(on_gpu[name].cpu(), expected)
