"""The progress of a study: the state of every cell according to its file and its log. Rereads only changed files."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from junkdna.analysis.collect import open_cell
from junkdna.run.job_log import JobLog, is_running, read_log, running_slurm_jobs
from junkdna.storage.fingerprint import digest
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.paths import BATCHES
from junkdna.study.settings_from_study import settings_text
from junkdna.study.study import Resolved

T = TypeVar("T")
STATES = ("done", "batched", "running", "failed", "missing", "stale", "broken")
"""States of a cell. done: its file is complete and belongs to this study. batched: computed in another cell's job.
running: its job is running. failed: its last job ended without a file. missing: no job has started. stale: its file was
computed with other settings or code. broken: its file cannot be read."""


@dataclass(frozen=True)
class Finished:
    """Facts from a finished cell's file: wall seconds in total and for loading, time of writing, the device as the file
    names it, the seconds of scoring, the number of cells that trained with it and share the other seconds, the
    seconds of training, and the places that its stack had for each of its cells (1 without a stack)."""

    wall_s: float
    load_s: float
    written_s: float
    device: str = "cpu"
    score_s: float = 0.0
    together: int = 1
    train_s: float = 0.0
    places: float = 1.0

    @property
    def full_train_s(self) -> float:
        """Its seconds of training had its stack been full."""
        return self.train_s / self.places

    @property
    def full_s(self) -> float:
        """Its wall seconds had its stack been full."""
        return self.wall_s - self.train_s + self.full_train_s

    @property
    def on_gpu(self) -> bool:
        """Whether the cell ran on a GPU; `run.cell.processor` names a CPU."""
        return not self.device.startswith("cpu")


def finished(footer: dict, written_s: float) -> Finished:
    """The facts in the footer of a cell's file that was written at `written_s`."""
    walls, engine = footer["wall_s"], footer.get("training_engine") or {}
    load, score = walls.get("load", 0.0), walls.get("score", 0.0)
    together = len(engine.get("cells", ())) or 1
    times = sum(walls.values()), load, written_s, footer.get("device", ""), score, together
    return Finished(*times, walls.get("train", 0.0), _places(engine))


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


def log_path(file: str) -> Path:
    """The log of the job that makes a cell or a file of `grid.files_before`; a model's is named after its folder."""
    path = Path(file)
    named = path.parent if path.name == "model.json" else path.with_suffix("")
    return Path("results/logs") / f"{named.relative_to('results')}.log"


class Progress:
    """Watches the cells of a study. A file with unchanged size and times is not read again, so changes to the code or
    to a cell's inputs are not seen until its file changes.
    """

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.cells = all_cells(resolved)
        self._digest = cache(lambda cell: digest(settings_text(cell, resolved)))
        self._read: dict[str | Path, tuple] = {}  # stamp and contents of each file

    def look(self) -> Snapshot:
        """The state of every cell now."""
        facts: dict[str, dict[Cell, Finished]] = {"done": {}, "stale": {}}
        states: dict[Cell, str] = {}
        for cell in self.cells:
            states[cell], finished = self._unless_same(cell.path, partial(self._open, cell)) or ("missing", None)
            if finished is not None:
                facts[states[cell]][cell] = finished
        batched = {file.stem for file in BATCHES.glob("*.parquet")}
        for cell in self.cells if batched else ():
            if states[cell] == "missing" and self._digest(cell) in batched:
                states[cell] = "batched"
        began, unsure = self._note_logs([cell for cell in self.cells if states[cell] == "missing"], states)
        return Snapshot(states, facts["done"], facts["stale"], began, unsure)

    def _unless_same(self, path: str | Path, read: Callable[[tuple], T]) -> T | None:
        """What `read(stamp)` returns, called again only if the file has changed; None if it does not exist."""
        stamp = stamp_of(path)
        if stamp is None:
            return None
        if path not in self._read or self._read[path][0] != stamp:
            self._read[path] = (stamp, read(stamp))
        return self._read[path][1]

    def _open(self, cell: Cell, stamp: tuple) -> tuple[str, Finished | None]:
        opened = open_cell(cell, self.resolved)
        if not opened.footer:
            return opened.state, None
        return opened.state, finished(opened.footer, stamp[2] / 1e9)

    def _note_logs(self, missing: Iterable[Cell], states: dict[Cell, str]) -> tuple[dict[Cell, JobLog], int]:
        paths = {cell: log_path(cell.path) for cell in missing}
        found = {cell: self._unless_same(path, lambda _, path=path: read_log(path)) for cell, path in paths.items()}
        logs = {cell: log for cell, log in found.items() if log is not None and log.end != "finished"}
        slurm = running_slurm_jobs() if any(log.slurm_job and not log.end for log in logs.values()) else None
        alive = {cell: is_running(log, slurm) for cell, log in logs.items()}
        for cell, running in alive.items():
            if running is False and not logs[cell].end and Path(cell.path).exists():
                alive[cell] = True  # it finished between the two checks
        states.update((cell, "failed" if running is False else "running") for cell, running in alive.items())
        began = {cell: logs[cell] for cell, running in alive.items() if running is not False}
        return began, sum(running is None for running in alive.values())


def _places(engine: dict) -> float:
    return engine["size"] / len(engine["cells"]) if engine.get("engine") == "stack" else 1.0


def stamp_of(path: str | Path) -> tuple[int, int, int] | None:
    """Inode, size in bytes and modification time in ns of a file; None if it does not exist."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
