"""Finds the missing cells of an incomplete study, and the reason for each."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

from junkdna.analysis.gaps import NO_REFERENCE, Gap, Missing, Unrated
from junkdna.dag.line_gaps import missing_lines
from junkdna.dag.state import Progress, log_path
from junkdna.errors import cut
from junkdna.run.job_log import FINISHED, is_running, read_log, running_slurm_jobs, why_it_ended
from junkdna.study.cell import Cell
from junkdna.study.connections import Connection
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


def missing(
    resolved: Resolved, wrong: dict[str, str], unrated: Iterable[Unrated], lines: Mapping[Connection, str]
) -> Missing:
    """The gaps of a study: the cells whose files are not usable (`wrong`: path -> state), cells whose dense cell is one
    of those, tasks whose file of difficulties is not usable (`unrated`), and the `lines` of `line_gaps.unusable_lines`.
    """
    states = Progress(resolved).look().states
    slurm_jobs = cache(running_slurm_jobs)
    why_failed = cache(lambda file: _why_failed(file, slurm_jobs))
    gaps = []
    for cell in all_cells(resolved):
        if cell.path in wrong:
            state = states[cell] if wrong[cell.path] == "missing" else wrong[cell.path]
            reason = _reason(cell, state, resolved, why_failed)
            gaps.append(Gap(cell, "missing" if state == "done" else state, reason))
        elif reference(cell).path in wrong:
            gaps.append(Gap(cell, NO_REFERENCE, f"finished, but its dense cell is missing: {reference(cell).path}"))
    without = [each._replace(reason=_unrated(each, why_failed)) for each in unrated]
    return Missing(resolved, gaps, without, missing_lines(lines, wrong, why_failed))


def _unrated(each: Unrated, why_failed: Callable[[str], str]) -> str:
    """One line that says why a file of difficulties cannot be used, from the log of its job if that failed."""
    if reason := why_failed(each.path):
        return f"{each.path} does not exist, because its job failed: {reason}"
    return cut(" ".join(each.reason.split()), REASON_TEXT)


def _reason(cell: Cell, state: str, resolved: Resolved, why_failed: Callable[[str], str]) -> str:
    """Why a cell is missing, according to its log and the logs of the jobs before it."""
    if state in REASONS:
        return REASONS[state]
    if state == "failed":
        return _end_of(log_path(cell.path))
    for file in chain.from_iterable(files_before([cell], resolved).values()):
        if reason := why_failed(file):
            return f"not started: the job for {file} failed: {reason}"
    return "not started"


def _why_failed(file: str, slurm_jobs: Callable[[], set[str] | None]) -> str:
    """Why the job of a missing file failed; "" if the file exists or its job did not fail."""
    log = log_path(file)
    if Path(file).exists() or (entry := read_log(log)) is None or entry.end == FINISHED:
        return ""
    over = entry.end or is_running(entry, slurm_jobs() if entry.slurm_job else None) is False
    return _end_of(log) if over else ""


def _end_of(log: Path) -> str:
    return cut(" ".join(" ".join(why_it_ended(log, 1, 6)).split()), REASON_TEXT)
