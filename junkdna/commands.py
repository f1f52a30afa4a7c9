"""Commands that run single jobs alone, without Snakemake: to be pasted into a shell as they stand."""

import shlex
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from junkdna import devices
from junkdna.collect import state
from junkdna.compress.registry import METHODS
from junkdna.errors import UserError, shown
from junkdna.grid import all_cells, stored
from junkdna.job_settings import (
    calibration_file_settings,
    calibration_of,
    cell_settings,
    compressed_settings,
)
from junkdna.keys import CELLS, Cell, calibration_path
from junkdna.provenance import canonical_json
from junkdna.study import Resolved


def commands(resolved: Resolved, cells: Iterable[Cell] | None = None) -> Iterator[str]:
    """For every cell that is not done (or for `cells`, done or not), the command that runs it alone once its model and
    tokens are there; before them, the commands that make the stored compressions they read and that are not there yet,
    and the calibration rows of these."""
    gpus = 1 if devices.gpu_count() else 0
    left = [cell for cell in all_cells(resolved) if state(cell, resolved) != "done"] if cells is None else list(cells)
    shared = [cell for cell in stored(left) if not Path(cell.compressed_path).exists()]
    yield from dict.fromkeys(_calibration_command(cell, resolved) for cell in shared if _calibration(cell))
    for cell in shared:
        settings = compressed_settings(cell.model, cell.compression, cell.seed, resolved)
        rows = f"--calibration {shlex.quote(_calibration(cell))} " if _calibration(cell) else ""
        yield _command("compress", cell.compressed_path, f"--model {_manifest(cell)} {rows}--gpus {gpus}", settings)
    for cell in left:
        yield _command("cell", cell.path, f"--gpus {gpus}", cell_settings(cell, resolved))


def cells_like(resolved: Resolved, pattern: str) -> list[Cell]:
    """The cells of the study whose file, log or key is `pattern`; `*` and `?` stand for any characters.

    Raises UserError where there is none.
    """
    wanted = pattern.removeprefix("./").removeprefix("results/logs/cells/").removeprefix(f"{CELLS}/")
    wanted = wanted.removesuffix(".parquet").removesuffix(".log")
    cells = all_cells(resolved)
    found = [cell for cell in cells if cell.key == wanted or fnmatchcase(cell.key, wanted)]
    if not found:
        raise UserError(
            f"--cell {shown(pattern, 300)} names no cell of the study's active experiments, of which one is "
            f"{cells[0].path}. Give a path of `{resolved.given.junkdna('plan', '--list')}`, or part of one with stars: "
            "--cell '*magnitude-0.5*'."
        )
    return found


def missing_inputs(cells: Iterable[Cell]) -> list[str]:
    """Files that must be there before the commands of these cells run, and are not."""
    needed = [file for cell in cells for file in (_manifest(cell), *(cell.tokens_path(role) for role in cell.roles))]
    return [file for file in dict.fromkeys(needed) if not Path(file).exists()]


def _calibration(cell: Cell) -> str:
    """The calibration rows that a cell's compression is made with; "" where there are none."""
    named = METHODS[cell.compression.method].statistics
    return calibration_path(cell.model, calibration_of(cell.compression), cell.seed) if named else ""


def _calibration_command(cell: Cell, resolved: Resolved) -> str:
    settings = calibration_file_settings(cell.model, calibration_of(cell.compression), cell.seed, resolved)
    return _command("calibration", _calibration(cell), f"--model {_manifest(cell)}", settings)


def _manifest(cell: Cell) -> str:
    return f"{cell.model_folder}/model.json"


def _command(stage: str, output: str, arguments: str, settings: dict) -> str:
    settings_text = shlex.quote(canonical_json(settings))
    return f"python -m junkdna {stage} {shlex.quote(output)} {arguments} --settings {settings_text}"
