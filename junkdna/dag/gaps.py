"""What a study lacks while it is incomplete: which cells, why, and how to say so in a line."""

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
    "ahead": "made ahead of its job; the next run takes it over",
    "running": "its job is running",
    "stale": "made by other settings, other code or from other inputs; delete it and run again",
    "broken": "its file is damaged; delete it and run again",
    "done": "finished while the others were joined",
}
REASON_TEXT = 700  # characters of one reason


def missing(resolved: Resolved, wrong: dict[str, str]) -> Missing:
    """The gaps of a study: the cells whose files are not done (`wrong`: path -> state), and those whose dense cell is
    among them."""
    states = Progress(resolved).look().states
    cells = all_cells(resolved)
    why = _Reasons(resolved)
    gaps = []
    for cell in cells:
        if cell.path in wrong:
            state = states[cell] if wrong[cell.path] == "missing" else wrong[cell.path]
            gaps.append(Gap(cell, "missing" if state == "done" else state, why.of(cell, state)))
        elif reference(cell).path in wrong:
            gaps.append(Gap(cell, NO_REFERENCE, f"it is done, but its dense cell is not: {reference(cell).path}"))
    return Missing(resolved, gaps)


class _Reasons:
    """Why cells are not done, by their logs and by the logs of the jobs before them."""

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
            if found := self._failure_of(file, self._slurm):
                return f"not begun: {file} could not be made: {found}"
        return "not begun"


def _failure(file: str, slurm_jobs: object) -> str:
    """Why the job of a file that is not there failed; "" where the file is there, or its job did not fail."""
    log = log_of(file)
    if Path(file).exists() or (found := read_log(log)) is None or found.end == FINISHED:
        return ""
    over = found.end or is_running(found, slurm_jobs() if found.slurm_job else None) is False
    return _text(why_it_ended(log, 1, 6)) if over else ""


def log_of(file: str) -> Path:
    """The log of the job that makes a file of `grid.files_before`: by its name, a model's by its folder's."""
    path = Path(file)
    named = path.parent if path.name == "model.json" else path.with_suffix("")
    return Path("results/logs") / f"{named.relative_to('results')}.log"


def _text(lines: Iterable[str]) -> str:
    return cut(" ".join(" ".join(lines).split()), REASON_TEXT)
