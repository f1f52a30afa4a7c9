"""`junkdna plan`: what a run would do, before it: cells, hours, disk, and what is there already."""

import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from junkdna.analysis.collect import state
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.disk import Disk, disk
from junkdna.dag.inputs import figure_files
from junkdna.dag.local_paths import missing_local_paths
from junkdna.dag.model_folders import model_notes, model_problems
from junkdna.dag.model_names import taken_names
from junkdna.dag.recorded_settings import is_current
from junkdna.dag.state import Progress, Snapshot
from junkdna.dag.units import bytes_text, span_text
from junkdna.errors import UserError, shown
from junkdna.resumable import INTERVAL_S
from junkdna.run import gpus as run_gpus
from junkdna.storage.fingerprint import canonical_json
from junkdna.storage.study_commands import STUDY, Given
from junkdna.study.cell import Cell, calibration_path
from junkdna.study.compress_settings import (
    CompressedSettings,
    calibration_file_settings,
    calibration_of,
    compressed_settings,
)
from junkdna.study.grid import all_cells, expand, files_before, present, stored, used_examples
from junkdna.study.methods import METHODS
from junkdna.study.paths import CELLS, EXAMPLES
from junkdna.study.settings_base import Settings
from junkdna.study.settings_from_study import cell_settings, tokens_file_settings
from junkdna.study.source_settings import example_settings, model_settings
from junkdna.study.study import Resolved


def plan(resolved: Resolved) -> Iterator[str]:
    """Cells per experiment and how many still run (cells that two experiments share are counted once in the sum), what
    they need that is there already, hours and disk."""
    now = Progress(resolved).look()
    yield from _experiments(resolved, now)
    for line in (*missing_local_paths(resolved), *taken_names(resolved)):
        yield f"MISSING  {line}"
    for line in model_problems(resolved):
        yield f"WRONG    {line}"
    for line in model_notes(resolved):
        yield f"NOTE     {line}"
    yield _cached(resolved, now)
    times = CellTimes(resolved, now.finished, now.outdated | now.finished)
    yield from _hours(resolved, now, times)
    yield from _disk_lines(disk_needed(resolved, now, times))


def _experiments(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    width = max(len(name) for name in resolved.study.experiments)
    cells_of = expand(resolved)
    for name, exp in resolved.study.experiments.items():
        if name not in cells_of:
            alone = resolved.given.snakemake("--cores", "all", experiments=[name])
            yield f"{name:<{width}}  not in this run; to run it alone: {alone}"
            continue
        cells = cells_of[name]
        left = sum(now.states[cell] != "done" for cell in cells)
        yield f"{name:<{width}}  {len(cells):>5} cells, {left:>5} to run   {exp.title}"
    left = len(now.states) - now.counts()["done"]
    yield f"{'in all':<{width}}  {len(now.states):>5} cells, {left:>5} to run"
    if stale := now.counts()["stale"]:
        yield f"stale   {stale} of these are there, made from other settings, sources or code: they are replaced"


def _cached(resolved: Resolved, now: Snapshot) -> str:
    """How many of the files that cells are made from are there, made from the settings that the study has now."""
    cells = list(now.states)
    settings = _settings_of(cells, resolved)
    for task, role in used_examples(cells, resolved):
        settings[f"{EXAMPLES}/{task}/{role}.parquet"] = partial(example_settings, task, role, resolved)
    for cell in stored(cells):
        settings[cell.compressed_path] = partial(_compressed, cell, resolved)
        if drawn := _calibration(cell):
            settings[drawn] = partial(_calibration_settings, cell, resolved)

    def is_there(file: str) -> bool:
        return Path(file).is_file() and (file not in settings or is_current(file, settings[file]()))

    kinds = {kind: of_kind for kind, of_kind in files_before(cells, resolved).items() if of_kind}
    return (
        f"there   {', '.join(f'{sum(map(is_there, files))} of {len(files)} {kind}' for kind, files in kinds.items())}"
    )


def _settings_of(cells: Iterable[Cell], resolved: Resolved) -> dict[str, Callable[[], Settings | dict]]:
    """Model manifest or tokens file -> what gives its settings, for all that the commands of these cells read."""
    found: dict[str, Callable[[], Settings | dict]] = {}
    for cell in cells:
        found[_manifest(cell)] = partial(model_settings, cell.model, resolved)
        for role in cell.roles:
            use = (cell.model, cell.task, cell.token_knobs, cell.protocol, role)
            found[cell.tokens_path(role)] = partial(tokens_file_settings, *use, resolved)
    return found


def jobs_at_once(resolved: Resolved) -> tuple[int, str]:
    """How many cells can run side by side on this machine, and why."""
    if gpus := run_gpus.gpu_count():
        return gpus * resolved.study.cells_per_gpu, f"{gpus} GPU(s), {resolved.study.cells_per_gpu} at a time on each"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores, f"{cores} cores"


def _hours(resolved: Resolved, now: Snapshot, times: CellTimes) -> Iterator[str]:
    if not now.left:
        return
    seconds, guessed, unknown = times.total(now.left)
    known = len(now.left) - len(unknown)
    if known:
        at_once, why = jobs_at_once(resolved)
        of = "" if not unknown else f" for {known} of {len(now.left)} cells"
        yield (
            f"time    about {span_text(seconds)} of cell time{of}; on this machine ({why}) about "
            f"{span_text(seconds / min(at_once, known))}, process starts apart"
        )
    if guessed:
        yield f"        a guess for {len(guessed)} of these cells: no cell of their model and task has run here yet"
    if unknown:
        yield f"time    unknown for {len(unknown)} cells: nothing that has run here tells of them. To know, run one:"
        yield f"        {resolved.given.snakemake('--cores', '1', targets=[unknown[0].path])}"
    shared = [cell.compressed_path for cell in stored(now.left)]
    if left := len(shared) - present(shared):
        yield f"        {left} stored compressions come before them (rule compress), each a job of its own"


def disk_needed(resolved: Resolved, now: Snapshot, times: CellTimes) -> Disk:
    """What the study takes on disk when it is done; counts checkpoints of trainings known to be long."""
    expected = [times.expected_s(cell) or 0 for cell in now.left if cell.transfer != "none"]
    long_jobs = min(sum(seconds > INTERVAL_S for seconds in expected), jobs_at_once(resolved)[0])
    folder = f"results/studies/{resolved.study.study}"
    return disk(resolved, figure_files(resolved, folder), long_jobs)


def _disk_lines(found: Disk) -> Iterator[str]:
    free = shutil.disk_usage(".").free
    passing = f", {bytes_text(found.passing)} of it only on the way" if found.passing else ""
    yield (
        f"disk    {bytes_text(found.in_all)} when all is done, {bytes_text(found.there)} of it there; "
        f"{bytes_text(found.to_write)} to write (a guess){passing}, {bytes_text(free)} free here"
    )
    kinds = sorted(found.total.items(), key=lambda pair: -pair[1])
    yield f"        {', '.join(f'{kind} {bytes_text(size)}' for kind, size in kinds if size)}"
    if found.unknown:
        yield f"        of unknown size, not counted: {', '.join(found.unknown)}"
    if found.to_write > free:
        yield "MISSING  disk: make room, or run in a folder on another disk"


def commands(resolved: Resolved, cells: Iterable[Cell] | None = None) -> Iterator[str]:
    """For every cell that is not done (or for `cells`, done or not), the command that runs it alone once its model and
    tokens are there; before them, the commands that make the stored compressions they read and that are not there, or
    were made from other settings, and the calibration rows of these."""
    given = resolved.given
    gpus = 1 if run_gpus.gpu_count() else 0
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
    """Model folders and tokens files that the commands of these cells read, and that are not there or were made from
    other settings."""
    settings = _settings_of(cells, resolved)
    return [file for file, of_file in settings.items() if not is_current(file, of_file())]


def _compressed(cell: Cell, resolved: Resolved) -> CompressedSettings:
    return compressed_settings(cell.model, cell.compression, cell.seed, resolved)


def _calibration(cell: Cell) -> str:
    """The calibration rows that a cell's compression is made with; "" where there are none."""
    named = METHODS[cell.compression.method].statistics
    return calibration_path(cell.model, calibration_of(cell.compression), cell.seed) if named else ""


def _calibration_settings(cell: Cell, resolved: Resolved) -> dict:
    return calibration_file_settings(cell.model, calibration_of(cell.compression), cell.seed, resolved)


def _calibration_command(cell: Cell, resolved: Resolved) -> str:
    settings = _calibration_settings(cell, resolved)
    return _command("calibration", _calibration(cell), f"--model {_manifest(cell)}", settings, resolved.given)


def _manifest(cell: Cell) -> str:
    return f"{cell.model_folder}/model.json"


def _command(stage: str, output: str, arguments: str, settings: Settings | dict, given: Given) -> str:
    """The command of one job; where the study is not config.yaml, its messages learn the study from the environment."""
    named = "" if given.is_default else f"{STUDY}={shlex.quote(given.file)} "
    settings_text = shlex.quote(canonical_json(settings))
    return f"{named}python -m junkdna {stage} {shlex.quote(output)} {arguments} --settings {settings_text}"
