"""The progress of a study: the state of every cell according to its file and its log. Rereads only changed files."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from junkdna.analysis.collect import open_cell
from junkdna.run.job_log import JobLog, is_running, read_log, running_slurm_jobs
from junkdna.storage.fingerprint import digest
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.paths import BATCHES
from junkdna.study.settings_from_study import settings_text
from junkdna.study.study import Resolved

STATES = ("done", "batched", "running", "failed", "missing", "stale", "broken")
"""States of a cell. done: its file is complete and belongs to this study. batched: computed in another cell's job.
running: its job is running. failed: its last job ended without a file. missing: no job has started. stale: its file was
computed with other settings or code. broken: its file cannot be read."""


@dataclass(frozen=True)
class Finished:
    """Facts from a finished cell's file: wall seconds in total and for loading, time of writing, size."""

    wall_s: float
    load_s: float
    written_s: float
    size_bytes: int


@dataclass(frozen=True)
class Snapshot:
    """The cells of a study at one moment.

    `states` maps every cell to one of `STATES`; `finished` holds the done cells and `outdated` the stale ones; `began`
    the logs of running cells. `unsure` counts running cells known only from an unfinished log (on other machines).
    """

    states: dict[Cell, str]
    finished: dict[Cell, Finished]
    outdated: dict[Cell, Finished]
    began: dict[Cell, JobLog]
    unsure: int

    def counts(self) -> Counter:
        """Number of cells in each state."""
        return Counter(self.states.values())

    def of(self, state: str) -> list[Cell]:
        """The cells in a state."""
        return [cell for cell, other in self.states.items() if other == state]

    @property
    def left(self) -> list[Cell]:
        """Cells that still have to be computed."""
        return [cell for cell, state in self.states.items() if state not in ("done", "batched")]


def log_path(cell: Cell) -> Path:
    """Path of the log of a cell's job."""
    return Path(f"results/logs/cells/{cell.key}.log")


class Progress:
    """Watches the cells of a study. A file with unchanged size and times is not read again, so changes to the code or
    to a cell's inputs are not seen until its file changes.
    """

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.cells = all_cells(resolved)
        self._digests: dict[Cell, str] = {}
        self._files: dict[Cell, tuple[tuple, str, Finished | None]] = {}
        self._logs: dict[Cell, tuple[tuple, JobLog | None]] = {}

    def look(self) -> Snapshot:
        """The state of every cell now."""
        facts: dict[str, dict[Cell, Finished]] = {"done": {}, "stale": {}}
        states: dict[Cell, str] = {}
        for cell in self.cells:
            stamp = stamp_of(cell.path)
            if stamp is None:
                states[cell] = "missing"
                continue
            _, states[cell], finished = self._read(cell, stamp)
            if finished is not None:
                facts[states[cell]][cell] = finished
        missing = [cell for cell, state in states.items() if state == "missing"]
        self._note_batched(missing, states)
        began, unsure = self._note_logs([cell for cell in missing if states[cell] == "missing"], states)
        return Snapshot(states, facts["done"], facts["stale"], began, unsure)

    def _read(self, cell: Cell, stamp: tuple) -> tuple[tuple, str, Finished | None]:
        if cell not in self._files or self._files[cell][0] != stamp:
            opened, finished = open_cell(cell, self.resolved), None
            if opened.footer:
                walls = opened.footer["wall_s"]
                finished = Finished(sum(walls.values()), walls.get("load", 0.0), stamp[2] / 1e9, stamp[1])
            self._files[cell] = (stamp, opened.state, finished)
        return self._files[cell]

    def _digest(self, cell: Cell) -> str:
        if cell not in self._digests:
            self._digests[cell] = digest(settings_text(cell, self.resolved))
        return self._digests[cell]

    def _note_batched(self, missing: Iterable[Cell], states: dict[Cell, str]) -> None:
        try:
            batched = {name.removesuffix(".parquet") for name in os.listdir(BATCHES) if name.endswith(".parquet")}
        except OSError:
            return
        if batched:
            states.update((cell, "batched") for cell in missing if self._digest(cell) in batched)

    def _note_logs(self, missing: Iterable[Cell], states: dict[Cell, str]) -> tuple[dict[Cell, JobLog], int]:
        logs = {cell: log for cell in missing if (log := self._log(cell)) is not None and log.end != "finished"}
        slurm = running_slurm_jobs() if any(log.slurm_job and not log.end for log in logs.values()) else None
        alive = {cell: is_running(log, slurm) for cell, log in logs.items()}
        for cell, running in alive.items():
            if running is False and not logs[cell].end and Path(cell.path).exists():
                alive[cell] = True  # it finished between the two checks
        states.update((cell, "failed" if running is False else "running") for cell, running in alive.items())
        began = {cell: logs[cell] for cell, running in alive.items() if running is not False}
        return began, sum(running is None for running in alive.values())

    def _log(self, cell: Cell) -> JobLog | None:
        path = log_path(cell)
        stamp = stamp_of(path)
        if stamp is None:
            return None
        if cell not in self._logs or self._logs[cell][0] != stamp:
            self._logs[cell] = (stamp, read_log(path))
        return self._logs[cell][1]


def stamp_of(path: str | Path) -> tuple[int, int, int] | None:
    """Inode, size in bytes and modification time in ns of a file; None if it does not exist."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
