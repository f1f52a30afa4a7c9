"""The column loop of SparseGPT and GPTQ: change one column of a weight, adjust the later ones to compensate."""

from torch import Tensor, contiguous_format, empty_like

from junkdna.compress.sweep_block import LEAF, Replace, Start, State, like_earlier, replace_columns, steps

BLOCK = 128
"""Columns that CUDA processes as one step, which is captured once for all blocks of a shape."""


def sweep(weight: Tensor, factor: Tensor, group: int, start: Start, replace: Replace, capture: bool = True) -> Tensor:
    """Replaces every column in turn, moves its error to the following columns, and returns the new weight, (out, in).

    Arguments:
    - `weight`: (out, in), float32 or float64, which sets the precision. It is not changed.
    - `factor`: U of `input_stats.inverse_factor`, (in, in), on the same device.
    - `group`: columns per group; the last group may be shorter.
    - `start(j, columns)`: called once per group, before its first column j is replaced. `columns`, (columns of the
      group, out), is the transposed group with all earlier columns already compensated; a column is contiguous in it.
      Returns the tensors that say how to replace these columns: (columns of the group, out), such as a mask, or one
      dimension less, such as a grid of each row.
    - `replace(w_j, *state)`: the new column j. `state` is what `start` returned, of the first kind only the column's
      part. On CUDA `replace` must depend on its arguments only and not wait for the device, and it should be the same
      function for all matrices, because its kernels are captured once.
    - `capture`: whether CUDA replays captured kernels, which changes no bit. Ignored on other devices.

    `columns` and w_j are views of the working copy: `start` and `replace` must neither write to them nor keep them.

    From left to right, column w_j becomes replace(w_j), and every later column k loses (w_j - replace(w_j)) * U_jk /
    U_jj. This is the least-squares response to the change of w_j with the columns before j fixed (SparseGPT, arXiv
    2301.00774, algorithm 1; GPTQ, arXiv 2210.17323, algorithm 1).

    The papers collect the updates of 128 columns and apply them lazily to all later columns. Here each span is halved:
    process its left half, update the right half by one matrix product, process the right half. The sums are the same,
    in another order.
    """
    inputs = weight.shape[1]
    columns = weight.t().clone(memory_format=contiguous_format)
    errors = empty_like(columns)
    factor = factor.to(weight.dtype)
    unit = factor / factor.diagonal().unsqueeze(1)
    state: State = ()

    for first, middle, last in steps(0, inputs, group, BLOCK if weight.is_cuda else LEAF):
        if middle is not None:
            columns[middle:last].addmm_(unit[first:middle, middle:last].t(), errors[first:middle], alpha=-1)
            continue
        if first % group == 0:
            state = start(first, columns[first : min(first + group, inputs)])
        offset = first % group
        part = tuple(each[offset : offset + last - first] if each.ndim == 2 else each for each in state)
        span = (columns[first:last], errors[first:last], unit[first:last, first:last], part)
        if weight.is_cuda and last - first > 1:
            like_earlier(span[0], part, replace, capture).run(*span)
        else:
            replace_columns(*span, replace)
    return columns.t()
