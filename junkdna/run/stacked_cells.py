"""Runs several cells of one (model, task, knobs, protocol, seed) as one stack: loaded once, trained together, scored
one by one.

The cells differ in their compression and transfer mode only. Their tables are those of `run.cell`, and the footer names
the stack under "training_engine". Time that the cells share is divided among them.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pyarrow as pa
import torch

from junkdna.errors import UserError
from junkdna.resumable import NO_CHECKPOINTS, Loop, MemberLoop, Stopwatch
from junkdna.run.cell import Prepared
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.stacks import stack_of
from junkdna.train.stack import fine_tune_stack
from junkdna.train.stack_members import Member
from junkdna.train.stack_memory import check_memory, explained_out_of_memory
from junkdna.train.stackable import unstackable

log = logging.getLogger(__name__)
Score = Callable[[], pa.Table]


class NotStackable(UserError):
    """The architecture cannot be trained as a stack; `reason` says why."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"cells of {model} cannot be trained as a stack: {reason}. Set stack: 1.")
        self.reason = reason


def run_stack(
    cells: Sequence[CellSettings],
    size: int,
    device: str,
    loop: Loop = NO_CHECKPOINTS,
    finished: Sequence[CellSettings] = (),
    start_s: float = 0.0,
) -> Iterator[tuple[CellSettings, Score]]:
    """Yield (settings, function that scores the cell and returns its table) of each cell, in order.

    `size` is the size of the stack, at least the number of cells. Cells in `finished` train with the others but are not
    yielded. A function raises the errors of `run_cell` of its own cell: unusable inputs, compression, scoring. Call it
    before the next one is requested. `start_s` is the time that the process took before.

    Raises NotStackable, the errors of `fine_tune`, and UserError if the stack does not fit the memory of the GPU.
    """
    assert len({stack_of(parse_cell_path(each.cell)) for each in cells}) == 1
    watch = Stopwatch({"start": round(start_s, 3)} if start_s else {})
    prepared, failed = _prepared(cells)
    if prepared:
        yield from _trained(prepared, failed, size, device, loop, finished, watch)
    for settings, error in failed:
        yield settings, partial(_raise, error)


def _trained(
    prepared: list[Prepared], failed: list, size: int, device: str, loop: Loop, finished: Sequence, watch: Stopwatch
) -> Iterator[tuple[CellSettings, Score]]:
    """Load, compress and train the cells; yield those to score. Appends cells that cannot be compressed to `failed`."""
    model, head = prepared[0].load(device)
    data, protocol = prepared[0].data, prepared[0].settings.training
    if reason := unstackable(model, protocol.precision):
        raise NotStackable(prepared[0].key.model, reason)
    watch.lap("load")
    check_memory(model, size, data, protocol)  # before compressing, which already copies the weights of every cell
    with explained_out_of_memory(model, size, data, protocol):
        compressed = _Compressed(prepared, model, head)
    failed += compressed.failed
    if not (kept := compressed.cells):
        return
    more = {"training_engine": {"engine": "stack", "size": size, "cells": [each.settings.cell for each in kept]}}
    fingerprints = {"cells": [settings_fingerprint(each.settings) for each in kept]}
    loop.begin(kept[0].provenance(compressed.reports[0], device, more | fingerprints), watch)
    watch.lap("compress")
    weights, trained = _train(model, compressed, size, loop)
    watch.lap("train")
    watch.move(trained[0].preparing_s, "train", to="compile")
    shared = {stage: round(seconds / len(kept), 3) for stage, seconds in watch.wall_s.items() if stage != "score"}
    for at, (cell, report) in enumerate(zip(kept, compressed.reports, strict=True)):
        if cell.settings not in finished:
            own = {name: weight[at] for name, weight in weights.items()}
            provenance = cell.provenance(report, device, more)
            # with the seconds that a killed attempt has scored this cell
            own_watch = Stopwatch({**shared, **({"score": watch.wall_s["score"]} if "score" in watch.wall_s else {})})
            yield cell.settings, partial(_score, cell, model, own, trained[at], provenance, device,
                                         MemberLoop(loop, at), own_watch)  # fmt: skip
            watch.lap("score")
            del watch.wall_s["score"]


def _prepared(cells: Sequence[CellSettings]) -> tuple[list[Prepared], list[tuple[CellSettings, Exception]]]:
    """The cells with usable inputs, which they read once, and the errors of the others."""
    prepared, failed = [], []
    for settings in cells:
        try:
            prepared.append(Prepared(settings, prepared[0] if prepared else None))
        except Exception as error:  # it concerns this cell alone, and its own job reports it
            failed.append((settings, error))
    return prepared, failed


class _Compressed:
    """The members of a stack with their cells and reports, all matrices that one of them masks, and the cells that
    could not be compressed with their errors. The model keeps its weights."""

    def __init__(self, prepared: Sequence[Prepared], model: torch.nn.Module, head: list[str]) -> None:
        self.cells: list[Prepared] = []
        self.members: list[Member] = []
        self.reports: list[dict] = []
        self.failed: list[tuple[CellSettings, Exception]] = []
        prunables: dict = {}
        start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        for cell in prepared:
            try:
                masked, masks, report = cell.compress(model, head)
            except torch.OutOfMemoryError:  # the stack is too large
                raise
            except Exception as error:  # of this cell alone
                self.failed.append((cell.settings, error))
            else:
                self._add(cell, model, start, masked, masks, report)
                prunables |= {each.name: each for each in masked}
            _write_weights(model, start)
        self.prunables = [*prunables.values()]

    def _add(self, cell: Prepared, model: torch.nn.Module, start: dict, masked: list, masks: dict, report: dict):
        if cell.key.transfer in ("sparse", "sparse_to_dense"):
            for each in masked:
                each.matrix().masked_fill_(~masks[each.name], 0)
        weights = {name: _copy_if_changed(weight, start[name]) for name, weight in model.named_parameters()}
        self.cells.append(cell)
        self.members.append(Member(cell.key.transfer, weights, masks))
        self.reports.append(report)


def _copy_if_changed(weight: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    return start if torch.equal(weight, start) else weight.detach().clone()


def _train(model: torch.nn.Module, compressed: _Compressed, size: int, loop: Loop) -> tuple[dict, list]:
    first = compressed.cells[0]
    key, protocol = (first.key.task, first.key.seed), first.settings.training
    with explained_out_of_memory(model, size, first.data, protocol):
        return fine_tune_stack(model, compressed.prunables, compressed.members, size, first.data, protocol, key, loop)


def _score(
    cell: Prepared, model: torch.nn.Module, weights: dict, trained: object, provenance: dict, device: str, loop: Loop,
    watch: Stopwatch,
) -> pa.Table:  # fmt: skip
    _write_weights(model, weights)
    return cell.score(model, trained, provenance, device, loop, watch)


def _raise(error: Exception) -> pa.Table:
    raise error


@torch.no_grad()
def _write_weights(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    for name, weight in model.named_parameters():
        weight.copy_(weights[name])
