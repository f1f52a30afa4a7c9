"""Which cells train together as a stack, and where its checkpoints are. Imports nothing heavy."""

from pathlib import Path

from junkdna.study.cell import Cell, knob_text, parse_cell_path
from junkdna.study.paths import CHECKPOINTS


def stack_of(cell: Cell) -> tuple:
    """What cells of one stack have in common."""
    return cell.model, cell.task, cell.knobs, cell.protocol, cell.seed


def checkpoint_folder(cell: str) -> Path:
    """Folder of the checkpoints of the stacks that a cell (its key) may be in."""
    model, task, knobs, protocol, seed = stack_of(parse_cell_path(cell))
    return CHECKPOINTS / model / task / knob_text(knobs) / "stacks" / protocol / f"seed-{seed}"
