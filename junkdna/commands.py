"""Commands that run single jobs alone, without Snakemake: to be pasted into a shell as they stand."""

import shlex
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from junkdna import devices
from junkdna.collect import state
from junkdna.compress.registry import METHODS
from junkdna.errors import UserError, shown
from junkdna.given import STUDY, Given
from junkdna.grid import all_cells, stored
from junkdna.job_settings import (
    calibration_file_settings,
    calibration_of,
    cell_settings,
    compressed_settings,
    model_settings,
    tokens_file_settings,
)
from junkdna.keys import CELLS, Cell, calibration_path
from junkdna.provenance import canonical_json
from junkdna.recorded import is_current
from junkdna.study import Resolved


def commands(resolved: Resolved, cells: Iterable[Cell] | None = None) -> Iterator[str]:
    """For every cell that is not done (or for `cells`, done or not), the command that runs it alone once its model and
    tokens are there; before them, the commands that make the stored compressions they read and that are not there, or
    were made from other settings, and the calibration rows of these."""
    given = resolved.given
    gpus = 1 if devices.gpu_count() else 0
    left = [cell for cell in all_cells(resolved) if state(cell, resolved) != "done"] if cells is None else list(cells)
    shared = [cell for cell in stored(left) if not is_current(cell.compressed_path, _compressed(cell, resolved))]
    yield from dict.fromkeys(_calibration_command(cell, resolved) for cell in shared if _calibration(cell))
    for cell in shared:
        settings = _compressed(cell, resolved)
        rows = f"--calibration {shlex.quote(_calibration(cell))} " if _calibration(cell) else ""
        yield _command(
            "compress", cell.compressed_path, f"--model {_manifest(cell)} {rows}--gpus {gpus}", settings, given
        )
    for cell in left:
        yield _command("cell", cell.path, f"--gpus {gpus}", cell_settings(cell, resolved), given)


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


def missing_inputs(cells: Iterable[Cell], resolved: Resolved) -> list[str]:
    """Model folders and encoded files that the commands of these cells read, and that are not there or were made from
    other settings."""
    needed: dict[str, dict] = {}
    for cell in cells:
        needed[_manifest(cell)] = model_settings(cell.model, resolved)
        for role in cell.roles:
            place = (cell.model, cell.task, cell.token_knobs, cell.protocol, role)
            needed[cell.tokens_path(role)] = tokens_file_settings(*place, resolved)
    return [file for file, settings in needed.items() if not is_current(file, settings)]


def _compressed(cell: Cell, resolved: Resolved) -> dict:
    return compressed_settings(cell.model, cell.compression, cell.seed, resolved)


def _calibration(cell: Cell) -> str:
    """The calibration rows that a cell's compression is made with; "" where there are none."""
    named = METHODS[cell.compression.method].statistics
    return calibration_path(cell.model, calibration_of(cell.compression), cell.seed) if named else ""


def _calibration_command(cell: Cell, resolved: Resolved) -> str:
    settings = calibration_file_settings(cell.model, calibration_of(cell.compression), cell.seed, resolved)
    return _command("calibration", _calibration(cell), f"--model {_manifest(cell)}", settings, resolved.given)


def _manifest(cell: Cell) -> str:
    return f"{cell.model_folder}/model.json"


def _command(stage: str, output: str, arguments: str, settings: dict, given: Given) -> str:
    """The command of one job; where the study is not config.yaml, its messages learn the study from the environment."""
    named = "" if given.is_default else f"{STUDY}={shlex.quote(given.file)} "
    settings_text = shlex.quote(canonical_json(settings))
    return f"{named}python -m junkdna {stage} {shlex.quote(output)} {arguments} --settings {settings_text}"
