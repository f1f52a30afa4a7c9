"""The lines of `junkdna plan` about time: measured by cells that have finished, else by rates measured elsewhere."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping

from junkdna.dag.cell_times import CellTimes
from junkdna.dag.measured_rates import RoughTimes, rough_times
from junkdna.dag.state import Finished, Snapshot
from junkdna.dag.units import span_text
from junkdna.run import gpus as run_gpus
from junkdna.study.cell import Cell
from junkdna.study.grid import present, stored
from junkdna.study.study import Resolved

SHOWN = 4  # rates
EXCLUDED = "process starts, loading and compressing"
UNITS = {"gpu": "GPU hours", "cpu": "hours of a CPU core"}


def hours(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    """The time of the cells that are left, and where it comes from; nothing if none is.

    Wall times of finished cells count for the kind of machine, GPU or CPU, that they ran on. Without them the estimate
    is rough (`dag.measured_rates`). GPU hours are always stated, hours of CPU cores on machines without a GPU. Other
    jobs do not count: compressed weights are named, lines have lines of their own (`cli.plan_line_times`); models,
    examples and tokens take little time.
    """
    if not now.left:
        return
    for on in kinds():
        current, outdated = (cells_on(on, cells) for cells in (now.finished, now.outdated))
        if current or outdated:
            yield from _measured(on, resolved, now, current, outdated)
        else:
            yield from _rough(on, resolved, now)
    shared = [cell.compressed_path for cell in stored(now.left)]
    if left := len(shared) - present(shared):
        jobs = f"{left} job{'s' if left > 1 else ''}"
        yield f"        plus {jobs} of rule compress: compressed weights that several cells share, with calibration"


def kinds() -> tuple[str, ...]:
    """The kinds of processor for which times are stated."""
    return ("gpu",) if run_gpus.gpu_count() else ("cpu", "gpu")


def jobs_at_once(resolved: Resolved) -> tuple[int, str]:
    """How many cells this machine can run in parallel, and the reason."""
    if gpus := run_gpus.gpu_count():
        return gpus * resolved.study.cells_per_gpu, f"{gpus} GPU(s), {resolved.study.cells_per_gpu} cell(s) on each"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores, f"{cores} cores"


def cells_on(on: str, finished: Mapping[Cell, Finished]) -> dict[Cell, Finished]:
    """The finished cells that ran on a "gpu" or "cpu"."""
    return {cell: facts for cell, facts in finished.items() if facts.on_gpu == (on == "gpu")}


def _is_here(on: str) -> bool:
    return (on == "gpu") == bool(run_gpus.gpu_count())


def amount(on: str, seconds: float) -> str:
    """Such as "12 GPU hours", or "20 min of a GPU" if it is less than one."""
    if seconds < 3600:
        return f"{span_text(max(seconds, 1))} of a {on.upper() if on == 'gpu' else 'CPU core'}"
    hours = seconds / 3600
    return f"{hours:.1f} {UNITS[on]}" if hours < 10 else f"{hours:,.0f} {UNITS[on]}"


def _measured(
    on: str, resolved: Resolved, now: Snapshot, current: dict[Cell, Finished], outdated: dict[Cell, Finished]
) -> Iterator[str]:
    seconds, guessed, unknown = CellTimes(resolved, current, outdated | current).total(now.left)
    known = len(now.left) - len(unknown)
    if known:
        cells = "" if not unknown else f" for {known} of {len(now.left)} cells"
        here = _here(on, seconds, known, resolved)
        yield f"time    about {amount(on, seconds)}{cells}{here}, excluding process starts"
        devices = Counter(facts.device for facts in (current or outdated).values())
        names = ", ".join(f"{count} on {name}" for name, count in devices.most_common())
        study = "this study" if current else "an earlier version of this study"
        yield f"        from the wall times of finished cells of {study}: {names}"
    if guessed:
        yield f"        a guess for {len(guessed)} of these cells: no cell of their model and task has finished"
    if unknown:
        yield f"time    unknown for {len(unknown)} cells: no comparable cell has finished. Run one to measure it:"
        yield f"        {_command(unknown[0], resolved)}"


def _here(on: str, seconds: float, cells: int, resolved: Resolved) -> str:
    """How long that takes on this machine, where it is of this kind."""
    if not _is_here(on):
        return ""
    at_once, why = jobs_at_once(resolved)
    return f"; on this machine ({why}) about {span_text(max(seconds / min(at_once, cells), 1))}"


def _rough(on: str, resolved: Resolved, now: Snapshot) -> Iterator[str]:
    found = rough_times(now.left, on, resolved)
    if found.cells:
        cells = "" if not found.unknown else f" for {found.cells} of {len(now.left)} cells"
        here = _here(on, found.total_s, found.cells, resolved)
        yield f"time    rough: {amount(on, found.total_s)}{cells}{here}, excluding {EXCLUDED},"
        yield "        from measured rates, scaled by parameters and tokens, with all rows at their greatest length:"
        yield from _sources(on, found)
        if found.filled >= 0.5:
            of = f"{found.filled:,.0f} of {found.places:,.0f} places"
            yield f"        {of} of stacks are filled with copies, which count"
        for gap, count in found.gaps.items():
            yield f"        of {count} cells: {gap}"
        for what, count in found.one_by_one.items():
            yield f"        {what} have not been measured: {count} cells count as if trained one by one"
    for reason, cells in found.unknown.items():
        yield f"time    unknown for {len(cells)} cells on a {on.upper()}: {reason}"
    if _is_here(on):
        yield "        A finished cell of the study measures it here:"
        yield f"        {_command(now.left[0], resolved)}"


def _sources(on: str, found: RoughTimes) -> Iterator[str]:
    used = sorted(found.seconds.items(), key=lambda pair: -pair[1])
    for rate, seconds in used[:SHOWN]:
        yield f"        - {amount(on, seconds)}: {rate}"
    if len(used) > SHOWN:
        yield f"        - and {len(used) - SHOWN} more"


def _command(cell: Cell, resolved: Resolved) -> str:
    return resolved.commands.snakemake("--cores", "1", targets=[cell.path])
