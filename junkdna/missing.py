"""What a study lacks while it is incomplete: which cells, why, and how to say so in a line."""

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from junkdna.causes import some
from junkdna.errors import cut
from junkdna.grid import all_cells, expand, reference
from junkdna.job_log import FINISHED, is_running, read_log, running_slurm_jobs, why_it_ended
from junkdna.keys import Cell, knob_text
from junkdna.progress import Progress, log_path
from junkdna.run_files import files_before
from junkdna.study import Resolved

NO_REFERENCE = "no dense cell"  # the state of a cell that is done while its reference is not
REASONS = {
    "ahead": "made ahead of its job; the next run takes it over",
    "running": "its job is running",
    "stale": "made by other settings, other code or from other inputs; delete it and run again",
    "broken": "its file is damaged; delete it and run again",
    "done": "finished while the others were joined",
}
REASON_TEXT = 700  # characters of one reason
NAMED = 4  # kinds of cells that a line names


@dataclass(frozen=True)
class Gap:
    """A cell that no table of drops can use: its state (`progress.STATES` or `NO_REFERENCE`) and the reason."""

    cell: Cell
    state: str
    reason: str


class Missing:
    """The gaps of a study among `total` cells, and what every output of the rest says of them."""

    def __init__(self, resolved: Resolved, gaps: list[Gap]) -> None:
        self.gaps = gaps
        self.experiments = expand(resolved)
        self.total = len(all_cells(resolved))
        self.made = time.strftime("%Y-%m-%d %H:%M")
        self._cells = {gap.cell for gap in gaps}

    @property
    def used(self) -> int:
        """How many cells stand in the drops."""
        return self.total - len(self.gaps)

    def headline(self) -> str:
        """Such as "INCOMPLETE: 41 of 63 cells (2026-01-31 14:02)"."""
        return f"INCOMPLETE: {self.used} of {self.total} cells ({self.made})"

    def column(self) -> str:
        """What every row of a table says in its first column."""
        return f"{self.used} of {self.total} cells; missing: {_kinds(self._cells)}; see missing.csv"

    def of(self, experiment: str) -> tuple[int, int]:
        """How many cells of an experiment are used, and how many it has."""
        cells = self.experiments[experiment]
        return sum(cell not in self._cells for cell in cells), len(cells)

    def note(self, experiment: str = "") -> str:
        """What a figure says at its top; of an experiment, or without one of the whole study."""
        if not experiment:
            return f"{self.headline()} of the study are joined. Missing: {_kinds(self._cells)}."
        used, count = self.of(experiment)
        gaps = [cell for cell in self.experiments[experiment] if cell in self._cells]
        here = f"Missing here: {_kinds(gaps)}" if gaps else f"Missing elsewhere: {_kinds(self._cells)}"
        return f"{self.headline()} of the study are joined, {used} of {count} of {experiment}. {here}."

    def seeds(self) -> dict[tuple[str, ...], int]:
        """How many cells (seeds) the whole study has for a row of drops, by `row_key`."""
        return Counter(
            row_key(name, cell.model, cell.task, knob_text(cell.knobs) if cell.knobs else "", cell.compression.tag,
                    cell.transfer, cell.protocol)
            for name, cells in self.experiments.items() for cell in cells
        )  # fmt: skip


def row_key(*names: str) -> tuple[str, ...]:
    """What names a row of drops: experiment, model, task, knobs, compression, transfer mode, protocol."""
    return names


def _kinds(cells: Collection[Cell]) -> str:
    """The cells by task, knobs, compression and transfer mode, the most frequent first, each with its number."""
    counts = Counter(" ".join(_words(cell)) for cell in cells)
    named = [f"{name} ({count})" for name, count in counts.most_common()]
    return some(named, NAMED) + (" kinds" if named[NAMED:] else "")


def _words(cell: Cell) -> Iterable[str]:
    yield cell.task
    if cell.knobs:
        yield knob_text(cell.knobs)
    yield cell.compression.tag
    if cell.transfer != "none" and cell.compression.method != "dense":
        yield cell.transfer


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
    """The log of the job that makes a file of `run_files.files_before`: by its name, a model's by its folder's."""
    path = Path(file)
    named = path.parent if path.name == "model.json" else path.with_suffix("")
    return Path("results/logs") / f"{named.relative_to('results')}.log"


def _text(lines: Iterable[str]) -> str:
    return cut(" ".join(" ".join(lines).split()), REASON_TEXT)
