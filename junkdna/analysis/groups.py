"""Cells that differ only in their seed."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from junkdna.study.cell import Cell, knob_text
from junkdna.study.grid import expand, reference
from junkdna.study.study import Resolved


def groups(cells: Iterable[Cell]) -> list[tuple[Cell, ...]]:
    """The groups of cells with the same model, task, knobs, transfer mode, protocol and compression, sorted by them."""
    return [tuple(group) for _, group in groupby(sorted(cells, key=_key), key=_key)]


def references(group: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The distinct dense references of a group, by seed."""
    return tuple(sorted({reference(cell) for cell in group}, key=lambda cell: cell.seed))


def study_groups(
    resolved: Resolved, facts: Mapping[str, Mapping], partial: bool = False
) -> Iterator[tuple[str, set[tuple[str, str]], list[tuple[Cell, ...]]]]:
    """(Experiment, its (task, knob) pairs that vary, its groups).

    `facts` maps the key of a finished cell to its row of the table of cells. With `partial`, cells without a row, and
    cells whose reference has none, are left out.
    """
    for experiment, members in expand(resolved).items():
        varied = {(cell.task, name) for cell in members for name, _ in cell.knobs}
        if partial:
            members = [cell for cell in members if {cell.key, reference(cell).key} <= facts.keys()]
        yield experiment, varied, groups(members)


def _key(cell: Cell) -> tuple:
    compression = (cell.compression.method, cell.compression.nominal_sparsity, cell.compression.tag)
    return (cell.model, cell.task, knob_text(cell.knobs), cell.transfer, cell.protocol, *compression)
