"""Which cells a job trains as one stack: its own and companions from the queue, all locked until their files exist.

One process at a time gathers cells, and takes all that it can at once, so that jobs that start together do not share
out one stack among them. It never waits for the lock of a cell, and it has leased its GPU before, so no two jobs can
wait for each other. Locks end with the process: after a kill, any job gathers the cells again. If the killed job has
left a checkpoint, its cells are taken together again (`run.stack_checkpoint`).

A cell that failed in a stack is left to its own job (`run.waiting_cells`). A stack that failed as a whole in the job of
another cell gets a mark and is left to the jobs of its own cells, which still train it as a stack.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from junkdna.run.batches import MARK, claimed, is_done, locked_file, queued_after
from junkdna.run.waiting_cells import free_others, is_compressed, is_free
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.storage.tensor_header import recorded_facts
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.paths import BATCHES
from junkdna.study.stacks import checkpoint_folder, stack_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gathered:
    """The cells of a stack in the order of their keys, and those among them whose files exist already: they train
    again only because a checkpoint contains them."""

    cells: tuple[CellSettings, ...] = ()
    finished: tuple[CellSettings, ...] = ()


@contextmanager
def gathered(settings: CellSettings, size: int) -> Iterator[Gathered]:
    """Lock a cell and up to `size` - 1 companions while the block runs; no cells if another process has this one."""
    with ExitStack() as locks:
        with locked_file(BATCHES / "turn.lock", wait=True):
            found = _gather(settings, size, locks)
        yield found


def _gather(settings: CellSettings, size: int, locks: ExitStack) -> Gathered:
    if not _claim(settings, locks):
        return Gathered()
    others = [each for each in queued_after(settings) or () if _same_stack(each, settings)]
    if found := _interrupted(settings, others, locks):
        return found
    cells = [settings]
    for other in others:
        # asked again under the lock: the job that held it may have written the file in between
        if len(cells) < size and is_free(other) and _claim(other, locks) and not is_done(other):
            cells.append(other)
    return Gathered(tuple(sorted(cells, key=lambda each: each.cell)))


def _same_stack(one: CellSettings, other: CellSettings) -> bool:
    return one.training is not None and stack_of(parse_cell_path(one.cell)) == stack_of(parse_cell_path(other.cell))


def _claim(settings: CellSettings, locks: ExitStack) -> bool:
    return locks.enter_context(claimed(settings, wait=False))


def _interrupted(settings: CellSettings, others: Sequence[CellSettings], locks: ExitStack) -> Gathered | None:
    """The cells of a killed stack with this cell, if its checkpoint exists and no other process has one of them."""
    known = {settings_fingerprint(each): each for each in (settings, *others)}
    for file in sorted(checkpoint_folder(settings.cell).glob("*.safetensors")):
        recorded = _recorded(file)
        if settings_fingerprint(settings) not in recorded:
            continue
        cells = tuple(known[each] for each in recorded if each in known)
        if len(cells) == len(recorded) and (found := _claimed_again(cells, settings, locks)):
            log.info("takes the cells of the checkpoint %s", file)
            return found
        log.warning("the checkpoint %s is of a stack with other cells: deleted; it starts from the beginning.", file)
        file.unlink(missing_ok=True)
    return None


def _recorded(file: Path) -> list[str]:
    """Fingerprints of the settings of the cells in a checkpoint; none if it cannot be read."""
    try:
        return recorded_facts(file)["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _claimed_again(cells: tuple[CellSettings, ...], own: CellSettings, locks: ExitStack) -> Gathered | None:
    """Lock the unfinished ones of these cells; None, and no lock but that of `own`, if that is not possible."""
    finished = tuple(each for each in cells if each != own and is_done(each))
    with ExitStack() as more:
        for each in cells:
            if not is_compressed(each):
                return None
            if each != own and each not in finished and not _claim(each, more):
                return None
        locks.enter_context(more.pop_all())
    return Gathered(cells, finished)


def free_cells(settings: CellSettings) -> Iterator[CellSettings]:
    """The trained cells of the run, without this one, that a stack may begin with. Another process may hold their
    locks."""
    return free_others(settings, lambda each: each.training is not None and not _stack_mark(each).exists())


def leave_stack_to_its_jobs(settings: CellSettings) -> None:
    """Let no job of a cell of another stack of this run compute the stack of this cell."""
    _stack_mark(settings).touch()


def _stack_mark(settings: CellSettings) -> Path:
    return BATCHES / f"{settings_fingerprint({'stack': stack_of(parse_cell_path(settings.cell))})}{MARK}"
