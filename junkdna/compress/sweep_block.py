"""Some consecutive columns of `column_sweep.sweep`, as a step that CUDA can repeat without launching each kernel.

A model has about a million columns, and each takes a few kernels of some microseconds; launched one by one, they take
ten times as long. The columns of a block and all that decides how to replace them are therefore copied to tensors that
stay where they are, and the kernels that work on those are captured once (`models.cuda_graph`).
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import torch
from torch import Tensor

from junkdna.models.cuda_graph import RepeatedStep

LEAF = 16
"""Columns that are updated one by one; longer spans are updated by matrix products."""
KEPT_BLOCKS = 8  # shapes whose blocks are kept for the next matrix: a few dozen MB each

State = tuple[Tensor, ...]
Start = Callable[[int, Tensor], State]
Replace = Callable[..., Tensor]


def steps(first: int, last: int, group: int, leaf: int) -> Iterator[tuple[int, int | None, int]]:
    """The steps in order: (first, None, last) replaces the columns of a short span; (first, middle, last) moves the
    errors of the columns first..middle to the columns middle..last.

    A short span has at most `leaf` columns, all of one group. A span of several groups starts at the first column of a
    group and is halved between two groups, so every group becomes a separate span.
    """
    length = last - first
    if length <= min(group, leaf):
        yield first, None, last
        return
    middle = first + (length // 2 if length <= group else group * (-(-length // group) // 2))
    yield from steps(first, middle, group, leaf)
    yield first, middle, last
    yield from steps(middle, last, group, leaf)


def replace_columns(columns: Tensor, errors: Tensor, unit: Tensor, state: State, replace: Replace) -> None:
    """Replaces a few columns one by one, in place, and writes their errors.

    `columns` and `errors`: (columns, out); `unit`: the part of U_jk / U_jj between these columns; `state`: see `sweep`,
    for these columns.
    """
    for k in range(len(columns)):
        column = columns[k]
        if k > 0:
            column.addmv_(errors[:k].t(), unit[:k, k], alpha=-1)
        new = replace(column, *_of_column(state, k))
        torch.sub(column, new, out=errors[k])
        column.copy_(new)


def _of_column(state: State, k: int) -> list[Tensor]:
    return [each[k] if each.ndim == 2 else each for each in state]


def like_earlier(columns: Tensor, state: State, replace: Replace, capture: bool) -> "Block":
    """The block for columns (columns, out) and a state of these shapes: a new one or that of an earlier matrix."""
    shapes = tuple((part.shape, part.dtype) for part in state)
    return _kept_block((columns.shape, columns.dtype), shapes, columns.device, replace, capture)


class Block:
    """Columns of one group as a `RepeatedStep`. `room` allocates; `shape` and `states` are (shape, dtype) each."""

    def __init__(self, room: Callable, shape: tuple, states: tuple, replace: Replace, capture: bool) -> None:
        (length, _), dtype = shape
        self._given, self._columns, self._errors, self._new = (room(shape[0], dtype=dtype) for _ in range(4))
        self._unit = room((length, length), dtype=dtype)
        self._state = tuple(room(size, dtype=kind) for size, kind in states)
        self._replace, self._capture = replace, capture
        self._repeated = RepeatedStep(self._sweep, "column sweep")

    def run(self, columns: Tensor, errors: Tensor, unit: Tensor, state: State) -> None:
        """As `replace_columns` for any number of columns of a group."""
        for own, other in zip((self._given, self._unit, *self._state), (columns, unit, *state), strict=True):
            own.copy_(other)
        self._repeated(self._capture)
        errors.copy_(self._errors)
        columns.copy_(self._new)

    def _sweep(self) -> None:
        columns, errors, unit = self._columns, self._errors, self._unit
        columns.copy_(self._given)
        for first, middle, last in steps(0, len(columns), len(columns), LEAF):
            if middle is not None:
                columns[middle:last].addmm_(unit[first:middle, middle:last].t(), errors[first:middle], alpha=-1)
            else:
                self._replace_leaf(first, last)

    def _replace_leaf(self, first: int, last: int) -> None:
        """As `replace_columns`, with one copy of all new columns."""
        new = []
        for k in range(first, last):
            column = self._columns[k]
            if k > first:
                column.addmv_(self._errors[first:k].t(), self._unit[first:k, k], alpha=-1)
            new.append(self._replace(column, *_of_column(self._state, k)))
            torch.sub(column, new[-1], out=self._errors[k])
        torch.stack(new, out=self._new[first:last])


@lru_cache(maxsize=KEPT_BLOCKS)
def _kept_block(shape: tuple, states: tuple, device: torch.device, replace: Replace, capture: bool) -> Block:
    with torch.inference_mode(False):  # the next matrix may come in another mode
        return Block(partial(torch.empty, device=device), shape, states, replace, capture)
