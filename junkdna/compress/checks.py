"""What every method checks before it works, and how many weights a level asks for. Levels are checked in a study."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

import torch
from torch import Tensor

from junkdna.compress.chunks import flat_parts
from junkdna.errors import UserError

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_weights(weights: Mapping[str, Tensor]) -> None:
    """Refuses (`UserError`) no weights at all, and a matrix with a NaN or an infinity, by its name.

    That weights are 2-D, of one of `DTYPES`, not empty, and all on one device is the caller's duty (`scope.prunable`
    sees to it), so it is asserted. Weights are read in one pass with one wait for the device.
    """
    for _ in checked_parts(weights):
        pass


def checked_parts(weights: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """`chunks.flat_parts` for a first pass that is also `check_weights`: what is not finite is refused at its end."""
    if not weights:
        raise UserError("no weights to compress: the selection matched no matrix. Check the model and the scope given.")
    for name, weight in weights.items():
        _check_kind(name, weight)
    assert len({weight.device for weight in weights.values()}) == 1, "matrices on several devices"
    return _refuse_at_the_end(weights)


def _refuse_at_the_end(weights: Mapping[str, Tensor]) -> Iterator[Tensor]:
    finite = []
    for part in flat_parts(weights):
        finite += [torch.isfinite(end) for end in part.aminmax()]  # aminmax passes a NaN on
        yield part
    if torch.stack(finite).all():
        return
    for name, weight in weights.items():
        try:
            check_matrix(weight)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None


def check_matrix(weight: Tensor) -> None:
    """Refuses (`UserError`) a matrix with a NaN or an infinity: what is not finite has no place in an order."""
    _check_kind("weight", weight)
    if all(torch.isfinite(end) for end in weight.detach().aminmax()):
        return
    finite = torch.isfinite(weight)
    raise UserError(
        f"{int((~finite).sum())} of {weight.numel()} weights are NaN or infinite; they must be finite to be compared "
        "or rounded. The checkpoint is damaged, or training diverged, or a cast to float16 overflowed: reload it, or "
        "load it in bfloat16 or float32."
    )


def _check_kind(name: str, weight: Tensor) -> None:
    assert weight.ndim == 2, f"{name}: shape {tuple(weight.shape)} is not a matrix"
    assert weight.dtype in DTYPES, f"{name}: {weight.dtype} is not one of {DTYPES}"
    assert weight.numel(), f"{name}: shape {tuple(weight.shape)} is empty"


def prune_count(total: int, sparsity: float) -> int:
    """How many of `total` scalars a sparsity prunes: floor(total * sparsity), in exact arithmetic.

    The sparsity is read as the decimal number it prints as, so 0.7 is 7/10 and not the float below it: the float
    product falls under a whole number at some sizes (0.7 * 350_000_010 for one), where no fixed epsilon saves it.
    """
    return math.floor(total * _exact(sparsity))


def keep_count(total: int, sparsity: float) -> int:
    """floor(total * (1 - sparsity)), in exact arithmetic: what is left where the kept are counted, not the pruned.

    One less than total - `prune_count` where total * sparsity is no whole number.
    """
    return math.floor(total * (1 - _exact(sparsity)))


def kept_rank(outputs: int, inputs: int, level: float) -> int:
    """How many singular values a level keeps: floor(level * min(outputs, inputs)), in exact arithmetic."""
    return math.floor(min(outputs, inputs) * _exact(level))


def _exact(share: float) -> Fraction:
    """A number from 0 to 1 as the decimal that it prints as."""
    assert 0 <= share <= 1, share
    return Fraction(repr(float(share)))


def check_divides(inputs: int, of: int) -> None:
    """Refuses (`UserError`) rows of `inputs` weights that groups of `of` do not fill."""
    if inputs % of:
        divisors = [size for size in range(2, 33) if inputs % size == 0]
        fix = f"use an `of` among {divisors}" if divisors else "leave this matrix out"
        raise UserError(
            f"{inputs} inputs a row cannot be cut into groups of {of} ({inputs} = {inputs // of} x {of} + "
            f"{inputs % of}): {fix}."
        )


def group_size(inputs: int, group: int) -> int:
    """How many consecutive inputs of a row share one grid: `group`, or all of them for 0.

    `UserError` unless it divides the inputs: a shorter last group would be rounded on a finer grid than the others, and
    counted wrongly in the bits of a weight.
    """
    if group and inputs % group:
        divisors = [size for size in range(8, min(inputs, 1025)) if inputs % size == 0]
        fix = f"use one of {divisors}, or 0" if divisors else "use 0"
        raise UserError(
            f"group {group} does not divide the {inputs} inputs of a row: a group is how many consecutive inputs of a "
            f"row share a scale; 0 takes the whole row. Here {fix}."
        )
    return group or inputs
