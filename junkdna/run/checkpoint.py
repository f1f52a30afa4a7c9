"""Checkpoints of long cells: a killed cell resumes from the last checkpoint and computes the same numbers bit for bit.

Every five minutes of work in a cell's loops (or every JUNKDNA_CHECKPOINT_S seconds) the state of the loops is written
atomically to `results/checkpoints`; shorter cells never write one. The file contains a fingerprint of everything the
cell's numbers depend on: settings, code, inputs, versions, device, threads. A checkpoint with another fingerprint, or a
damaged one, is deleted and the cell starts from the beginning. A finished cell deletes its checkpoint. The format is
safetensors, never pickle.

Size: fine-tuning in float32 takes 12 bytes per parameter (weights and AdamW's two moments): 0.3 GB for MiniLM's 22 M
and 1.3 GB for BERT-base's 110 M parameters. Scoring after fine-tuning takes 4 bytes per parameter; scoring alone only
the scores so far and, for a language model, the keys and values of one row. While a new checkpoint replaces the old one
the disk holds both; on a GPU the state is copied to main memory first. If a checkpoint cannot be written, the cell logs
a warning and continues.

A resumed cell repeats its work before the first loop (loading, compressing) and the items since the last checkpoint. A
batch, a pack of rows or an optimizer step is never split.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from junkdna.errors import UserError
from junkdna.resumable import INTERVAL_S, Loop, Stopwatch
from junkdna.storage.atomic import remove_partial_files
from junkdna.storage.checksums import sha256_file
from junkdna.storage.fingerprint import code_fingerprint, settings_fingerprint
from junkdna.storage.tensors import read_tensors, write_tensors
from junkdna.study.cell import parse_cell_path
from junkdna.study.paths import CHECKPOINTS

log = logging.getLogger(__name__)

VARIABLE = "JUNKDNA_CHECKPOINT_S"
KIND = "unfinished cell 1"
NOT_WRITTEN = (OSError, UserError, SafetensorError, RuntimeError)  # torch raises RuntimeError when memory runs out

Tensors = dict[str, Tensor]


@contextmanager
def kept(cell: str, bar: Callable = iter) -> Iterator["Checkpoint"]:
    """A `Checkpoint` loop for one cell (its key); write the cell's file inside the block.

    If the block succeeds, the checkpoint is deleted; otherwise the last one remains for the next attempt. Raises
    UserError for an invalid JUNKDNA_CHECKPOINT_S.
    """
    loop = Checkpoint(cell, interval_s(), bar)
    yield loop
    loop.remove()


def interval_s() -> float:
    """Seconds of work between two checkpoints: JUNKDNA_CHECKPOINT_S (0: after every item; inf: never), default 300."""
    text = os.environ.get(VARIABLE) or str(INTERVAL_S)
    try:
        seconds = float(text)
        if not seconds >= 0:
            raise ValueError
    except ValueError:
        raise UserError(
            f"{VARIABLE}={text!r}: must be a number of seconds, 0 or more, such as 300; inf turns checkpoints off."
        ) from None
    return seconds


class Checkpoint(Loop):
    """Runs the loops of a cell and writes their state to the file `path` every `interval` seconds."""

    def __init__(self, cell: str, interval: float, bar: Callable = iter) -> None:
        super().__init__(bar)
        self.path = CHECKPOINTS / f"{cell}.safetensors"
        self._compressed = parse_cell_path(cell).compressed_path
        self._facts: dict = {}  # more that the file says, outside its identity
        self._interval = interval
        self._due = math.inf
        self._restored: dict[str, Tensors] = {}  # state of each loop, as read from the file
        self._saves: dict[str, Callable[[], Mapping[str, Tensor]]] = {}  # of each loop that this attempt has started
        self._done: dict[str, int] = {}
        self._made_from: dict = {}
        self._watch = Stopwatch()

    def begin(self, made_from: dict, watch: Stopwatch) -> None:
        """Load the checkpoint of an earlier attempt at the same cell, if there is one.

        `made_from` is the provenance that goes into the cell's footer. The seconds of the checkpointed work are added
        to the stopwatch; work after the last checkpoint is lost, and so is its time.
        """
        self._made_from, self._watch = made_from, watch
        if self.path.exists() and (read := self._read()) is not None:
            tensors, facts = read
            for path, tensor in tensors.items():
                name, _, inner = path.partition("/")
                self._restored.setdefault(name, {})[inner] = tensor.clone()  # a copy: the tensors map the file
            self.resumed = facts["resumed"] + 1
            for stage, seconds in facts["wall_s"].items():
                watch.wall_s[stage] = round(watch.wall_s.get(stage, 0.0) + seconds, 3)

    def __call__(
        self, name: str, items: Sequence, save: Callable[[], Mapping[str, Tensor]], load: Callable[[Tensors], None]
    ) -> Iterator:
        """The remaining items of a loop, after `load` has restored the state of an earlier attempt."""
        self._saves[name], self._done[name] = save, 0
        if (tensors := self._restored.pop(name, None)) is not None:
            self._done[name] = int(tensors.pop("done"))
            load(tensors)
            log.info("resumes from the checkpoint %s: %s, %d done", self.path, name, self._done[name])
        if self._due == math.inf:
            self._due = time.perf_counter() + self._interval
        for item in self._bar(items[self._done[name] :]):
            yield item
            self._done[name] += 1
            if time.perf_counter() >= self._due:
                self._write(name, len(items))
                self._due = time.perf_counter() + self._interval

    def remove(self) -> None:
        """Delete the checkpoint, its partial files and the folders that are then empty."""
        self._delete(self.path)
        remove_partial_files(self.path)
        for folder in self.path.parents[: len(self.path.parents) - len(CHECKPOINTS.parents)]:
            with suppress(OSError):  # missing, or it contains another cell's checkpoint
                folder.rmdir()

    def _delete(self, file: Path) -> None:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be deleted: %s", file, error)

    def _read(self) -> tuple[Tensors, dict] | None:
        try:
            tensors, facts = read_tensors(self.path, KIND)
            reason = "comes from other settings, code, inputs or versions, or from another device"
        except UserError as error:
            facts, reason = {}, f"cannot be used ({error})"
        if facts.get("of") == self._identity:
            return tensors, facts
        log.warning("the checkpoint %s %s: deleted; the cell starts from the beginning.", self.path, reason)
        self._delete(self.path)
        return None

    @cached_property
    def _identity(self) -> str:
        """Fingerprint of everything the checkpointed numbers depend on, with this module and compressed weights."""
        more = {
            "checkpoint_code": code_fingerprint("junkdna.run.checkpoint"),
            "processor": torch.backends.cpu.get_cpu_capability(),
            "compressed_sha256": self._compressed_sha256(),
        }
        return settings_fingerprint({**self._made_from, **more})

    def _compressed_sha256(self) -> object:
        return sha256_file(Path(self._compressed)) if self._compressed else None

    def _write(self, name: str, items: int) -> None:
        self._watch.lap(name.split()[0])
        tensors = {f"{loop}/done": torch.tensor(done) for loop, done in self._done.items()}
        facts = {"of": self._identity, "resumed": self.resumed, "wall_s": self._watch.wall_s, **self._facts}
        try:
            for loop, save in self._saves.items():
                tensors |= {f"{loop}/{inner}": tensor for inner, tensor in save().items()}
            write_tensors(self.path, KIND, tensors, facts)
        except NOT_WRITTEN as error:
            log.warning("the checkpoint %s cannot be written; the cell continues without it: %s", self.path, error)
        else:
            log.info("checkpoint: %s, %d of %d done", name, self._done[name], items)
