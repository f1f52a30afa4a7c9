"""What every mask method checks before it selects: weights and levels."""

import math
from collections.abc import Mapping
from fractions import Fraction
from numbers import Real

import torch
from torch import Tensor

from junkdna.errors import UserError

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_weights(weights: Mapping[str, Tensor]) -> None:
    """Refuses (`UserError`) no weights at all, and a matrix with a NaN or an infinity: it has no place in an order.

    That weights are 2-D and of one of `DTYPES` is the caller's duty (`scope.prunable` sees to it), so it is asserted.
    """
    if not weights:
        raise UserError("no weights to prune: the selection matched no matrix. Check the model and the scope given.")
    for name, weight in weights.items():
        assert weight.ndim == 2, f"{name}: shape {tuple(weight.shape)} is not a matrix"
        assert weight.dtype in DTYPES, f"{name}: {weight.dtype} is not one of {DTYPES}"
        finite = torch.isfinite(weight)
        if not finite.all():
            raise UserError(
                f"{name}: {int((~finite).sum())} of {weight.numel()} weights are NaN or infinite; magnitudes must be "
                "finite to be compared. The checkpoint is damaged, or training diverged, or a cast to float16 "
                "overflowed: reload it, or load it in bfloat16 or float32."
            )


def prune_count(total: int, sparsity: float) -> int:
    """How many of `total` scalars a sparsity prunes: floor(total * sparsity), in exact arithmetic.

    The sparsity is read as the decimal number it prints as, so 0.7 is 7/10 and not the float below it: the float
    product falls under a whole number at some sizes (0.7 * 350_000_010 for one), where no fixed epsilon saves it.
    A sparsity outside 0..1, or no number at all, is a `UserError`.
    """
    rule = "a sparsity is the fraction pruned, from 0 to 1 (0.7 means 70 % pruned)"
    if isinstance(sparsity, bool) or not isinstance(sparsity, Real):
        raise UserError(f"sparsity {sparsity!r}: {rule}. Give one number; a (keep, of) pair belongs to method 'nm'.")
    if math.isnan(sparsity) or not 0 <= sparsity <= 1:
        hint = f" It looks like a percentage: write {sparsity / 100:g}." if 1 < sparsity <= 100 else ""
        raise UserError(f"sparsity {sparsity!r}: {rule}.{hint}")
    return math.floor(total * Fraction(repr(float(sparsity))))


def check_keep_of(level: tuple[int, int]) -> tuple[int, int]:
    """The level of keep n of m as (keep, of); `UserError` unless whole numbers with 0 <= keep <= of and of >= 1."""
    rule = "keep n of m is a pair (keep, of) of whole numbers with 0 <= keep <= of and of >= 1; (2, 4) keeps half"
    pair = tuple(level) if isinstance(level, tuple | list) else ()
    if len(pair) != 2 or any(isinstance(part, bool) or not isinstance(part, int) for part in pair):
        raise UserError(f"level {level!r}: {rule}. A plain sparsity belongs to 'magnitude', 'random' or 'largest'.")
    keep, of = pair
    if of < 1 or not 0 <= keep <= of:
        swapped = f" The two may be swapped: ({of}, {keep})." if 0 <= of < keep else ""
        raise UserError(f"level (keep {keep}, of {of}): {rule}.{swapped}")
    return keep, of
