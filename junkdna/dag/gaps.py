"""Finds the missing cells of an incomplete study, and the reason for each."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from junkdna.analysis.gaps import NO_REFERENCE, Gap, Missing
from junkdna.dag.state import Progress, log_path
from junkdna.errors import cut
from junkdna.run.job_log import FINISHED, is_running, read_log, running_slurm_jobs, why_it_ended
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells, files_before, reference
from junkdna.study.study import Resolved

REASONS = {
    "batched": "computed in another cell's job; the next run takes it over",
    "running": "its job is running",
    "stale": "computed with other settings, other code or other inputs; delete it and rerun",
    "broken": "its file is corrupt; delete it and rerun",
    "done": "finished while the other cells were being joined",
}
REASON_TEXT = 700  # characters of one reason


def missing(resolved: Resolved, wrong: dict[str, str]) -> Missing:
    """The gaps of a study: the cells whose files are not usable (`wrong`: path -> state), and cells whose dense cell is
    one of those."""
    states = Progress(resolved).look().states
    cells = all_cells(resolved)
    why = _Reasons(resolved)
    gaps = []
    for cell in cells:
        if cell.path in wrong:
            state = states[cell] if wrong[cell.path] == "missing" else wrong[cell.path]
            gaps.append(Gap(cell, "missing" if state == "done" else state, why.of(cell, state)))
        elif reference(cell).path in wrong:
            gaps.append(Gap(cell, NO_REFERENCE, f"finished, but its dense cell is missing: {reference(cell).path}"))
    return Missing(resolved, gaps)


class _Reasons:
    """Why cells are missing, according to their logs and the logs of the jobs before them."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self._failure_of = cache(_failure)
        self._slurm = cache(running_slurm_jobs)

    def of(self, cell: Cell, state: str) -> str:
        if state in REASONS:
            return REASONS[state]
        if state == "failed":
            return _text(why_it_ended(log_path(cell), 1, 6))
        before = [file for files in files_before([cell], self.resolved).values() for file in files]
        for file in before:
            if reason := self._failure_of(file, self._slurm):
                return f"not started: the job for {file} failed: {reason}"
        return "not started"


def _failure(file: str, slurm_jobs: object) -> str:
    """Why the job of a missing file failed; "" if the file exists or its job did not fail."""
    log = log_of(file)
    if Path(file).exists() or (entry := read_log(log)) is None or entry.end == FINISHED:
        return ""
    over = entry.end or is_running(entry, slurm_jobs() if entry.slurm_job else None) is False
    return _text(why_it_ended(log, 1, 6)) if over else ""


def log_of(file: str) -> Path:
    """The log of the job that makes a file of `grid.files_before`; a model's log is named after its folder."""
    path = Path(file)
    named = path.parent if path.name == "model.json" else path.with_suffix("")
    return Path("results/logs") / f"{named.relative_to('results')}.log"


def _text(lines: Iterable[str]) -> str:
    return cut(" ".join(" ".join(lines).split()), REASON_TEXT)
