"""The column loop of SparseGPT and GPTQ: change one column of a weight, adjust the later ones to compensate."""

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
    """Replaces every column in turn, moves its error to the following columns, and returns the new weight, (out, in).

    Arguments:
    - `weight`: (out, in), float32 or float64, which sets the precision. It is not changed.
    - `factor`: U of `input_stats.inverse_factor`, (in, in), on the same device.
    - `group`: columns per group; the last group may be shorter.
    - `start(j, columns)`: called once per group, before its first column j is replaced. `columns`, (columns of the
      group, out), is the transposed group with all earlier columns already compensated; a column is contiguous in it.
    - `replace(j, w_j)`: the new column j.

    `columns` and w_j are views of the working copy: `start` and `replace` must neither write to them nor keep them.

    From left to right, column w_j becomes replace(j, w_j), and every later column k loses (w_j - replace(j, w_j)) *
    U_jk / U_jj. This is the least-squares response to the change of w_j with the columns before j fixed (SparseGPT,
    arXiv 2301.00774, algorithm 1; GPTQ, arXiv 2210.17323, algorithm 1).

    The papers collect the updates of 128 columns and apply them lazily to all later columns. Here each span is halved:
    process its left half, update the right half by one matrix product, process the right half. The sums are the same,
    in another order. No decision reads a value back from the device.
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
    """The steps in order: (first, None, last) replaces the columns of a short span one by one; (first, middle, last)
    moves the errors of the columns first..middle to the columns middle..last.

    A span of several groups starts at the first column of a group and is halved between two groups, so every group
    becomes a separate span.
    """
    length = last - first
    if length <= min(group, LEAF):
        yield first, None, last
        return
    middle = first + (length // 2 if length <= group else group * (-(-length // group) // 2))
    yield from _steps(first, middle, group)
    yield first, middle, last
    yield from _steps(middle, last, group)
