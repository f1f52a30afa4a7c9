"""Cells that differ only in their seed."""

from collections.abc import Iterable
from itertools import groupby

from junkdna.study.cell import Cell, knob_text
from junkdna.study.grid import reference


def groups(cells: Iterable[Cell]) -> list[tuple[Cell, ...]]:
    """The groups of cells with the same model, task, knobs, transfer mode, protocol and compression, sorted by them."""
    return [tuple(group) for _, group in groupby(sorted(cells, key=_key), key=_key)]


def references(group: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The distinct dense references of a group, by seed."""
    return tuple(sorted({reference(cell) for cell in group}, key=lambda cell: cell.seed))


def _key(cell: Cell) -> tuple:
    compression = (cell.compression.method, cell.compression.nominal_sparsity, cell.compression.tag)
    return (cell.model, cell.task, knob_text(cell.knobs), cell.transfer, cell.protocol, *compression)
