"""What a person asks of a study: what will run, what is done, what is wrong with this machine."""

import importlib.util
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from junkdna import devices
from junkdna.collect import read_footer, state
from junkdna.compress.registry import METHODS
from junkdna.errors import UserError
from junkdna.grid import all_cells, calibrations, expand, stored
from junkdna.job_settings import (
    calibration_file_settings,
    calibration_of,
    cell_settings,
    compressed_settings,
    example_settings,
)
from junkdna.keys import Cell, calibration_path
from junkdna.places import missing_places, used_examples
from junkdna.provenance import canonical_json
from junkdna.study import Resolved, load_study
from junkdna.tasks.schema import builtin_tasks, load_task


def cell_files(resolved: Resolved) -> list[str]:
    """File of every cell."""
    return [cell.path for cell in all_cells(resolved)]


def commands(resolved: Resolved) -> Iterator[str]:
    """For every cell that is not done, the command that runs it alone once its model and tokens are there; before
    them, the commands that make the stored compressions they read, and the calibration rows of these."""
    gpus = 1 if devices.gpu_count() else 0
    left = [cell for cell in all_cells(resolved) if state(cell, resolved) != "done"]
    shared = stored(left)
    yield from dict.fromkeys(_calibration_command(cell, resolved) for cell in shared if _calibration(cell))
    for cell in shared:
        settings = compressed_settings(cell.model, cell.compression, cell.seed, resolved)
        rows = f"--calibration {_calibration(cell)} " if _calibration(cell) else ""
        yield _command("compress", cell.compressed_path, f"--model {_manifest(cell)} {rows}--gpus {gpus}", settings)
    for cell in left:
        yield _command("cell", cell.path, f"--gpus {gpus}", cell_settings(cell, resolved))


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


def plan(resolved: Resolved) -> Iterator[str]:
    """Cells per experiment and how many still run; cells that two experiments share are counted once in the sum."""
    states = {cell: state(cell, resolved) for cell in all_cells(resolved)}
    width = max(len(name) for name in resolved.study.experiments)
    for name, exp in resolved.study.experiments.items():
        if name not in resolved.study.active():
            yield f"{name:<{width}}  not in this run; to run it alone: --config run='[{name}]'"
            continue
        cells = expand(resolved)[name]
        left = sum(states[cell] != "done" for cell in cells)
        yield f"{name:<{width}}  {len(cells):>5} cells, {left:>5} to run   {exp.title}"
    left = sum(found != "done" for found in states.values())
    yield f"{'in all':<{width}}  {len(states):>5} cells, {left:>5} to run"
    for line in missing_places(resolved):
        yield f"MISSING  {line}"
    shared = len(stored(cell for cell, found in states.items() if found != "done"))
    if shared:
        yield f"They read {shared} stored compressions, each made once by a job of its own (rule compress)."


def status(resolved: Resolved) -> Iterator[str]:
    """How many cells are done, missing, stale, broken; which runs collapsed; wall time of the finished ones."""
    cells = all_cells(resolved)
    states = {cell: state(cell, resolved) for cell in cells}
    counts = Counter(states.values())
    yield f"{counts['done']} of {len(cells)} cells done, " + ", ".join(
        f"{counts[name]} {name}" for name in ("missing", "stale", "broken")
    )
    for cell, found in states.items():
        if found in ("stale", "broken"):
            yield f"{found}: {cell.path}"
    done = [cell for cell, found in states.items() if found == "done"]
    for cell in _collapsed(done):
        yield f"collapsed (one prediction for every example): {cell.path}"
    if done:
        walls = [sum(read_footer(Path(cell.path))["wall_s"].values()) for cell in done]
        yield f"finished cells took {sum(walls):.0f} s in all, {max(walls):.0f} s the longest (process starts apart)"


def _collapsed(cells: list[Cell]) -> list[Cell]:
    import polars as pl

    if not cells:
        return []
    table = pl.scan_parquet([cell.path for cell in cells]).select("cell", "collapsed").collect()
    names = set(table.filter("collapsed")["cell"])
    return [cell for cell in cells if cell.key in names]


def stale_files(resolved: Resolved) -> list[str]:
    """Files whose settings or code are no longer the study's, or that are broken: delete them and they re-run."""
    return [cell.path for cell in all_cells(resolved) if state(cell, resolved) in ("stale", "broken")]


def tasks() -> Iterator[str]:
    """Name, kind, metric, title and knobs of every task in the package."""
    for name in builtin_tasks():
        task = load_task(name)
        knobs = ", ".join(task.knob_defaults())
        yield f"{name:<15} {task.kind:<9} {task.metric:<12} {task.title}{f'  [{knobs}]' if knobs else ''}"


def doctor(study_file: Path) -> tuple[list[str], bool]:
    """One line a check, and whether all that the study needs is there. Imports no torch: it looks, it does not load."""
    checks = [_packages(), _devices(), _disk()]
    try:
        resolved = load_study(study_file)
        checks.append((True, f"study {study_file}: {len(all_cells(resolved))} cells"))
        checks += _sources(resolved)
    except UserError as error:
        checks.append((False, str(error)))
    return [f"{'ok ' if good else 'FIX'} {text}" for good, text in checks], all(good for good, _ in checks)


def _packages() -> tuple[bool, str]:
    needed = ("torch", "transformers", "datasets", "snakemake", "pyarrow", "polars", "matplotlib", "scipy", "sklearn")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        return False, f"packages missing: {', '.join(missing)}; run `make install`"
    return True, "packages: all found"


def _devices() -> tuple[bool, str]:
    count = devices.gpu_count()
    if count:
        return True, f"GPUs: {count}; use `snakemake --cores all --resources gpu={count}`"
    return True, "GPUs: none seen; cells run on the CPU"


def _disk() -> tuple[bool, str]:
    free_gb = shutil.disk_usage(".").free / 1e9
    text = f"disk: {free_gb:.1f} GB free here"
    return (True, text) if free_gb > 2 else (False, f"{text}; the default study needs about 1 GB: make room")


def _sources(resolved: Resolved) -> Iterator[tuple[bool, str]]:
    yield from ((False, line) for line in missing_places(resolved))
    used = dict.fromkeys(cell.model for cell in all_cells(resolved))
    models = {name: resolved.study.models[name] for name in used}
    gguf = [name for name, model in models.items() if (model.path or "").endswith(".gguf")]
    if gguf and importlib.util.find_spec("gguf") is None:
        yield False, f"models {', '.join(gguf)} need packages to read GGUF: make install"
    settings = [example_settings(*use, resolved)["source"] for use in used_examples(all_cells(resolved), resolved)]
    wheels = {model.wheel for model in models.values()} | {source.get("wheel") for source in settings}
    wheels |= {resolved.study.calibrations[name].wheel for name in calibrations(all_cells(resolved))}
    for wheel in sorted(wheels - {None}):
        present = Path(f"results/sources/{wheel}.whl").is_file()
        yield (
            True,
            f"wheel {resolved.study.pins()[wheel].filename}: {'here' if present else 'will be fetched with pip'}",
        )


def where(resolved: Resolved) -> Iterator[str]:
    """Where the results of a study stand."""
    folder = Path("results/studies") / resolved.study.study
    yield f"figures  {folder}/figures/  (PDF, SVG, PNG; start with headline.png)"
    yield f"tables   {folder}/tables/drops.csv, drops.parquet, cells.parquet"
    yield f"report   {folder}/report.html"
