"""Errors of compressed matrices against NumPy's norms of the differences, on real products and not on the gram."""

import numpy as np
import pytest
import torch

from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.matrix_errors import relative_errors

OUT, IN, TOKENS = 7, 12, 40


def tensors(dtype=torch.float32):
    generator = torch.Generator().manual_seed(3)
    weight, new = torch.randn(2, OUT, IN, generator=generator).to(dtype)
    mask = torch.rand(OUT, IN, generator=generator) > 0.4
    return weight, new, mask, torch.randn(TOKENS, IN, generator=generator).to(dtype)


def gram_of(tokens):
    statistics = InputStatistics(IN, gram=True, device="cpu")
    statistics.add(tokens)
    return statistics.gram


def expected(weight, new, tokens):
    w, v, x = (each.double().numpy() for each in (weight, new, tokens))
    return np.linalg.norm(w - v) / np.linalg.norm(w), np.linalg.norm((w - v) @ x.T) / np.linalg.norm(w @ x.T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("has", ["mask", "weight", "both"])
def test_both_errors_are_those_of_numpy(dtype, has):
    weight, new, mask, tokens = tensors(dtype)
    new = weight * mask if has == "mask" else new * mask if has == "both" else new
    result = MatrixResult(None if has == "weight" else mask, None if has == "mask" else new)
    before = weight.clone()
    assert relative_errors(weight, result, gram_of(tokens)) == pytest.approx(expected(weight, new, tokens), rel=6e-6)
    assert torch.equal(weight, before)


def test_a_transposed_view_has_the_same_error():
    weight, _, mask, tokens = tensors()
    view = weight.t().contiguous().t()
    assert relative_errors(view, MatrixResult(mask, None), gram_of(tokens)) == relative_errors(
        weight, MatrixResult(mask, None), gram_of(tokens)
    )


def test_without_inputs_there_is_no_output_error():
    weight, new, _, _ = tensors()
    assert relative_errors(weight, MatrixResult(None, new))[1] is None


def test_nothing_changed_is_0_and_everything_pruned_is_1():
    weight, _, mask, tokens = tensors()
    gram = gram_of(tokens)
    assert relative_errors(weight, MatrixResult(None, weight), gram) == (0, 0)
    assert relative_errors(weight, MatrixResult(torch.ones_like(mask), None), gram) == (0, 0)
    assert relative_errors(weight, MatrixResult(torch.zeros_like(mask), None), gram) == (1, 1)


def test_a_change_orthogonal_to_every_input_does_not_disturb_the_output():
    """Inputs whose second half is 0: pruning these weights changes the matrix but not what it computes."""
    weight, _, _, tokens = tensors()
    tokens[:, IN // 2 :] = 0
    mask = torch.arange(IN).lt(IN // 2).expand(OUT, IN)
    weight_error, output_error = relative_errors(weight, MatrixResult(mask, None), gram_of(tokens))
    assert weight_error > 0.5
    assert output_error == 0


def test_a_matrix_of_zeros_has_no_relative_error():
    weight, new, _, tokens = tensors()
    assert relative_errors(torch.zeros_like(weight), MatrixResult(None, new), gram_of(tokens)) == (None, None)
