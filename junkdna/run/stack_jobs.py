"""How a job trains its cell: as a member of a stack on a GPU, or alone by the plain loop.

The job that gathers a stack computes all its cells in `results/batches`; their own jobs move the files to their places
without importing torch (`run.batches`). A job computes other stacks of the queue until `batches.LIMIT_S`: while another
job computes its cell, because it holds a GPU, and after its own stack, because a new process would import torch and
load kernels again, which takes as long as many stacks train.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from junkdna.models.parameter_count import parameter_count
from junkdna.run import batches
from junkdna.run.companions import Gathered, free_cells, gathered, leave_stack_to_its_jobs
from junkdna.run.full_memory import explained_full_memory
from junkdna.run.waiting_cells import leave_alone, why_alone
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.stack_size import stack_size

WAIT_S = 1.0
"""Seconds after which a job that waits for its cell asks again whether it can compute one of the stacks: their tokens
may have been written meanwhile, and a killed job lets its cells go."""

log = logging.getLogger(__name__)


def size_on(settings: CellSettings, device: str) -> tuple[int, str]:
    """The size of the stack that trains a cell on a device, and, where it is 1, why the plain loop trains it.

    The size depends on the settings and the model alone; on a device other than a GPU there are no stacks. (1, "")
    without training. Raises UserError for a corrupt weight file.
    """
    if settings.training is None:
        return 1, ""
    if not device.startswith("cuda"):
        return 1, "stacks run on CUDA only"
    asked = settings.training.stack
    size = stack_size(asked, parameter_count(Path(parse_cell_path(settings.cell).model_folder)))
    return size, "" if size > 1 else f"stack: {asked} is 1 for this model" if asked == "auto" else "stack is 1"


class StackJob:
    """A job that trains its cell in a stack of `size`, on a leased device.

    `import_torch` is called before each stack; it returns the seconds since the process started. `bar` shows the
    progress of the job's own stack.
    """

    def __init__(self, settings: CellSettings, size: int, device: str, import_torch: Callable, bar: Callable) -> None:
        self._settings, self._size, self._device = settings, size, device
        self._import_torch, self._bar = import_torch, bar
        self._has_run = False
        self._end = time.monotonic() + batches.LIMIT_S

    def run(self) -> str:
        """Compute the cell, or wait until another job has; its batched file then exists. Returns "", or, if the model
        cannot be stacked, why; the cell is then still to be computed."""
        while not batches.batched_file(self._settings).is_file():
            if reason := why_alone(self._settings):
                return reason
            with gathered(self._settings, self._size) as found:
                if found.cells and not batches.batched_file(self._settings).is_file():
                    if reason := self._train(found):
                        return reason
                    continue
            if not found.cells and not self._ran_another_stack("another job computes this cell; meanwhile"):
                time.sleep(WAIT_S)
        while self._has_run and self._ran_another_stack("its cell is computed;"):
            pass
        return ""

    def _train(self, found: Gathered) -> str:
        start_s = self._start()
        from junkdna.run.stacked_cells import NotStackable

        try:
            write_stack(found, self._settings, self._size, self._device, self._bar, start_s)
        except NotStackable as error:
            _leave_to_plain_jobs(found, error.reason)
            return error.reason
        return ""

    def _start(self) -> float:
        """Seconds that the process needed to start, booked to its first stack."""
        seconds = self._import_torch()
        first, self._has_run = not self._has_run, True
        return seconds if first else 0.0

    def _ran_another_stack(self, why: str) -> bool:
        """Compute a stack of other cells that no other process computes; False if there is none, or if it failed: after
        an error of a GPU, another process may succeed. The log says `why`."""
        if time.monotonic() >= self._end:
            return False
        for other in free_cells(self._settings):
            size, _ = size_on(other, self._device)
            if size == 1:
                continue
            with gathered(other, size) as found:
                if found.cells and not batches.is_done(other):
                    log.info("%s this job computes the stack of %s", why, other.cell)
                    return self._trained_other(found, other, size)
        return False

    def _trained_other(self, found: Gathered, other: CellSettings, size: int) -> bool:
        start_s = self._start()
        from junkdna.run.stacked_cells import NotStackable

        try:
            write_stack(found, None, size, self._device, iter, start_s)
        except NotStackable as error:
            log.info("%s The jobs of these cells will train them one by one", error)
            _leave_to_plain_jobs(found, error.reason)
        except Exception as error:  # the jobs of these cells report the failure
            log.info("the stack of %s failed (%s); the jobs of its cells will run it", other.cell, error)
            leave_stack_to_its_jobs(other)
            return False
        return True


def _leave_to_plain_jobs(found: Gathered, reason: str) -> None:
    leave_stack_to_its_jobs(found.cells[0])
    for each in found.cells:
        leave_alone(each, reason)


def write_stack(
    found: Gathered, own: CellSettings | None, size: int, device: str, bar: Callable, start_s: float = 0.0
) -> None:
    """Train the cells of a stack and write the files of the unfinished ones to `results/batches`.

    Each cell other than `own` has its own log file next to its result. If a cell fails, the others are still written.
    Then the error of `own` is raised, if it failed; the jobs of the other cells raise theirs.
    """
    from junkdna.run.stack_checkpoint import kept_stack
    from junkdna.run.stacked_cells import run_stack

    _announce(found, size)
    failure: Exception | None = None
    with explained_full_memory(f"the stack of {found.cells[0].cell}"), kept_stack(found.cells, bar) as loop:
        for settings, score in run_stack(found.cells, size, device, loop, found.finished, start_s):
            if settings in found.finished:  # its inputs have become unusable, but its file is there
                continue
            if settings == own:
                failure = _written(settings, score)
            elif error := _written_with_own_log(settings, score):
                log.info("%s failed in this stack (%s); its own job will run it", settings.cell, error)
                leave_alone(settings)
        if failure is not None:
            raise failure


def _announce(found: Gathered, size: int) -> None:
    names: Sequence[str] = [each.cell for each in found.cells if each not in found.finished]
    log.info("trains %d cells as a stack of %d: %s", len(found.cells), size, ", ".join(names))


def _written(settings: CellSettings, score: Callable) -> Exception | None:
    """Score a cell and write its file; the error if that fails."""
    from junkdna.run.cell_file import write_cell

    try:
        with explained_full_memory(settings.cell):
            table = score()
        begun = time.perf_counter()
        write_cell(table, batches.batched_file(settings))
    except Exception as error:
        return error
    log.info("%s: written in %.2f s", settings.cell, time.perf_counter() - begun)
    return None


def _written_with_own_log(settings: CellSettings, score: Callable) -> Exception | None:
    with batches.separate_log(settings):
        return _written(settings, score)
