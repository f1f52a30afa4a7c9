"""Checks of weights that every method shares, and the number of weights that a level prunes. Levels are checked by the
study.
"""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

import torch
from torch import Tensor

from junkdna.compress.chunks import flat_chunks
from junkdna.errors import UserError
from junkdna.study.levels import exact

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_weights(weights: Mapping[str, Tensor]) -> None:
    """Raises `UserError` if there are no weights, or, naming the matrix, if one contains NaN or infinity.

    Asserts what the caller (`scope.prunable`) guarantees: weights are 2-D, of one of `DTYPES`, not empty, and all on
    one device. Reads the weights in one pass and waits for the device once.
    """
    for _ in checked_chunks(weights):
        pass


def checked_chunks(weights: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """`chunks.flat_chunks` that also performs `check_weights`: non-finite weights raise `UserError` after the last
    chunk.
    """
    if not weights:
        raise UserError("no weights to compress: the scope contains no matrix. Check the model and the scope.")
    for name, weight in weights.items():
        _check_kind(name, weight)
    assert len({weight.device for weight in weights.values()}) == 1, "matrices on several devices"
    return _check_last(weights)


def _check_last(weights: Mapping[str, Tensor]) -> Iterator[Tensor]:
    finite = []
    for chunk in flat_chunks(weights):
        finite += [torch.isfinite(end) for end in chunk.aminmax()]  # aminmax propagates NaN
        yield chunk
    if torch.stack(finite).all():
        return
    for name, weight in weights.items():
        try:
            check_matrix(weight)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None


def check_matrix(weight: Tensor) -> None:
    """Raises `UserError` if a matrix contains NaN or infinity, which cannot be ordered."""
    _check_kind("weight", weight)
    if all(torch.isfinite(end) for end in weight.detach().aminmax()):
        return
    finite = torch.isfinite(weight)
    raise UserError(
        f"{int((~finite).sum())} of {weight.numel()} weights are NaN or infinite; weights must be finite to be "
        "compared or rounded. The checkpoint may be corrupt, training may have diverged, or a cast to float16 may have "
        "overflowed: download the model again, or load it in bfloat16 or float32."
    )


def _check_kind(name: str, weight: Tensor) -> None:
    assert weight.ndim == 2, f"{name}: shape {tuple(weight.shape)} is not a matrix"
    assert weight.dtype in DTYPES, f"{name}: {weight.dtype} is not one of {DTYPES}"
    assert weight.numel(), f"{name}: shape {tuple(weight.shape)} is empty"


def prune_count(total: int, sparsity: float | Fraction) -> int:
    """The number of `total` scalars that a sparsity prunes: floor(total * sparsity), in exact arithmetic.

    Reads the sparsity as the decimal number that it prints as: 0.7 is 7/10, not the float just below. The product in
    floats falls below a whole number at some sizes (such as 0.7 * 350_000_010), and no fixed epsilon corrects that.
    """
    return math.floor(total * _exact(sparsity))


def keep_count(total: int, sparsity: float) -> int:
    """floor(total * (1 - sparsity)) in exact arithmetic, for rules that count the kept scalars instead of the pruned
    ones.

    One less than total - `prune_count` unless total * sparsity is a whole number.
    """
    return math.floor(total * (1 - _exact(sparsity)))


def kept_rank(outputs: int, inputs: int, level: float) -> int:
    """The number of singular values that a level keeps: floor(level * min(outputs, inputs)), in exact arithmetic."""
    return math.floor(min(outputs, inputs) * _exact(level))


def guaranteed_count(guarantee: str, rows: int, inputs: int, sparsity: float) -> int:
    """The number of weights that a sparsity prunes in one matrix, by its method's guarantee: matrix or row."""
    if guarantee == "row":
        return rows * prune_count(inputs, sparsity)
    assert guarantee == "matrix", guarantee
    return prune_count(rows * inputs, sparsity)


def _exact(share: float | Fraction) -> Fraction:
    """A number from 0 to 1 as an exact fraction (`levels.exact`)."""
    assert 0 <= share <= 1, share
    return exact(share)


def check_divides(inputs: int, of: int) -> None:
    """Raises `UserError` if groups of `of` do not divide rows of `inputs` weights."""
    if inputs % of:
        divisors = [size for size in range(2, 33) if inputs % size == 0]
        fix = f"use one of {divisors} for `of`" if divisors else "leave this matrix out"
        raise UserError(
            f"{inputs} inputs per row do not divide into groups of {of} ({inputs} = {inputs // of} x {of} + "
            f"{inputs % of}): {fix}."
        )


def group_size(inputs: int, group: int) -> int:
    """The number of consecutive inputs of a row that share one grid: `group`, or all of them if it is 0.

    Raises `UserError` unless it divides the inputs. A shorter last group would get a finer grid than the others, and
    its bits would be counted incorrectly.
    """
    if group and inputs % group:
        divisors = [size for size in range(8, min(inputs, 1025)) if inputs % size == 0]
        fix = f"use one of {divisors} or 0" if divisors else "use 0"
        raise UserError(
            f"group {group} does not divide the {inputs} inputs of a row. It is the number of consecutive inputs of a "
            f"row that share a scale; 0 means one scale per row. For this matrix, {fix}."
        )
    return group or inputs
