"""What every method checks before it works: weights and levels."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from numbers import Real

import torch
from torch import Tensor

from junkdna.compress.chunks import flat_parts
from junkdna.errors import UserError
from junkdna.study.levels import BITS

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SPARSITY = "a sparsity is the fraction pruned, from 0 to 1 (0.7 means 70 % pruned)"


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
    A sparsity outside 0..1, or no number at all, is a `UserError`.
    """
    return math.floor(total * _sparsity(sparsity))


def keep_count(total: int, sparsity: float) -> int:
    """floor(total * (1 - sparsity)), in exact arithmetic: what is left where the kept are counted, not the pruned.

    One less than total - `prune_count` where total * sparsity is no whole number. Same errors.
    """
    return math.floor(total * (1 - _sparsity(sparsity)))


def check_band(level: tuple[float, float]) -> tuple[float, float]:
    """A magnitude band as (from, to); `UserError` unless it is two numbers with 0 <= from <= to <= 1."""
    rule = "a band is a pair (from, to) of quantiles of |w| with 0 <= from <= to <= 1; (0.2, 0.3) prunes that tenth"
    pair = _pair(level)
    if not pair:
        raise UserError(f"level {level!r}: {rule}. A plain sparsity belongs to 'magnitude', 'random' or 'largest'.")
    for part in pair:
        _share(f"level {tuple(pair)}: {part!r}", part, rule, "Give two numbers.")
    low, high = pair
    if low > high:
        raise UserError(f"level (from {low}, to {high}): {rule}. The two may be swapped: ({high}, {low}).")
    return low, high


def check_keep_of(level: tuple[int, int]) -> tuple[int, int]:
    """The level of keep n of m as (keep, of); `UserError` unless whole numbers with 0 <= keep <= of and of >= 1."""
    rule = "keep n of m is a pair (keep, of) of whole numbers with 0 <= keep <= of and of >= 1; (2, 4) keeps half"
    pair = _pair(level)
    if not pair or not all(map(_whole, pair)):
        raise UserError(f"level {level!r}: {rule}. A plain sparsity belongs to 'magnitude', 'random' or 'largest'.")
    keep, of = pair
    if of < 1 or not 0 <= keep <= of:
        swapped = f" The two may be swapped: ({of}, {keep})." if 0 <= of < keep else ""
        raise UserError(f"level (keep {keep}, of {of}): {rule}.{swapped}")
    return keep, of


def check_divides(inputs: int, of: int) -> None:
    """Refuses (`UserError`) rows of `inputs` weights that groups of `of` do not fill."""
    if inputs % of:
        divisors = [size for size in range(2, 33) if inputs % size == 0]
        fix = f"use an `of` among {divisors}" if divisors else "leave this matrix out"
        raise UserError(
            f"{inputs} inputs a row cannot be cut into groups of {of} ({inputs} = {inputs // of} x {of} + "
            f"{inputs % of}): {fix}."
        )


def check_bits(bits: int) -> int:
    """The bits of a weight; `UserError` unless 2, 3, 4 or 8."""
    if not _whole(bits) or bits not in BITS:
        legal = ", ".join(map(str, BITS))
        hint = " A model in 16 bits is the dense one." if bits in (16, 32) else ""
        raise UserError(f"bits {bits!r}: weights are rounded to {legal} bits, as a whole number.{hint}")
    return bits


def check_group(inputs: int, group: int) -> int:
    """How many consecutive inputs of a row share one grid: `group`, or all of them for 0.

    `UserError` unless it is a whole number that divides the inputs: a shorter last group would be rounded on a finer
    grid than the others, and counted wrongly in the bits of a weight.
    """
    rule = "a group is how many consecutive inputs of a row share a scale, as a whole number; 0 takes the whole row"
    if not _whole(group) or group < 0:
        raise UserError(f"group {group!r}: {rule}.")
    if group and inputs % group:
        divisors = [size for size in range(8, min(inputs, 1025)) if inputs % size == 0]
        fix = f"use one of {divisors}, or 0" if divisors else "use 0"
        raise UserError(f"group {group} does not divide the {inputs} inputs of a row: {rule}. Here {fix}.")
    return group or inputs


def check_rank(level: float) -> float:
    """The kept fraction of a matrix' full rank, min(outputs, inputs); `UserError` unless a number from 0 to 1."""
    rule = "a rank level is the fraction of the full rank, min(outputs, inputs), that is kept, from 0 to 1"
    _share(f"rank {level!r}", level, rule, "Give one number; a number of singular values has to be divided first.")
    return level


def _sparsity(sparsity: float) -> Fraction:
    instead = "Give one number; a (keep, of) pair belongs to 'nm', 'wanda' or 'sparsegpt', (from, to) to 'band'."
    return _share(f"sparsity {sparsity!r}", sparsity, SPARSITY, instead)


def _share(what: str, value: float, rule: str, instead: str) -> Fraction:
    """A number from 0 to 1 as the decimal that it prints as."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UserError(f"{what}: {rule}. {instead}")
    if math.isnan(value) or not 0 <= value <= 1:
        hint = f" It looks like a percentage: write {value / 100:g}." if 1 < value <= 100 else ""
        raise UserError(f"{what}: {rule}.{hint}")
    return Fraction(repr(float(value)))


def _pair(level: object) -> tuple:
    return tuple(level) if isinstance(level, tuple | list) and len(level) == 2 else ()


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def kept_rank(outputs: int, inputs: int, level: float) -> int:
    """How many singular values a level keeps: floor(level * min(outputs, inputs)), in exact arithmetic.

    A level outside 0..1, or no number at all, is a `UserError`.
    """
    return prune_count(min(outputs, inputs), check_rank(level))
