"""Jobs that train and score their cell alone, by the plain loop, and then run batched cells (`run.batches`)."""

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.run import batches, stack_jobs
from junkdna.run.full_memory import explained_full_memory
from junkdna.study.cell_settings import CellSettings

if TYPE_CHECKING:
    from junkdna.run.shared_inputs import SharedInputs
log = logging.getLogger(__name__)


def run(
    output: Path,
    settings: CellSettings,
    device: str,
    import_torch: Callable,
    bar: Callable,
    batch: int,
    why_plain: str,
) -> None:
    """Run one cell alone, and up to `batch` batched cells. With a batch, its file stays in `results/batches`."""
    with batches.claimed(settings, wait=True) if batch else nullcontext():
        if batches.batched_file(settings).is_file():
            return
        start_s = import_torch()
        shared = _shared_inputs() if batch else None
        file = batches.batched_file(settings) if batch else output
        _write_cell(file, settings, device, bar, why_plain, start_s, shared)
        run_batch(settings, batch, device, shared)


def _write_cell(
    output: Path,
    settings: CellSettings,
    device: str,
    bar: Callable,
    why_plain: str,
    start_s: float = 0.0,
    shared: "SharedInputs | None" = None,
) -> None:
    from junkdna.run.cell import run_cell
    from junkdna.run.cell_file import write_cell
    from junkdna.run.checkpoint import kept

    with kept(settings.cell, bar) as loop:
        with explained_full_memory(settings.cell):
            table = run_cell(settings, device, loop, why_plain, start_s, shared)
        begun = time.perf_counter()
        write_cell(table, output)
        log.info("%s: written in %.2f s", settings.cell, time.perf_counter() - begun)


def _shared_inputs() -> "SharedInputs":
    from junkdna.run.shared_inputs import SharedInputs

    return SharedInputs()


def run_batch(settings: CellSettings, most: int, device: str, shared: "SharedInputs | None" = None) -> None:
    """Run up to `most` batched cells; start none after `batches.LIMIT_S`. The first failure ends the batch.

    Cells that train as a stack are left to their own jobs.
    """
    shared = shared or _shared_inputs()
    end = time.monotonic() + batches.LIMIT_S
    for other in batches.cells_to_batch(settings, most, lambda other: stack_jobs.size_on(other, device)[0] == 1):
        if time.monotonic() >= end:
            return
        try:
            _, why_plain = stack_jobs.size_on(other, device)
            with batches.separate_log(other):
                _write_cell(batches.batched_file(other), other, device, iter, why_plain, shared=shared)
        except Exception as error:  # the other cell's own job reports the failure
            log.info("%s failed in this batch (%s); its own job will run it", other.cell, error)
            return
