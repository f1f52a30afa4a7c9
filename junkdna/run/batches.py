"""Batched cells: one job computes several short cells, so that they share one process start (`cells_per_job`).

Snakemake still has one job per cell. A job that has finished its own cell continues with cells whose jobs have not
started, and writes each to `results/batches` under the fingerprint of its settings. When Snakemake starts the job of
such a cell, that job moves the file to its final path and exits without importing torch.

A file in `results/batches` is a complete cell file, and its name identifies its settings, so a killed run leaves
nothing invalid. The folder may be deleted whenever no job is running.
"""

import json
import logging
import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from junkdna.errors import UserError
from junkdna.run import batched_files
from junkdna.run.job_log import log_file
from junkdna.storage.atomic import atomic_write
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import Cell, knob_text, parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.paths import BATCHES

if TYPE_CHECKING:
    from junkdna.study.study import Resolved
QUEUE = BATCHES / "queue"
OF_RUN = QUEUE / "cells.txt"
MARK = ".alone"  # of cells and stacks that are left to their own jobs (`run.waiting_cells`, `run.companions`)
LIMIT_S = 600.0
"""Seconds during which a job starts other cells: from its own cell on, or for stacks from the start of the job. Only
short cells gain from sharing a start, and jobs request a scheduler's time for one cell."""

log = logging.getLogger(__name__)


def write_queue(resolved: "Resolved", gpus: bool = False, outputs: Collection[str] | None = None) -> None:
    """Write the queue: the settings of every cell of the study, one file for all cells that read the same files, and
    which of them this run computes: those whose files are among the `outputs` of its jobs, by default all.

    Call it at the start of a run, before any job. With `cells_per_job: 1` it contains only cells that jobs with `gpus`
    may train as a stack; without such cells there is no queue. Cells that the run does not compute are there because a
    checkpoint of a stack may contain them.
    """
    from junkdna.study.grid import all_cells
    from junkdna.study.settings_from_study import settings_text

    clear_queue()
    cells, together = all_cells(resolved), defaultdict(list)
    for cell in cells:
        if resolved.study.cells_per_job > 1 or (gpus and _may_stack(cell, resolved)):
            together[queue_of(cell)].append(settings_text(cell, resolved))
    if together:
        together[OF_RUN] = [cell.key for cell in cells if outputs is None or cell.path in outputs]
    for file, lines in together.items():
        with atomic_write(file) as temporary:
            temporary.write_text("\n".join(lines) + "\n")


def cells_of_run() -> tuple[set[str], float]:
    """The keys of the cells that this run computes (`write_queue`), none if there is no queue, and when it was written,
    in seconds as files have it."""
    try:
        return {*OF_RUN.read_text(encoding="utf-8").splitlines()}, OF_RUN.stat().st_mtime
    except OSError:
        return set(), 0.0


def _may_stack(cell: Cell, resolved: "Resolved") -> bool:
    return cell.transfer != "none" and resolved.study.protocol(cell.protocol, resolved.tasks[cell.task]).stack != 1


def clear_queue() -> None:
    """Remove the queue, and the folder of batched cells if it is empty."""
    import shutil

    shutil.rmtree(QUEUE, ignore_errors=True)
    for file in BATCHES.glob("*.lock"):
        with locked_file(file, wait=False):  # removes it, unless a job of an earlier run still holds it
            pass
    for file in BATCHES.glob(f"*{MARK}"):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # missing, or not empty
        BATCHES.rmdir()


def queue_of(cell: Cell) -> Path:
    """The file of the queue that a cell is in: one for all cells that read the same files."""
    return QUEUE / cell.model / cell.task / knob_text(cell.token_knobs) / f"{cell.protocol}.jsonl"


def batched_file(settings: CellSettings) -> Path:
    """Path of a batched cell's file; its log has the suffix `.log`."""
    return batched_files.path_of(settings_fingerprint(settings))


def take_over(settings: CellSettings, output: Path) -> bool:
    """Move a batched cell to its final path and repeat its log here; False if there is none."""
    return batched_files.take_over(settings_fingerprint(settings), output)


@contextmanager
def claimed(settings: CellSettings, wait: bool) -> Iterator[bool]:
    """Lock a cell while the block runs; yields False if another process holds it, unless `wait`."""
    with locked_file(batched_file(settings).with_suffix(".lock"), wait) as locked:
        yield locked


@contextmanager
def locked_file(path: Path, wait: bool) -> Iterator[bool]:
    """Lock a file, which is removed at the end of the block; yields False if another process holds it, unless `wait`.

    On a file system without locks two processes may compute the same cell, which wastes time but changes nothing.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            log.warning("%s cannot be locked (%s)", path, error)
        if current := _is_current(handle, path):
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
    if not current:  # the process that held it has removed it meanwhile
        with locked_file(path, wait) as locked:
            yield locked


def _is_current(handle: TextIO, path: Path) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def queued_after(settings: CellSettings) -> list[CellSettings] | None:
    """The cells that read the same files as this one, in the order of the study from this one on, without it. None if
    the queue is missing or belongs to another study."""
    queue = read_queue(queue_of(parse_cell_path(settings.cell)))
    if settings not in queue:
        return None
    start = queue.index(settings) + 1
    return [*queue[start:], *queue[: start - 1]]


def read_queue(file: Path) -> list[CellSettings]:
    """The settings in one file of the queue; empty if it cannot be read."""
    try:
        return [CellSettings.read(json.loads(line), str(file)) for line in file.read_text().splitlines()]
    except (OSError, ValueError, UserError):
        return []


def is_done(settings: CellSettings) -> bool:
    """Whether the cell's file, or its batched file, has these settings."""
    from junkdna.run.cell_file import read_cell_file

    cell = parse_cell_path(settings.cell)
    if batched_file(settings).is_file():
        return True
    try:
        return read_cell_file(Path(cell.path))[1]["settings_fingerprint"] == settings_fingerprint(settings)
    except UserError:  # missing or corrupt
        return False


@contextmanager
def separate_log(settings: CellSettings) -> Iterator[None]:
    """Send the log of the block to the log of the batched cell, or to stderr if that cannot be written."""
    root = logging.getLogger()
    before = root.handlers[:]
    handler = log_file(batched_file(settings).with_suffix(".log")) or logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = before
        handler.close()
