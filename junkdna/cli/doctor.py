"""`junkdna doctor`: checks whether this machine and this folder can run a study, with a fix for every problem."""

import importlib.util
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from junkdna.cli import machine
from junkdna.cli.machine import Check
from junkdna.cli.plan import disk_needed
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.disk import free_bytes
from junkdna.dag.model_folders import model_notes, model_problems
from junkdna.dag.runs import is_locked, live_runs, processes_here
from junkdna.dag.source_checks import missing_local_paths, taken_names
from junkdna.dag.state import Progress
from junkdna.dag.units import bytes_text, size_of
from junkdna.data.hub_cache import hub_cached
from junkdna.data.wheel_download import WHEELS_VARIABLE
from junkdna.data.wheel_parts import parts_folder
from junkdna.errors import UserError
from junkdna.run.compile_cache import CACHE
from junkdna.run.process import output_of
from junkdna.run.trained_weights import TRAINED
from junkdna.storage.atomic import is_partial_file
from junkdna.storage.study_commands import StudyCommands
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells, calibrations, used_examples, used_wheels
from junkdna.study.load import load_study
from junkdna.study.paths import BATCHES, CHECKPOINTS, EXAMPLES, MODELS, wheel_path
from junkdna.study.source_settings import example_settings
from junkdna.study.sources import WheelPin
from junkdna.study.study import Resolved

DELETE_PARTIAL = f"find results -path {CACHE} -prune -o -name '.*.tmp*' -prune -exec rm -r {{}} +"
JOBS = {b"cell", b"compress", b"tokenize", b"model"}  # commands that run long
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def leftovers(commands: StudyCommands) -> Iterator[Check]:
    """Checks for runs, processes, locks and files that earlier runs left in this folder."""
    live = live_runs()
    orphans = [] if live else processes_here(lambda words: b"junkdna" in words and not JOBS.isdisjoint(words))
    if live:
        yield True, f"a run is active in this folder (process {', '.join(map(str, live))})"
    if orphans:
        yield False, f"jobs of a killed run are still running: wait, or `kill {' '.join(map(str, orphans))}`"
    if is_locked() and live == []:  # None means unknown
        fix = f"`{commands.snakemake('--unlock')}` (first check that no run on another machine uses this folder)"
        yield False, f"a killed run has left its lock, and no Snakemake runs here: {fix}"
    idle = not live and not orphans
    partial = _partial_files() if idle else ()
    for files, kind, then in (
        (CHECKPOINTS.rglob("*.safetensors"), "checkpoints of unfinished cells", ": the next run resumes from them"),
        (BATCHES.rglob("*.parquet"), "batched cells", ": the next run uses them"),
        (TRAINED.rglob("*.safetensors"), "weights of trained cells", ": the next run uses them"),
        (partial, "partial files of killed jobs", f". To delete them: {DELETE_PARTIAL}"),
    ):
        if sizes := [size_of(file) or 0 for file in files]:
            yield True, f"{len(sizes)} {kind} ({bytes_text(sum(sizes))}){then}"


def _partial_files() -> Iterator[Path]:
    """Partial files below `results`, but for the compilers' cache, which has files of its own kind."""
    for folder in Path("results").glob("*"):
        if folder != CACHE:
            yield from filter(is_partial_file, (folder, *folder.rglob("*")))


def doctor(study_file: Path) -> tuple[list[str], bool]:
    """One line per check, and whether all checks passed. Does not import torch."""
    checks = list(machine.packages())
    try:
        resolved = load_study(study_file)
    except UserError as error:
        resolved = None
        checks.append((False, str(error)))
    commands = resolved.commands if resolved else StudyCommands(str(study_file))
    checks += machine.gpus(resolved.study.cells_per_gpu if resolved else 1, commands)
    checks += machine.slurm(commands)
    checks.append(machine.writable(Path("results")))
    if resolved is not None:
        checks.append((True, f"study {study_file}: {len(all_cells(resolved))} cells"))
        checks.append(_disk(resolved))
        checks += _sources(resolved)
    checks += leftovers(commands)
    return [f"{'ok ' if good else 'FIX'} {text}" for good, text in checks], all(good for good, _ in checks)


def _disk(resolved: Resolved) -> Check:
    now = Progress(resolved).look()
    needed = disk_needed(resolved, now, CellTimes(resolved, now.outdated | now.finished))
    free = free_bytes()
    text = f"disk: {bytes_text(free)} free, the study needs {bytes_text(needed.to_write)} more"
    if free > needed.to_write:
        return True, text
    return False, f"{text}: free some space, or use a folder on another disk"


def _sources(resolved: Resolved) -> Iterator[Check]:
    """Checks that every model, wheel, Hub repository and local path of the study is present or can be fetched."""
    for problems in (missing_local_paths, taken_names, model_problems):
        yield from ((False, line) for line in problems(resolved))
    yield from ((True, f"note: {line}") for line in model_notes(resolved))
    cells = all_cells(resolved)
    models = dict.fromkeys(cell.model for cell in cells)
    gguf = [name for name in models if (resolved.study.models[name].path or "").endswith(".gguf")]
    if gguf and importlib.util.find_spec("gguf") is None:
        yield False, f"models {', '.join(gguf)} need the package gguf: make install"
    yield from (_wheel(name, resolved) for name in used_wheels(cells, resolved))
    yield from (_repository(*each, resolved) for each in dict.fromkeys(_repositories(cells, resolved)))


def _wheel(name: str, resolved: Resolved) -> Check:
    pin, file = resolved.study.pins()[name], Path(wheel_path(name))
    title = f"wheel {pin.filename}" if pin.parts is None else f"archive {name} in {len(pin.parts)} wheels"
    if file.is_file():
        actual = file.stat().st_size
        if pin.size_bytes and actual != pin.size_bytes:
            return False, f"wheel {file} has {actual} bytes instead of the pinned {pin.size_bytes}: delete it"
        return True, f"{title}: present"
    missing = _missing_wheels(pin, file)
    if not missing:
        return True, f"{title}: in {WHEELS_VARIABLE}"
    size = f" ({bytes_text(pin.size_bytes)})" if pin.size_bytes else ""
    which = "" if pin.parts is None else f" {', '.join(missing)}"
    if _responds(_package_index()):
        return True, f"{title}{size}:{which} will be downloaded with pip"
    return False, (
        f"{title}{size}:{which} missing, and the package index does not respond. Run "
        f"`{resolved.commands.junkdna('fetch')}` with network access, or set {WHEELS_VARIABLE} to a folder with it"
    )


def _missing_wheels(pin: WheelPin, file: Path) -> list[str]:
    """File names of the wheels of a pin that are neither in JUNKDNA_WHEELS nor among the downloaded parts."""
    folders = [parts_folder(file), *map(Path, filter(None, [os.environ.get(WHEELS_VARIABLE)]))]
    names = [each.filename for each in pin.parts or [pin]]
    return [name for name in names if not any((folder / name).is_file() for folder in folders)]


def _package_index() -> str:
    """The URL of the package index that pip uses."""
    if url := os.environ.get("PIP_INDEX_URL"):
        return url
    configured = output_of(sys.executable, "-m", "pip", "config", "get", "global.index-url") or ""
    return configured.strip() or "https://pypi.org/simple"


def _repositories(cells: list[Cell], resolved: Resolved) -> Iterator[tuple[str, str, str]]:
    """(Hub repository, "models" or "datasets", file built from it or "") for everything that cells read."""
    for name in dict.fromkeys(cell.model for cell in cells):
        if resolved.study.models[name].hub is not None:
            yield resolved.study.models[name].hub, "models", f"{MODELS}/{name}/model.json"
    for task, role in used_examples(cells, resolved):
        source = example_settings(task, role, resolved).source
        if source.hub is not None:
            yield source.hub, "datasets", f"{EXAMPLES}/{task}/{role}.parquet"
    for name in calibrations(cells):
        if resolved.study.calibrations[name].hub is not None:
            yield resolved.study.calibrations[name].hub, "datasets", ""


def _repository(name: str, kind: str, file: str, resolved: Resolved) -> Check:
    title = f"Hub {kind.removesuffix('s')} {name}"
    if Path(file).is_file():
        return True, f"{title}: present ({file})"
    if hub_cached(name, kind):
        return True, f"{title}: in the Hub cache"
    offline = [variable for variable in OFFLINE if os.environ.get(variable) in ("1", "ON", "YES", "TRUE", "true")]
    if not offline and _responds(os.environ.get("HF_ENDPOINT") or "https://huggingface.co"):
        return True, f"{title}: will be downloaded"
    cause = f"{offline[0]} is set" if offline else "the Hub does not respond"
    fetch = resolved.commands.junkdna("fetch")
    return False, f"{title}: not in the Hub cache, and {cause}. Run `{fetch}` with network access"


def _responds(url: str) -> bool:
    """Whether a server responds within 5 s, with any status."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=5).close()
    except (OSError, ValueError) as error:
        return isinstance(error, urllib.error.HTTPError)
    return True
