"""Which cells a job trains as one stack: its own and companions from the queue, all locked until their files exist.

One process at a time gathers cells, and takes all that it can at once, so that jobs that start together do not share
out one stack among them. It never waits for the lock of a cell, and it has leased its GPU before, so no two jobs can
wait for each other. Locks end with the process: after a kill, any job gathers the cells again. If the killed job has
left a checkpoint, its cells are taken together again (`run.stack_checkpoint`).

A cell that failed in a stack gets a mark and is left to its own job, so that other stacks do not train it again. So
does a stack that failed as a whole in the job of another cell; the jobs of its own cells still train it as a stack.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from junkdna.run.batches import (
    MARK,
    QUEUE,
    batched_file,
    claimed,
    is_done,
    locked_file,
    queue_of,
    queued_after,
    read_queue,
)
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.storage.tensor_header import recorded_facts, recorded_fingerprint
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.paths import BATCHES, FOOTER_KEY
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
    others = [each for each in queued_after(settings) if _same_stack(each, settings)]
    if found := _interrupted(settings, others, locks):
        return found
    cells = [settings]
    for other in others:
        # asked again under the lock: the job that held it may have written the file in between
        if len(cells) < size and _is_free(other) and _claim(other, locks) and not is_done(other):
            cells.append(other)
    return Gathered(tuple(sorted(cells, key=lambda each: each.cell)))


def _same_stack(one: CellSettings, other: CellSettings) -> bool:
    return one.training is not None and stack_of(parse_cell_path(one.cell)) == stack_of(parse_cell_path(other.cell))


def _is_free(settings: CellSettings) -> bool:
    """Whether a stack may take the cell: nothing has computed it, its inputs exist, and it has not failed in one."""
    return not _mark(settings).exists() and _is_compressed(settings) and not is_done(settings)


def _is_compressed(settings: CellSettings) -> bool:
    """Whether the compressed weights that a cell reads exist and were made with its settings: this run will
    replace weights from an earlier study, and a cell whose stack failed with the old ones would train alone."""
    stored = parse_cell_path(settings.cell).compressed_path
    try:
        return stored is None or recorded_fingerprint(stored) == settings.inputs["compressed"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
            if not _is_compressed(each):
                return None
            if each != own and each not in finished and not _claim(each, more):
                return None
        locks.enter_context(more.pop_all())
    return Gathered(cells, finished)


def free_cells(settings: CellSettings) -> Iterator[CellSettings]:
    """The trained cells of the queue without this one that a stack may begin with; those of its model, task and
    protocol come first. Another process may hold their locks. Nothing if the queue belongs to another study."""
    queue = queued_after(settings)
    if not queue:
        return
    own = queue_of(parse_cell_path(settings.cell))
    others = (file for file in sorted(QUEUE.rglob("*.jsonl")) if file != own)
    for each in chain(queue, chain.from_iterable(map(read_queue, others))):
        if each.training is not None and not _stack_mark(each).exists() and _has_inputs(each) and _is_free(each):
            yield each


def _has_inputs(settings: CellSettings) -> bool:
    """Whether the tokens exist and were made with the settings of the cell."""
    cell = parse_cell_path(settings.cell)
    try:
        made = {role: _tokens_made_with(cell.tokens_path(role)) for role in cell.roles}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(settings.inputs[f"tokens_{role}"] == digest for role, digest in made.items())


def _tokens_made_with(path: str) -> str:
    """Fingerprint of the settings of a tokens file. Reads only its metadata; errors as in `recorded_fingerprint`."""
    import pyarrow as pa

    with pa.memory_map(path) as source:
        return json.loads(pa.ipc.open_file(source).schema.metadata[FOOTER_KEY])["settings_fingerprint"]


def leave_alone(settings: CellSettings, reason: str = "") -> None:
    """Let no further stack of this run take the cell as a companion. With a `reason`, why its model cannot be stacked,
    not even that of its own job."""
    _mark(settings).write_text(reason, encoding="utf-8")


def why_alone(settings: CellSettings) -> str:
    """The `reason` of `leave_alone`; "" if the cell may be trained in a stack."""
    try:
        return _mark(settings).read_text(encoding="utf-8")
    except OSError:
        return ""


def leave_stack_to_its_jobs(settings: CellSettings) -> None:
    """Let no job of a cell of another stack of this run compute the stack of this cell."""
    _stack_mark(settings).touch()


def _mark(settings: CellSettings) -> Path:
    return batched_file(settings).with_suffix(MARK)


def _stack_mark(settings: CellSettings) -> Path:
    return BATCHES / f"{settings_fingerprint({'stack': stack_of(parse_cell_path(settings.cell))})}{MARK}"
