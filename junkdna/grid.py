"""From a study to its cells."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from junkdna.compress.registry import METHODS
from junkdna.compression_grid import CompressionGrid
from junkdna.keys import Cell, Compression, Knobs
from junkdna.study import Experiment, Resolved
from junkdna.tasks.schema import Task


def conditions(exp: Experiment, tasks: dict[str, Task]) -> Iterator[tuple[str, Knobs]]:
    """(task, knobs) pairs of an experiment; knobs at the task's default are left out, so that equal cells are one."""
    for use in exp.tasks:
        defaults = tasks[use.task].knob_defaults()
        choices = {**exp.knobs, **{k: [v] for k, v in use.fixed().items()}}
        names = sorted(choices)
        for values in product(*(choices[name] for name in names)):
            pairs = dict(zip(names, values, strict=True))
            if pairs.get("context", defaults.get("context")) == "none":
                pairs.pop("answer_span", None)  # no passage, no answer in it to mask
            yield use.task, tuple((name, value) for name, value in pairs.items() if value != defaults[name])


def levels(grids: list[CompressionGrid]) -> list[Compression]:
    """Every compression of an experiment, dense first; sparsity 0 is dense."""
    return list(dict.fromkeys([Compression(), *(found for grid in grids for found in grid.compressions())]))


def canonical(cell: Cell) -> Cell:
    """The cell with its seed set to 0 where nothing depends on it (no training, no random mask, no calibration)."""
    seeded = cell.compression.level and METHODS[cell.compression.method].seeded
    return cell if cell.transfer != "none" or seeded else replace(cell, seed=0)


def reference(cell: Cell) -> Cell:
    """The dense cell that a cell's drop is counted against: same model, task, knobs, protocol and seed."""
    transfer = "none" if cell.transfer == "none" else "dense"
    return canonical(replace(cell, compression=Compression(), transfer=transfer))


def expand(resolved: Resolved) -> dict[str, list[Cell]]:
    """Cells of every active experiment, references included, without repeats inside an experiment."""
    return {name: _expand_one(exp, resolved) for name, exp in resolved.study.active().items()}


def _expand_one(exp: Experiment, resolved: Resolved) -> list[Cell]:
    found: dict[Cell, None] = {}
    grid = product(exp.models, conditions(exp, resolved.tasks), levels(exp.compressions), exp.transfer, exp.seeds)
    for model, (task, knobs), compression, transfer, seed in grid:
        cell = Cell(model, task, knobs, compression, transfer, exp.protocol, seed)
        if transfer == "none" or (transfer == "dense") == (compression.method == "dense"):
            cell = canonical(cell)
            found[reference(cell)] = None
            found[cell] = None
    return list(found)


def all_cells(resolved: Resolved) -> list[Cell]:
    """Every cell of the study once, in a fixed order."""
    return list(dict.fromkeys(cell for cells in expand(resolved).values() for cell in cells))


def stored(cells: Iterable[Cell]) -> list[Cell]:
    """One cell for every stored compression that some of these cells read."""
    return list({cell.compressed_path: cell for cell in cells if cell.compressed_path is not None}.values())


def calibrations(cells: Iterable[Cell]) -> list[str]:
    """The names of the calibrations that these cells depend on."""
    return sorted({value for cell in cells for name, value in cell.compression.options if name == "calibration"})
