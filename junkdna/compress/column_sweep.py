"""The walk over a weight's columns behind SparseGPT and GPTQ: change one, let those to come make up for it."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

LEAF = 16
"""Columns that are updated one by one; longer spans are updated by matrix products."""


def sweep(
    weight: Tensor,
    factor: Tensor,
    group: int,
    start: Callable[[int, Tensor], None],
    replace: Callable[[int, Tensor], Tensor],
) -> Tensor:
    """The new weight, (out, in), after every column was replaced in turn and its error moved to the columns behind.

    weight is (out, in), float32 or float64, and sets the precision; it is not changed. factor is U of
    `input_stats.inverse_factor`, (in, in), on the same device. From left to right each column w_j becomes
    replace(j, w_j), and every column k behind it loses (w_j - replace(j, w_j)) * U_jk / U_jj: the least-squares answer
    to the change of w_j while the columns before j stay (SparseGPT, arXiv 2301.00774, algorithm 1; GPTQ, arXiv
    2210.17323, algorithm 1).

    Columns come in groups of `group` (the last may be shorter). start(j, columns) is called once before the first
    column j of each group is replaced, with the group's columns as they stand then: all that came before is accounted
    for in them. They are (columns of the group, out), the transpose, in which a column lies in one piece. They and w_j
    are views of the working copy, so start and replace must not write to them, nor keep them.

    The papers gather the updates of 128 columns and apply them lazily to all columns behind. Here a span is halved:
    do its left half, update the right half by one matrix product, do the right half. The sums are the same, in another
    order. It makes no decision that reads a value back from the device.
    """
    inputs = weight.shape[1]
    columns = weight.t().clone(memory_format=torch.contiguous_format)
    errors = torch.empty_like(columns)
    factor = factor.to(weight.dtype)
    unit = factor / factor.diagonal().unsqueeze(1)

    for first, middle, last in _steps(0, inputs, group):
        if middle is not None:
            columns[middle:last].addmm_(unit[first:middle, middle:last].t(), errors[first:middle], alpha=-1)
            continue
        for index in range(first, last):
            if index % group == 0:
                start(index, columns[index : min(index + group, inputs)])
            column = columns[index]
            if index > first:
                column.addmv_(errors[first:index].t(), unit[first:index, index], alpha=-1)
            new = replace(index, column)
            torch.sub(column, new, out=errors[index])
            column.copy_(new)
    return columns.t()


def _steps(first: int, last: int, group: int) -> Iterator[tuple[int, int | None, int]]:
    """What to do in turn: (first, None, last) replaces the columns of a short span one by one, (first, middle, last)
    moves the errors of the columns from first on to those from middle on."""
    middle = _middle(first, last, group)
    if middle is None:
        yield first, None, last
        return
    yield from _steps(first, middle, group)
    yield first, middle, last
    yield from _steps(middle, last, group)


def _middle(first: int, last: int, group: int) -> int | None:
    """Where to halve a span: between two groups while it holds several, then anywhere; None where it is short enough.

    A span that holds several groups starts at one, so every group becomes a span of its own.
    """
    length = last - first
    if length > group:
        return first + group * (-(-length // group) // 2)
    return first + length // 2 if length > LEAF else None
