"""Jobs that train and score their cell alone, by the plain loop, and then run batched cells (`run.batches`)."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.run import batches, stack_jobs
from junkdna.run.full_memory import explained_full_memory
from junkdna.run.waiting_cells import free_others, leave_alone
from junkdna.study.cell_settings import CellSettings

if TYPE_CHECKING:
    from junkdna.run.shared_inputs import SharedInputs
log = logging.getLogger(__name__)


class PlainJob:
    """A job that computes its cell, and up to `most` batched cells besides, on a leased device.

    `import_torch` is called before the first cell; it returns the seconds since the process started.
    """

    def __init__(self, settings: CellSettings, device: str, import_torch: Callable, most: int) -> None:
        self._settings, self._device, self._import_torch, self._left = settings, device, import_torch, most
        self._shared: SharedInputs | None = None
        self._has_run = False
        self._end = time.monotonic() + batches.LIMIT_S

    def run(self, bar: Callable, why_plain: str) -> None:
        """Compute the cell, or let the job compute it that holds it, and run batched cells meanwhile and afterwards.
        The cell's file is then in `results/batches`."""
        if not self._compute(bar, why_plain, wait=False):
            self.run_batch("another job computes this cell; meanwhile")
            self._compute(bar, why_plain, wait=True)
        if self._has_run:  # else its process would start for cells that a job that has started can take
            self.run_batch("its cell is computed;")

    def _compute(self, bar: Callable, why_plain: str, wait: bool) -> bool:
        """Compute the job's own cell, unless its file exists; False if another process has it and `wait` is not set."""
        with batches.claimed(self._settings, wait) as locked:
            file = batches.batched_file(self._settings)
            if locked and not file.is_file():
                self._write(file, self._settings, bar, why_plain)
            return locked

    def run_batch(self, why: str) -> None:
        """Run batched cells until enough have run; start none after `batches.LIMIT_S`. The first failure ends them all:
        after an error of a GPU, another process may succeed. The log says `why`."""
        for other, why_plain in self._others():
            try:
                log.info("%s this job computes %s", why, other.cell)
                with batches.separate_log(other):
                    self._write(batches.batched_file(other), other, iter, why_plain)
            except Exception as error:  # the other cell's own job reports the failure
                log.info("%s failed in this batch (%s); its own job will run it", other.cell, error)
                leave_alone(other)
                self._left = 0

    def _others(self) -> Iterator[tuple[CellSettings, str]]:
        """Cells to batch, and why the plain loop trains them; each is locked until the next one is requested. Cells
        that train as a stack are left to their own jobs."""
        others = free_others(self._settings, lambda each: stack_jobs.size_on(each, self._device)[0] == 1)
        while self._left and time.monotonic() < self._end and (other := next(others, None)):
            with batches.claimed(other, wait=False) as locked:
                if locked and not batches.is_done(other):  # the job that held it may have written it in between
                    self._left -= 1
                    yield other, stack_jobs.size_on(other, self._device)[1]

    def _write(self, file: Path, settings: CellSettings, bar: Callable, why_plain: str) -> None:
        from junkdna.run.shared_inputs import SharedInputs

        start_s = 0.0 if self._has_run else self._import_torch()
        self._has_run = True
        self._shared = self._shared or SharedInputs()
        write_plain(file, settings, self._device, bar, why_plain, start_s, self._shared)


def write_plain(
    output: Path,
    settings: CellSettings,
    device: str,
    bar: Callable,
    why_plain: str,
    start_s: float = 0.0,
    shared: "SharedInputs | None" = None,
) -> None:
    """Train and score a cell by the plain loop and write its file. `start_s` is booked to it, `shared` is what the job
    has loaded for other cells."""
    from junkdna.run.cell import run_cell
    from junkdna.run.cell_file import write_cell
    from junkdna.run.checkpoint import kept

    with kept(settings.cell, bar) as loop:
        with explained_full_memory(settings.cell):
            table = run_cell(settings, device, loop, why_plain, start_s, shared)
        begun = time.perf_counter()
        write_cell(table, output)
        log.info("%s: written in %.2f s", settings.cell, time.perf_counter() - begun)
