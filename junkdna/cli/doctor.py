"""`junkdna doctor`: whether this machine and this folder can run a study, and what to mend where they cannot."""

import importlib.util
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from junkdna.cli import machine
from junkdna.cli.machine import Check
from junkdna.cli.plan import disk_needed
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.local_paths import missing_local_paths
from junkdna.dag.model_folders import model_notes, model_problems
from junkdna.dag.model_names import taken_names
from junkdna.dag.runs import is_locked, live_runs, processes_here
from junkdna.dag.state import Progress
from junkdna.dag.units import bytes_text, size_of
from junkdna.data.hub_cache import hub_cached
from junkdna.data.wheel_download import WHEELS_VARIABLE
from junkdna.errors import UserError
from junkdna.run.process import answer_of
from junkdna.storage.atomic import is_half
from junkdna.storage.study_commands import Given
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells, calibrations, used_examples, used_wheels
from junkdna.study.load import load_study
from junkdna.study.paths import BATCHES, CHECKPOINTS, EXAMPLES, MODELS, wheel_path
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved

RESULTS = Path("results")


def leftovers(given: Given) -> Iterator[Check]:
    """One check a kind of thing that may be left; nothing for those that are not."""
    live = live_runs()
    orphans = processes_here(_is_job) if not live else []
    if live:
        yield True, f"a run is going on here (process {', '.join(map(str, live))})"
    if orphans:
        numbers = " ".join(map(str, orphans))
        yield False, f"jobs of a run that was killed still go on: wait for them, or `kill {numbers}`"
    if is_locked() and live == []:
        yield (
            False,
            (
                f"the lock of a killed run is there, and no Snakemake runs here: `{given.snakemake('--unlock')}` "
                "(first see that none runs in this folder from another machine)"
            ),
        )
    yield from _files(idle=not live and not orphans)


def _is_job(words: list[bytes]) -> bool:
    return b"junkdna" in words and any(word in words for word in (b"cell", b"compress", b"tokenize", b"model"))


def _files(idle: bool) -> Iterator[Check]:
    kept, batched, halves = [], [], []
    for folder, _, names in os.walk(RESULTS):
        paths = [Path(folder) / name for name in names]
        halves += filter(is_half, paths)
        if Path(folder).is_relative_to(CHECKPOINTS):
            kept += [path for path in paths if path.suffix == ".safetensors"]
        elif Path(folder).is_relative_to(BATCHES):
            batched += [path for path in paths if path.suffix == ".parquet"]
    if kept:
        yield True, f"{len(kept)} checkpoints of unfinished cells ({_size(kept)}): the next run resumes from them"
    if batched:
        yield True, f"{len(batched)} batched cells ({_size(batched)}): the next run takes them over"
    if halves and idle:
        yield (
            True,
            (
                f"{len(halves)} half-written files of killed jobs ({_size(halves)}), in nobody's way: "
                "find results -name '.*.tmp*' -prune -exec rm -r {} +"
            ),
        )


def _size(files: Iterable[Path]) -> str:
    return bytes_text(sum(size_of(file) or 0 for file in files))


OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def doctor(study_file: Path) -> tuple[list[str], bool]:
    """One line a check, and whether all that the study needs is there. Imports no torch: it looks, it does not load."""
    checks = list(machine.packages())
    try:
        resolved = load_study(study_file)
    except UserError as error:
        resolved = None
        checks.append((False, str(error)))
    given = resolved.given if resolved else Given(str(study_file))
    checks += machine.gpus(resolved.study.cells_per_gpu if resolved else 1, given)
    checks += machine.slurm(given)
    checks.append(machine.writable(Path("results")))
    if resolved is not None:
        checks.append((True, f"study {study_file}: {len(all_cells(resolved))} cells"))
        checks.append(_disk(resolved))
        checks += _sources(resolved)
    checks += leftovers(given)
    return [f"{'ok ' if good else 'FIX'} {text}" for good, text in checks], all(good for good, _ in checks)


def _disk(resolved: Resolved) -> Check:
    now = Progress(resolved).look()
    needed = disk_needed(resolved, now, CellTimes(resolved, now.outdated | now.finished))
    free = shutil.disk_usage(".").free
    text = f"disk: {bytes_text(free)} free here, the study has {bytes_text(needed.to_write)} to write"
    return (True, text) if free > needed.to_write else (False, f"{text}: make room, or run in a folder elsewhere")


def _sources(resolved: Resolved) -> Iterator[Check]:
    """Every wheel, Hub repository and local place of the study: here, within reach, or not."""
    yield from ((False, line) for line in (*missing_local_paths(resolved), *taken_names(resolved)))
    yield from ((False, line) for line in model_problems(resolved))
    yield from ((True, f"note: {line}") for line in model_notes(resolved))
    cells = all_cells(resolved)
    models = {name: resolved.study.models[name] for name in dict.fromkeys(cell.model for cell in cells)}
    gguf = [name for name, model in models.items() if (model.path or "").endswith(".gguf")]
    if gguf and importlib.util.find_spec("gguf") is None:
        yield False, f"models {', '.join(gguf)} need packages to read GGUF: make install"
    for wheel in used_wheels(cells, resolved):
        yield _wheel(wheel, resolved)
    for repository, kind, made in dict.fromkeys(_repositories(cells, resolved)):
        yield _repository(repository, kind, made, _fetch(resolved))


def _fetch(resolved: Resolved) -> str:
    return resolved.given.junkdna("fetch")


def _wheel(name: str, resolved: Resolved) -> Check:
    pin, place = resolved.study.pins()[name], Path(wheel_path(name))
    size = f" ({bytes_text(pin.size_bytes)})" if pin.size_bytes else ""
    if place.is_file():
        if pin.size_bytes and place.stat().st_size != pin.size_bytes:
            return False, f"wheel {place} has {place.stat().st_size} bytes, its pin says {pin.size_bytes}: delete it"
        return True, f"wheel {pin.filename}: here"
    folder = os.environ.get(WHEELS_VARIABLE)
    if folder and (Path(folder) / pin.filename).is_file():
        return True, f"wheel {pin.filename}: in {WHEELS_VARIABLE}"
    index = _package_index()
    if _answers(index):
        return True, f"wheel {pin.filename}{size}: will be fetched with pip"
    return False, (
        f"wheel {pin.filename}{size}: not here, and the package index does not answer. Run `{_fetch(resolved)}` where "
        f"there is a network, or set {WHEELS_VARIABLE} to a folder that holds the file"
    )


def _package_index() -> str:
    """The index that pip asks."""
    if stated := os.environ.get("PIP_INDEX_URL"):
        return stated
    configured = answer_of(sys.executable, "-m", "pip", "config", "get", "global.index-url") or ""
    return configured.strip() or "https://pypi.org/simple"


def _repositories(cells: list[Cell], resolved: Resolved) -> Iterator[tuple[str, str, str]]:
    """Hub repository, "models" or "datasets", and the file that is made of it, where there is one."""
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


def _repository(name: str, kind: str, made: str, fetch: str) -> Check:
    what = f"Hub {kind.removesuffix('s')} {name}"
    if Path(made).is_file():
        return True, f"{what}: here ({made})"
    if hub_cached(name, kind):
        return True, f"{what}: in the Hub's cache"
    offline = [variable for variable in OFFLINE if os.environ.get(variable) in ("1", "ON", "YES", "TRUE", "true")]
    if offline:
        return (
            False,
            f"{what}: not in the Hub's cache, and {offline[0]} is set: `{fetch}` where there is a network",
        )
    if _answers(os.environ.get("HF_ENDPOINT") or "https://huggingface.co"):
        return True, f"{what}: will be fetched"
    return (
        False,
        f"{what}: not in the Hub's cache, and the Hub does not answer: `{fetch}` where there is a network",
    )


def _answers(url: str) -> bool:
    """Whether a server answers within 5 s, whatever it says."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True
