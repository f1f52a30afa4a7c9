"""OWL's outlier ratios against numpy, from the paper's formula and the inputs that plain hooks see."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from sequential_oracle import batch, rows

from junkdna.compress.block_levels import by_block
from junkdna.compress.outliers import input_norms, outlier_ratio, outlier_ratios
from junkdna.compress.scope import prunable
from junkdna.errors import UserError


def ratio_of(weights, norms, m):
    """The share of A_ij = ||X_j|| |W_ij| above m times the mean of A over the block (arXiv 2310.05175)."""
    scores = np.concatenate([(np.abs(w) * norm).ravel() for w, norm in zip(weights, norms, strict=True)])
    return (scores > m * scores.mean()).mean()


def test_by_hand():
    """Scores 1, 1, 1, 1, 16 have mean 4: one of 5 is above 3.9 times the mean (15.6), none above 4 times."""
    matrices = [
        (torch.tensor([[1.0, -0.5]]), torch.tensor([1.0, 2.0])),
        (torch.tensor([[1.0], [-1.0], [16.0]]), torch.ones(1)),
    ]
    assert outlier_ratio(matrices, 3.9) == Fraction(1, 5)
    assert outlier_ratio(matrices, 4) == 0
    assert outlier_ratio(matrices, 0) == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.5, 3, 5]), st.sampled_from([torch.float32, torch.bfloat16]))
def test_ratio_equals_numpy(seed, m, dtype):
    rng = np.random.default_rng(seed)
    shapes = [(5, 4), (3, 7)]
    weights = [torch.tensor(rng.standard_t(2, shape)).to(dtype) for shape in shapes]
    norms = [np.exp(rng.normal(size=shape[1])) for shape in shapes]
    found = outlier_ratio([(w, torch.tensor(norm)) for w, norm in zip(weights, norms, strict=True)], m)
    assert float(found) == pytest.approx(ratio_of([w.double().numpy() for w in weights], norms, m))


@torch.no_grad()
def hooked_norms(model, texts):
    """{name: norms of a layer's inputs} from plain hooks on forward passes of single rows, without pads."""
    squares = {}
    handles = []
    for each in prunable(model):

        def note(module, args, output, name=each.name):
            squares[name] = squares.get(name, 0) + args[0].double().square().sum((0, 1)).numpy()

        handles.append(model.get_submodule(each.name.removesuffix(".weight")).register_forward_hook(note))
    for row in texts:
        model(input_ids=row[None])
    for handle in handles:
        handle.remove()
    return {name: np.sqrt(square) for name, square in squares.items()}


@pytest.mark.parametrize("name", ["bert", "llama", "gpt2"])
def test_ratios_are_those_of_the_dense_model(name):
    """Also of the second block, although the pass goes block by block; and no weight changes."""
    model = tiny_models.plain(name)
    before = copy.deepcopy(model.state_dict())
    texts = rows(9, 6, 3)
    norms = hooked_norms(model, texts)
    prunables = prunable(model)
    batches = [batch(texts[:2], width=11), batch(texts[2:])]
    for matrix, found in input_norms(model, prunables, batches, "cpu").items():
        np.testing.assert_allclose(found.numpy(), norms[matrix], rtol=1e-5)
    found = outlier_ratios(model, prunables, batches, 2.0, "cpu")
    blocks = by_block(prunables)
    assert list(found) == list(blocks)
    assert len(found) == 2
    for block, matrices in blocks.items():
        weights = [each.matrix().double().numpy() for each in matrices]
        expected = ratio_of(weights, [norms[each.name] for each in matrices], 2.0)
        assert float(found[block]) == pytest.approx(expected, abs=1.5 / sum(weight.size for weight in weights))
        assert 0 < found[block] < 0.5
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_only_selected_matrices_count():
    model = tiny_models.plain("bert")
    chosen = [each for each in prunable(model) if ".1." in each.name and "attention" in each.name]
    found = outlier_ratios(model, chosen, [batch(rows(8))], 2.0, "cpu")
    assert list(found) == ["encoder.layer.1"]
    assert found["encoder.layer.1"].denominator <= 4 * 32 * 32


def test_matrices_outside_the_blocks_have_no_ratio():
    model = tiny_models.plain("bert")
    found = outlier_ratios(model, prunable(model, embeddings=True), [batch(rows(8))], 2.0, "cpu")
    assert list(found) == ["encoder.layer.0", "encoder.layer.1"]
    tables = [each for each in prunable(model, embeddings=True) if not each.block]
    with pytest.raises(UserError, match="none of the selected matrices is in one"):
        outlier_ratios(model, tables, [batch(rows(8))], 2.0, "cpu")
