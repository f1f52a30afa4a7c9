"""Checkpoints of long cells: a cell that is killed goes on from the last one, to the same numbers bit for bit.

Every five minutes of work in a cell's loops (`loop`), or JUNKDNA_CHECKPOINT_S seconds, what the loops have come to is
written beside the results, whole or not at all; shorter cells never write one. The file holds a digest of all that the
cell's numbers depend on: settings, code, inputs, versions, device, threads. One that was made from anything else, or
that is damaged, is deleted and the cell starts afresh. A finished cell leaves none. Only safetensors, no pickles.

Size: a training in float32 takes 12 bytes a parameter (weights and AdamW's two moments), so 0.3 GB for MiniLM's 22 M
and 1.3 GB for BERT-base's 110 M; the scoring after it 4 bytes a parameter; scoring alone only the scores so far and,
for a language model, the keys and values of one row of tokens. Twice that while a new one replaces the old; on a GPU
also that much of the machine's own memory. A checkpoint that cannot be written is a warning, never a failed cell.

Not kept: what a cell does before its first loop (loading, compressing) is done again, and so are the items since the
last checkpoint. A batch, a pack of rows or an optimizer step is never cut in two.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from junkdna.errors import UserError
from junkdna.resumable import INTERVAL_S, Loop, Stopwatch
from junkdna.storage.atomic import remove_halves
from junkdna.storage.checksums import sha256_file
from junkdna.storage.fingerprint import code_fingerprint, settings_fingerprint
from junkdna.storage.tensors import read_tensors, write_tensors
from junkdna.study.cell import parse_cell_path
from junkdna.study.paths import CHECKPOINTS

log = logging.getLogger(__name__)

VARIABLE = "JUNKDNA_CHECKPOINT_S"
KIND = "unfinished cell 1"
NOT_WRITTEN = (OSError, UserError, SafetensorError, RuntimeError)  # the last: what torch raises when memory is short

Tensors = dict[str, Tensor]


@contextmanager
def kept(cell: str, bar: Callable = iter) -> Iterator["Checkpoint"]:
    """The walk to run a cell (its key) with; write its file inside the block. A block that ends well leaves no
    checkpoint, another one leaves the last for the next attempt. Raises UserError for a bad JUNKDNA_CHECKPOINT_S."""
    loop = Checkpoint(cell, interval_s(), bar)
    yield loop
    loop.remove()


def interval_s() -> float:
    """Seconds of work between two checkpoints: JUNKDNA_CHECKPOINT_S (0: one after every item; inf: none), or 300."""
    text = os.environ.get(VARIABLE) or str(INTERVAL_S)
    try:
        seconds = float(text)
        if not seconds >= 0:
            raise ValueError
    except ValueError:
        raise UserError(
            f"{VARIABLE}={text!r}: should be a number of seconds from 0 up, such as 300; inf writes no checkpoints."
        ) from None
    return seconds


class Checkpoint(Loop):
    """Walks through a cell's loops and keeps, every `interval` seconds, what they have come to in the file `path`."""

    def __init__(self, cell: str, interval: float, bar: Callable = iter) -> None:
        super().__init__(bar)
        self.path = CHECKPOINTS / f"{cell}.safetensors"
        self._cell = parse_cell_path(cell)
        self._interval = interval
        self._due = math.inf
        self._found: dict[str, Tensors] = {}  # of each loop, as read from the file
        self._saves: dict[str, Callable[[], Mapping[str, Tensor]]] = {}  # of each loop begun in this attempt
        self._done: dict[str, int] = {}
        self._made_from: dict = {}
        self._digest: str | None = None
        self._watch = Stopwatch()

    def begin(self, made_from: dict, watch: Stopwatch) -> None:
        """Take up the checkpoint of an earlier attempt at the same cell, where there is one.

        `made_from` is what a cell's footer says of what made it. The seconds that the checkpoint's work took are added
        to the clock; what an attempt did after its last checkpoint is lost, its seconds too.
        """
        self._made_from, self._watch = made_from, watch
        if self.path.exists() and (read := self._read()) is not None:
            tensors, facts = read
            for name, tensor in tensors.items():
                name, _, inner = name.partition("/")
                self._found.setdefault(name, {})[inner] = tensor.clone()  # a copy: what is read maps the file
            self.resumed = facts["resumed"] + 1
            for stage, seconds in facts["wall_s"].items():
                watch.wall_s[stage] = round(watch.wall_s.get(stage, 0.0) + seconds, 3)

    def __call__(
        self, name: str, items: Sequence, save: Callable[[], Mapping[str, Tensor]], load: Callable[[Tensors], None]
    ) -> Iterator:
        """The items that are still to do, after `load` where an earlier attempt did some."""
        self._saves[name], self._done[name] = save, self._take_up(name, load)
        if self._due == math.inf:
            self._due = time.perf_counter() + self._interval
        for item in self._bar(items[self._done[name] :]):
            yield item
            self._done[name] += 1
            if time.perf_counter() >= self._due:
                self._write(name, len(items))
                self._due = time.perf_counter() + self._interval

    def _take_up(self, name: str, load: Callable[[Tensors], None]) -> int:
        """How many items of a loop are done, its state put back where there are some."""
        tensors = self._found.pop(name, None)
        if tensors is None:
            return 0
        done = int(tensors.pop("done"))
        load(tensors)
        log.info("goes on from the checkpoint %s: %s, %d done", self.path, name, done)
        return done

    def remove(self) -> None:
        """Delete the checkpoint, what a kill left of one being written, and the folders that are empty then."""
        self._delete(self.path)
        remove_halves(self.path)
        for folder in self.path.parents[: len(self.path.parents) - len(CHECKPOINTS.parents)]:
            with suppress(OSError):  # not there, or another cell's checkpoint stands in it
                folder.rmdir()

    def _delete(self, file: Path) -> None:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be deleted: %s", file, error)

    def _read(self) -> tuple[Tensors, dict] | None:
        try:
            tensors, facts = read_tensors(self.path, KIND)
            reason = "was made from other settings, code, inputs or versions, or on another device"
        except UserError as error:
            facts, reason = {}, f"cannot be used ({error})"
        if facts.get("of") == self._identity():
            return tensors, facts
        log.warning("the checkpoint %s %s: deleted, the cell starts afresh.", self.path, reason)
        self._delete(self.path)
        return None

    def _identity(self) -> str:
        """Digest of all that the numbers kept depend on, this module and the stored compression among it."""
        if self._digest is None:
            stored = self._cell.compressed_path
            more = {
                "checkpoint_code": code_fingerprint("junkdna.run.checkpoint"),
                "processor": torch.backends.cpu.get_cpu_capability(),
                "compressed_sha256": sha256_file(Path(stored)) if stored else None,
            }
            self._digest = settings_fingerprint({**self._made_from, **more})
        return self._digest

    def _write(self, name: str, items: int) -> None:
        self._watch.lap(name.split()[0])
        tensors = {f"{name}/done": torch.tensor(done) for name, done in self._done.items()}
        facts = {"of": self._identity(), "resumed": self.resumed, "wall_s": self._watch.wall_s}
        try:
            for name, save in self._saves.items():
                tensors |= {f"{name}/{inner}": tensor for inner, tensor in save().items()}
            write_tensors(self.path, KIND, tensors, facts)
        except NOT_WRITTEN as error:
            log.warning("the checkpoint %s cannot be written; the cell goes on without: %s", self.path, error)
        else:
            log.info("checkpoint: %s, %d of %d done", name, self._done[name], items)
