"""Results and masks of matrices: write them to a model, and check that pruned weights stay pruned."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from junkdna.compress.scope import Prunable


class MatrixResult(NamedTuple):
    """The result for one compressed matrix, (out, in), on the device of its weight.

    `mask` is bool, True = kept, or None if nothing is pruned. `weight` contains the new values in the weight's dtype, 0
    where pruned, or None if kept weights do not change (bit for bit).
    """

    mask: Tensor | None
    weight: Tensor | None


def _check_match(prunables: Sequence[Prunable], masks: Mapping[str, Tensor]) -> None:
    """Asserts that masks and prunables have the same names and (out, in) shapes."""
    assert {prunable.name for prunable in prunables} == set(masks), "masks and prunables have different names"
    for prunable in prunables:
        mask, matrix = masks[prunable.name], prunable.matrix()
        assert mask.dtype == torch.bool, f"{prunable.name}: a mask of {mask.dtype}"
        assert mask.shape == matrix.shape, f"{prunable.name}: mask {tuple(mask.shape)} on {tuple(matrix.shape)}"


def write_result(prunable: Prunable, result: MatrixResult) -> None:
    """Writes a result to its weight, in place: the new values, then 0 where the mask prunes. Without new values, kept
    weights stay unchanged bit for bit.
    """
    if result.weight is not None:
        prunable.matrix().copy_(result.weight)
    if result.mask is not None:
        prunable.matrix().masked_fill_(~result.mask, 0)


def apply_masks(prunables: Sequence[Prunable], masks: Mapping[str, Tensor]) -> None:
    """Sets every pruned weight to 0 in place and leaves kept weights unchanged bit for bit.

    Masks are (out, in), True = kept, one per prunable. An optimizer step can change pruned weights, so this is called
    again after each step. Gradients and the optimizer's moments are not changed.
    """
    _check_match(prunables, masks)
    for prunable in prunables:
        prunable.matrix().masked_fill_(~masks[prunable.name], 0)


def violations(
    prunables: Sequence[Prunable], masks: Mapping[str, Tensor], reference: Mapping[str, Tensor] | None = None
) -> int:
    """The number of pruned entries that are not exactly 0, or not exactly the reference's value if there is a
    reference.

    `reference` maps names to (out, in) matrices: the starting values that a frozen weight must keep. -0.0 counts as 0;
    NaN is always a violation. Kept entries are ignored. Called after the last optimizer step.
    """
    _check_match(prunables, masks)
    count = 0
    for prunable in prunables:
        expected = 0 if reference is None else reference[prunable.name]
        count += int(((prunable.matrix() != expected) & ~masks[prunable.name]).count_nonzero())
    return count
