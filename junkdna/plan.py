"""`junkdna plan`: what a run would do, before it: cells, hours, disk, and what is there already."""

import os
import shutil
from collections.abc import Iterator

from junkdna import devices
from junkdna.cell_time import CellTimes
from junkdna.disk import Disk, disk
from junkdna.grid import expand, stored
from junkdna.model_names import taken_names
from junkdna.model_places import model_notes, model_problems
from junkdna.places import missing_places
from junkdna.progress import Progress, Snapshot
from junkdna.run_files import files_before, present
from junkdna.sizes import bytes_text, span_text
from junkdna.study import Resolved
from junkdna.walk import INTERVAL_S
from junkdna.workflow_inputs import figure_files


def plan(resolved: Resolved) -> Iterator[str]:
    """Cells per experiment and how many still run (cells that two experiments share are counted once in the sum), what
    they need that is there already, hours and disk."""
    now = Progress(resolved).look()
    yield from _experiments(resolved, now)
    for line in (*missing_places(resolved), *taken_names(resolved)):
        yield f"MISSING  {line}"
    for line in model_problems(resolved):
        yield f"WRONG    {line}"
    for line in model_notes(resolved):
        yield f"NOTE     {line}"
    yield _cached(resolved, now)
    times = CellTimes(now.finished, resolved, otherwise=CellTimes(now.outdated | now.finished, resolved))
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
    files = files_before(list(now.states), resolved)
    parts = [f"{present(of_kind)} of {len(of_kind)} {kind}" for kind, of_kind in files.items() if of_kind]
    return f"there   {', '.join(parts)}"


def jobs_at_once(resolved: Resolved) -> tuple[int, str]:
    """How many cells can run side by side on this machine, and why."""
    if gpus := devices.gpu_count():
        return gpus * resolved.study.cells_per_gpu, f"{gpus} GPU(s), {resolved.study.cells_per_gpu} at a time on each"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores, f"{cores} cores"


def _hours(resolved: Resolved, now: Snapshot, times: CellTimes) -> Iterator[str]:
    if not now.left:
        return
    seconds, unknown = times.total_s(now.left)
    known = len(now.left) - len(unknown)
    if known:
        at_once, why = jobs_at_once(resolved)
        of = "" if not unknown else f" for {known} of {len(now.left)} cells"
        yield (
            f"time    about {span_text(seconds)} of cell time{of}; on this machine ({why}) about "
            f"{span_text(seconds / min(at_once, known))}, process starts apart"
        )
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
        f"{bytes_text(found.to_write)} to write{passing}, {bytes_text(free)} free here"
    )
    kinds = sorted(found.total.items(), key=lambda pair: -pair[1])
    yield f"        {', '.join(f'{kind} {bytes_text(size)}' for kind, size in kinds if size)}"
    if found.unknown:
        yield f"        of unknown size, not counted: {', '.join(found.unknown)}"
    if found.to_write > free:
        yield "MISSING  disk: make room, or run in a folder on another disk"
