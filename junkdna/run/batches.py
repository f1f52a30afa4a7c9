"""Cells made ahead of their own jobs, so that short ones share the start of a process (`cells_per_job`).

Snakemake keeps one job a cell. A job that is through with its own cell goes on with cells that read the same files
and whose jobs have not begun, and leaves each in `results/ahead` under the digest of its settings. When Snakemake
starts the job of such a cell, the job puts the file in its place and ends, without importing torch.

A file in `results/ahead` is a whole cell file, and its name says which settings made it, so that a killed run leaves
nothing wrong behind; the folder may be deleted whenever no job runs.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.run.job_log import log_file
from junkdna.storage.atomic import atomic_write
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import Cell, knob_text, parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.paths import BATCHES

if TYPE_CHECKING:
    from junkdna.study.study import Resolved
QUEUE = BATCHES / "queue"
LIMIT_S = 600.0
"""Seconds after its own cell in which a job begins others: a start is dear to short cells alone, and a scheduler is
asked for the time of one cell."""

log = logging.getLogger(__name__)


def write_queue(resolved: "Resolved") -> None:
    """Say which cells may be made together: settings of every cell of the study, one file for all that read the same.

    For the start of a run, before any job. Without `cells_per_job` above 1 there is no queue.
    """
    from junkdna.study.grid import all_cells
    from junkdna.study.settings import settings_text

    clear_queue()
    if resolved.study.cells_per_job == 1:
        return
    together: dict[Path, list[str]] = defaultdict(list)
    for cell in all_cells(resolved):
        together[_queue_of(cell)].append(settings_text(cell, resolved))
    for file, lines in together.items():
        with atomic_write(file) as temporary:
            temporary.write_text("\n".join(lines) + "\n")


def clear_queue() -> None:
    """Remove the queue, and the folder of cells made ahead where none is left in it."""
    import shutil

    shutil.rmtree(QUEUE, ignore_errors=True)
    if BATCHES.is_dir():
        for lock in BATCHES.glob("*.lock"):
            lock.unlink(missing_ok=True)
        if not any(BATCHES.iterdir()):
            BATCHES.rmdir()


def _queue_of(cell: Cell) -> Path:
    return QUEUE / cell.model / cell.task / knob_text(cell.token_knobs) / f"{cell.protocol}.jsonl"


def made_file(settings: CellSettings) -> Path:
    """Where the file of a cell stands that was made ahead of its job; its log beside it ends in `.log`."""
    return BATCHES / f"{settings_fingerprint(settings)}.parquet"


def take(settings: CellSettings, output: Path) -> bool:
    """Put a cell that was made ahead in its place; False where there is none. What was logged then is logged here."""
    made = made_file(settings)
    if not made.is_file():
        return False
    said = made.with_suffix(".log")
    output.parent.mkdir(parents=True, exist_ok=True)
    made.replace(output)
    if said.is_file():
        log.info("made by the job of another cell, which said:\n%s", said.read_text().rstrip())
        said.unlink()
    return True


@contextmanager
def claimed(settings: CellSettings, wait: bool) -> Iterator[bool]:
    """Whether this process alone makes the cell while the block runs; with `wait`, after any other has ended.

    Where the file system knows no locks two processes may make one cell, which costs time and changes nothing.
    """
    import fcntl

    BATCHES.mkdir(parents=True, exist_ok=True)
    path = made_file(settings).with_suffix(".lock")
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            log.warning("%s cannot be locked (%s)", path, error)
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def others(settings: CellSettings, most: int) -> Iterator[CellSettings]:
    """Settings of up to `most` cells to make ahead, each claimed by this process until the next is asked for.

    Those that read the files that this process's own cell reads, which Snakemake has therefore made for this run, and
    no others; after the own cell in the study's order, then from its start.
    """
    own = parse_cell_path(settings.cell)
    queue = _read_queue(_queue_of(own))
    if settings not in queue:  # written by the run of another study, or by none
        return
    start = queue.index(settings) + 1
    given = 0
    for other in [*queue[start:], *queue[: start - 1]]:
        if given == most:
            return
        cell = parse_cell_path(other.cell)
        if not {*cell.roles} <= {*own.roles} or not _readable(cell, own) or _is_made(cell, other):
            continue
        with claimed(other, wait=False) as ours:
            if ours and not _is_made(cell, other):
                given += 1
                yield other


def _read_queue(file: Path) -> list[CellSettings]:
    try:
        return [CellSettings.read(json.loads(line), str(file)) for line in file.read_text().splitlines()]
    except (OSError, ValueError):
        return []


def _readable(cell: Cell, own: Cell) -> bool:
    """A stored compression holds the digest of its settings, so that another than the own one is compared when read."""
    return cell.compressed_path in (None, own.compressed_path) or Path(cell.compressed_path).is_file()


def _is_made(cell: Cell, settings: CellSettings) -> bool:
    from junkdna.run.cell_file import read_footer

    if made_file(settings).is_file():
        return True
    try:
        if not Path(cell.path).is_file():
            return False
        return read_footer(Path(cell.path))["settings_fingerprint"] == settings_fingerprint(settings)
    except UserError:
        return False


@contextmanager
def logged_apart(settings: CellSettings) -> Iterator[None]:
    """Send what is logged while the block runs to the log of the cell that is made ahead, else to stderr."""
    root = logging.getLogger()
    before = root.handlers[:]
    apart = log_file(made_file(settings).with_suffix(".log")) or logging.StreamHandler()
    apart.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root.handlers[:] = [apart]
    try:
        yield
    finally:
        root.handlers[:] = before
        apart.close()
