import pytest
import torch
from torch import nn

from junkdna.compress.masks import MatrixResult, apply_masks, violations, write_result
from junkdna.compress.scope import Prunable, matrices

GENERATOR_SEED = 11


@pytest.fixture
def prunables():
    generator = torch.Generator().manual_seed(GENERATOR_SEED)
    plain = nn.Parameter(torch.randn(3, 4, generator=generator))
    stored = nn.Parameter(torch.randn(4, 2, generator=generator).bfloat16())
    return [Prunable("plain", plain, transposed=False), Prunable("stored", stored, transposed=True)]


@pytest.fixture
def masks():
    one = torch.ones(3, 4, dtype=torch.bool)
    one[0, 1] = one[2, 3] = False
    other = torch.ones(2, 4, dtype=torch.bool)
    other[1, 0] = False
    return {"plain": one, "stored": other}


def test_apply_zeroes_the_pruned_and_keeps_the_rest_bit_for_bit(prunables, masks):
    before = [each.parameter.detach().clone() for each in prunables]
    apply_masks(prunables, masks)
    plain, stored = (each.parameter for each in prunables)
    assert plain[0, 1] == plain[2, 3] == stored[0, 1] == 0  # stored is (in, out): mask [1, 0] is its [0, 1]
    assert int((plain == 0).sum()) == 2
    assert int((stored == 0).sum()) == 1
    for each, old in zip(prunables, before, strict=True):
        assert each.parameter.requires_grad
        untouched = each.parameter != 0
        assert torch.equal(each.parameter[untouched], old[untouched])
        assert each.parameter.dtype == old.dtype
        assert not torch.signbit(each.parameter[~untouched]).any()


def test_apply_overwrites_what_is_not_finite(prunables, masks):
    with torch.no_grad():
        prunables[0].parameter[0, 1] = float("inf")
    apply_masks(prunables, masks)
    assert prunables[0].parameter[0, 1] == 0


def test_put_writes_new_values_then_zeros(prunables, masks):
    each, mask = prunables[0], masks[prunables[0].name]
    before = each.matrix().clone()
    write_result(each, MatrixResult(mask, None))
    assert torch.equal(each.matrix(), before * mask)
    new = torch.arange(1.0, mask.numel() + 1).view_as(mask)
    write_result(each, MatrixResult(None, new))
    assert torch.equal(each.matrix(), new)
    write_result(each, MatrixResult(mask, new + 1))
    assert torch.equal(each.matrix(), (new + 1) * mask)


def test_violations_of_zero(prunables, masks):
    assert violations(prunables, masks) == 3
    apply_masks(prunables, masks)
    assert violations(prunables, masks) == 0
    with torch.no_grad():
        prunables[1].parameter[0, 1] = 1e-30
        prunables[0].parameter[0, 1] = -0.0
        prunables[0].parameter[2, 3] = float("nan")
    assert violations(prunables, masks) == 2


def test_violations_of_a_reference(prunables, masks):
    reference = {name: matrix.clone() for name, matrix in matrices(prunables).items()}
    assert violations(prunables, masks, reference) == 0
    with torch.no_grad():
        prunables[0].parameter[1, 1] += 1  # kept: may move
        prunables[1].parameter[0, 1] *= 1.01  # pruned: may not
    assert violations(prunables, masks, reference) == 1


def test_an_optimizer_step_is_seen(prunables, masks):
    apply_masks(prunables, masks)
    optimizer = torch.optim.SGD([each.parameter for each in prunables], lr=0.1)
    sum(each.parameter.float().sum() for each in prunables).backward()
    optimizer.step()
    assert violations(prunables, masks) == 3
    apply_masks(prunables, masks)
    assert violations(prunables, masks) == 0


@pytest.mark.parametrize("use", [apply_masks, violations])
def test_masks_of_other_matrices_fail_an_assertion(use, prunables, masks):
    with pytest.raises(AssertionError, match="different names"):
        use(prunables, {"plain": masks["plain"]})
    with pytest.raises(AssertionError, match="stored: mask"):
        use(prunables, masks | {"stored": masks["stored"].t()})
