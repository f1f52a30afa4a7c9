"""Results and masks on a model: putting them on, proving that they still hold."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from junkdna.compress.scope import Prunable


class MatrixResult(NamedTuple):
    """One compressed matrix, (out, in), on the device of the weight it came from.

    `mask` is bool, True = kept; None where nothing is pruned. `weight` holds the new values in the old dtype; None
    where kept weights stay bit for bit. Pruned entries of `weight` are 0.
    """

    mask: Tensor | None
    weight: Tensor | None


def _check_match(prunables: Sequence[Prunable], masks: Mapping[str, Tensor]) -> None:
    """Asserts that masks and prunables are of the same names and (out, in) shapes."""
    assert {prunable.name for prunable in prunables} == set(masks), "masks and prunables name different matrices"
    for prunable in prunables:
        mask, matrix = masks[prunable.name], prunable.matrix()
        assert mask.dtype == torch.bool, f"{prunable.name}: a mask of {mask.dtype}"
        assert mask.shape == matrix.shape, f"{prunable.name}: mask {tuple(mask.shape)} on {tuple(matrix.shape)}"


def put(prunable: Prunable, result: MatrixResult) -> None:
    """Writes a result to its weight, in place: the new values, then 0 where the mask prunes. Kept weights of a result
    without new values stay bit for bit."""
    if result.weight is not None:
        prunable.matrix().copy_(result.weight)
    if result.mask is not None:
        prunable.matrix().masked_fill_(~result.mask, 0)


def apply(prunables: Sequence[Prunable], masks: Mapping[str, Tensor]) -> None:
    """Sets every pruned weight to 0 in place, and leaves kept ones bit for bit.

    Masks are (out, in), True = kept, one for each prunable. It does not keep weights pruned: an optimizer's step can
    move them, so it is called again after each. It does not touch gradients or the optimizer's moments.
    """
    _check_match(prunables, masks)
    for prunable in prunables:
        prunable.matrix().masked_fill_(~masks[prunable.name], 0)


def violations(
    prunables: Sequence[Prunable], masks: Mapping[str, Tensor], reference: Mapping[str, Tensor] | None = None
) -> int:
    """How many pruned entries are not exactly 0, or not exactly the reference's value where one is given.

    `reference` holds (out, in) matrices by name: the starting values that a frozen weight must still have. -0.0 counts
    as 0; NaN is always a violation. Kept entries are not looked at. Called after the last optimizer step.
    """
    _check_match(prunables, masks)
    count = 0
    for prunable in prunables:
        wanted = 0 if reference is None else reference[prunable.name]
        count += int(((prunable.matrix() != wanted) & ~masks[prunable.name]).count_nonzero())
    return count
