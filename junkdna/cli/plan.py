"""`junkdna plan`: what a run would do: its cells, finished inputs, time and disk space; and commands of cells."""

import shlex
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from junkdna.analysis.collect import state
from junkdna.cli.plan_line_times import line_hours
from junkdna.cli.plan_times import hours, jobs_at_once
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.connection_states import connections_left, plan_line, wanted_by
from junkdna.dag.disk import Disk, disk, free_bytes
from junkdna.dag.inputs import figure_files
from junkdna.dag.model_folders import model_notes, model_problems
from junkdna.dag.recorded_settings import is_current
from junkdna.dag.source_checks import missing_local_paths, taken_names
from junkdna.dag.state import Progress, Snapshot
from junkdna.dag.units import bytes_text
from junkdna.errors import UserError, short_repr
from junkdna.resumable import INTERVAL_S
from junkdna.run import gpus as run_gpus
from junkdna.storage.fingerprint import canonical_json
from junkdna.storage.study_commands import STUDY
from junkdna.study.cell import Cell, calibration_path
from junkdna.study.compress_settings import calibration_file_settings, calibration_of, compressed_settings
from junkdna.study.connections import connect_settings
from junkdna.study.grid import all_cells, expand, files_before, stored, used_examples
from junkdna.study.paths import CELLS, EXAMPLES
from junkdna.study.settings_base import Settings
from junkdna.study.settings_from_study import cell_settings, tokens_file_settings
from junkdna.study.source_settings import example_settings, model_settings
from junkdna.study.study import Resolved


def plan(resolved: Resolved) -> tuple[list[str], bool]:
    """Cells per experiment and how many are left, finished inputs, time and disk space; and whether the study can run.

    The total counts a cell that two experiments share once. The study cannot run if a line is MISSING or WRONG:
    Snakemake's dry run refuses it too, except for lack of disk space, which it does not look at.
    """
    now = Progress(resolved).look()
    errors = [f"MISSING  {line}" for line in (*missing_local_paths(resolved), *taken_names(resolved))]
    errors += [f"WRONG    {line}" for line in model_problems(resolved)]
    notes = [f"NOTE     {line}" for line in model_notes(resolved)]
    times = CellTimes(resolved, now.finished, now.outdated | now.finished)
    needed, free = disk_needed(resolved, now, times), free_bytes()
    lines = [*_experiments(resolved, now), *plan_line(resolved), *errors, *notes, _cached(resolved, now)]
    lines += [*hours(resolved, now), *line_hours(resolved, now), *_disk_lines(needed, free)]
    return lines, not errors and needed.to_write <= free


def _experiments(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    width = max(len(name) for name in resolved.study.experiments)
    cells_of = expand(resolved)
    for name, exp in resolved.study.experiments.items():
        if name not in cells_of:
            command = resolved.commands.snakemake("--cores", "all", experiments=[name])
            yield f"{name:<{width}}  not in this run; to run only this experiment: {command}"
            continue
        cells = cells_of[name]
        left = sum(now.states[cell] != "done" for cell in cells)
        yield f"{name:<{width}}  {len(cells):>5} cells, {left:>5} to run   {exp.title}"
    left = len(now.states) - now.counts()["done"]
    yield f"{'total':<{width}}  {len(now.states):>5} cells, {left:>5} to run"
    if stale := now.counts()["stale"]:
        yield f"stale   {stale} of these were computed with other settings, sources or code and will be replaced"


def _cached(resolved: Resolved, now: Snapshot) -> str:
    """How many input files of the cells exist and were built with the current settings of the study."""
    cells = list(now.states)
    settings = _settings_of(cells, resolved)
    for task, role in used_examples(cells, resolved):
        settings[f"{EXAMPLES}/{task}/{role}.parquet"] = partial(example_settings, task, role, resolved)
    for cell in stored(cells):
        settings[cell.compressed_path] = partial(compressed_settings, cell.model, cell.compression, cell.seed, resolved)
        if samples := _calibration(cell):
            settings[samples] = partial(_calibration_settings, cell, resolved)

    def ready(file: str) -> bool:
        return Path(file).is_file() and (file not in settings or is_current(file, settings[file]()))

    inputs = {kind: files for kind, files in files_before(cells, resolved).items() if files}
    counts = (f"{sum(map(ready, files))} of {len(files)} {kind}" for kind, files in inputs.items())
    return f"ready   {', '.join(counts)}"


def _settings_of(cells: Iterable[Cell], resolved: Resolved) -> dict[str, Callable[[], Settings | dict]]:
    """Model manifest or tokens file that the commands of these cells read -> function that computes its settings."""
    settings: dict[str, Callable[[], Settings | dict]] = {}
    for cell in cells:
        settings[_manifest(cell)] = partial(model_settings, cell.model, resolved)
        for role in cell.roles:
            use = (cell.model, cell.task, cell.token_knobs, cell.protocol, role)
            settings[cell.tokens_path(role)] = partial(tokens_file_settings, *use, resolved)
    return settings


def disk_needed(resolved: Resolved, now: Snapshot, times: CellTimes) -> Disk:
    """The disk space of the complete study, including checkpoints of trainings known to be long."""
    expected = [times.expected_s(cell) or 0 for cell in now.left if cell.transfer != "none"]
    long_jobs = min(sum(seconds > INTERVAL_S for seconds in expected), jobs_at_once(resolved)[0])
    folder = f"results/studies/{resolved.study.study}"
    return disk(resolved, figure_files(resolved, folder), long_jobs)


def _disk_lines(needed: Disk, free: int) -> Iterator[str]:
    temporary = f", {bytes_text(needed.temporary)} of it temporary" if needed.temporary else ""
    yield (
        f"disk    {bytes_text(needed.final)} for the complete study, of which {bytes_text(needed.existing)} exist; "
        f"about {bytes_text(needed.to_write)} to write{temporary}, {bytes_text(free)} free"
    )
    kinds = sorted(needed.total.items(), key=lambda pair: -pair[1])
    yield f"        {', '.join(f'{kind} {bytes_text(size)}' for kind, size in kinds if size)}"
    if needed.unknown:
        yield f"        of unknown size, not counted: {', '.join(needed.unknown)}"
    if needed.to_write > free:
        yield "MISSING  disk space: free some, or run in a folder on another disk"


def commands(resolved: Resolved, cells: Iterable[Cell] | None = None) -> Iterator[str]:
    """The commands that run single cells: all cells that are not done, or `cells`, whether done or not.

    Without `cells`, those of the connections that are not scored follow.

    They need the model folders and tokens files of the cells (`missing_inputs`). The commands for missing or outdated
    stored compressions and their calibration samples come first.
    """
    gpus = 1 if run_gpus.gpu_count() else 0
    left = [cell for cell in all_cells(resolved) if state(cell, resolved) != "done"] if cells is None else list(cells)
    lines = connections_left(resolved) if cells is None else []
    readers = dict.fromkeys([*left, *(connection.end for connection in lines)])
    needed = {cell: compressed_settings(cell.model, cell.compression, cell.seed, resolved) for cell in stored(readers)}
    shared = {cell: settings for cell, settings in needed.items() if not is_current(cell.compressed_path, settings)}
    for file, cell in {_calibration(cell): cell for cell in shared if _calibration(cell)}.items():
        settings = _calibration_settings(cell, resolved)
        yield _command("calibration", file, f"--model {_manifest(cell)}", settings, resolved)
    for cell, settings in shared.items():
        samples = f"--calibration {shlex.quote(_calibration(cell))} " if _calibration(cell) else ""
        arguments = f"--model {_manifest(cell)} {samples}--gpus {gpus}"
        yield _command("compress", cell.compressed_path, arguments, settings, resolved)
    for cell in left:
        arguments = f"--gpus {gpus}{_keeps_weights(cell, resolved)}"
        yield _command("cell", cell.path, arguments, cell_settings(cell, resolved), resolved)
    for connection in lines:
        yield _command("connect", connection.path, f"--gpus {gpus}", connect_settings(connection, resolved), resolved)


def _keeps_weights(cell: Cell, resolved: Resolved) -> str:
    """The option with which a cell keeps its weights for the connections that lead from or to it."""
    wanted = wanted_by(cell, resolved)
    return f" --keep-weights-for {','.join(wanted)}" if wanted else ""


def cells_like(resolved: Resolved, pattern: str) -> list[Cell]:
    """The cells of the study whose file, log or key matches `pattern` (`*` and `?` match any characters).

    Raises UserError if no cell matches.
    """
    key = pattern.removeprefix("./").removeprefix("results/logs/cells/").removeprefix(f"{CELLS}/")
    key = key.removesuffix(".parquet").removesuffix(".log")
    cells = all_cells(resolved)
    matches = [cell for cell in cells if cell.key == key or fnmatchcase(cell.key, key)]
    if not matches:
        raise UserError(
            f"--cell {short_repr(pattern, 300)} matches no cell of the study's active experiments. Example of a cell: "
            f"{cells[0].path}. Use a path of `{resolved.commands.junkdna('plan', '--list')}`, or a pattern with stars: "
            "--cell '*magnitude-0.5*'."
        )
    return matches


def missing_inputs(cells: Iterable[Cell], resolved: Resolved) -> list[str]:
    """Manifests and tokens files that the commands of these cells read and that are missing or outdated."""
    settings = _settings_of(cells, resolved)
    return [file for file, settings_of in settings.items() if not is_current(file, settings_of())]


def _calibration(cell: Cell) -> str:
    """The calibration file of a cell's stored compression; "" if its method needs none."""
    calibrated = cell.compression.calibrated
    return calibration_path(cell.model, calibration_of(cell.compression), cell.seed) if calibrated else ""


def _calibration_settings(cell: Cell, resolved: Resolved) -> dict:
    return calibration_file_settings(cell.model, calibration_of(cell.compression), cell.seed, resolved)


def _manifest(cell: Cell) -> str:
    return f"{cell.model_folder}/model.json"


def _command(job: str, output: str, arguments: str, settings: Settings | dict, resolved: Resolved) -> str:
    """The command of one job. If the study is not config.yaml, an environment variable names it for messages."""
    study = resolved.commands
    variable = "" if study.is_default else f"{STUDY}={shlex.quote(study.file)} "
    settings_text = shlex.quote(canonical_json(settings))
    return f"{variable}python -m junkdna {job} {shlex.quote(output)} {arguments} --settings {settings_text}"
