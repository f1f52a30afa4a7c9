"""Checkpoints of stacks: a killed stack resumes with the cells that it had, and computes the same numbers.

The file stands under the model, task, knobs, protocol and seed of the stack and a fingerprint of its cells. It names
its cells, so that the next job that needs one of them takes the same companions, also where some have finished
meanwhile. It takes 12 bytes per parameter and place of the stack.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from junkdna.run.checkpoint import Checkpoint, interval_s
from junkdna.storage.checksums import sha256_file
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.stacks import checkpoint_folder


class StackCheckpoint(Checkpoint):
    """A `Checkpoint` of the loops of all cells of a stack."""

    def __init__(self, cells: Sequence[CellSettings], interval: float, bar: Callable = iter) -> None:
        super().__init__(cells[0].cell, interval, bar)
        fingerprints = [settings_fingerprint(each) for each in cells]
        self.path = checkpoint_folder(cells[0].cell) / f"{settings_fingerprint({'cells': fingerprints})}.safetensors"
        stored = [parse_cell_path(each.cell).compressed_path for each in cells]
        self._compressed = [*dict.fromkeys(filter(None, stored))]
        self._facts = {"cells": fingerprints}

    def _compressed_sha256(self) -> object:
        return [sha256_file(Path(each)) for each in self._compressed]


@contextmanager
def kept_stack(cells: Sequence[CellSettings], bar: Callable = iter) -> Iterator[StackCheckpoint]:
    """A `StackCheckpoint` loop; write the files of the cells inside the block (as `checkpoint.kept`)."""
    loop = StackCheckpoint(cells, interval_s(), bar)
    yield loop
    loop.remove()
