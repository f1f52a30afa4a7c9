"""Runs several cells of one (model, task, knobs, protocol, seed) as one stack: loaded once, trained together, scored
one by one.

The cells differ in their compression and transfer mode only. Their tables are those of `run.cell`, and the footer names
the stack under "stack".
"""

import logging
from collections.abc import Iterator, Sequence

import pyarrow as pa
import torch

from junkdna.errors import UserError
from junkdna.resumable import NO_CHECKPOINTS, Loop, Stopwatch
from junkdna.run.cell import Prepared
from junkdna.study.cell import Cell, parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.train.stack import fine_tune_stack
from junkdna.train.stack_members import Member, unstackable

log = logging.getLogger(__name__)


def stack_of(cell: Cell) -> tuple:
    """What cells of one stack have in common."""
    return cell.model, cell.task, cell.knobs, cell.protocol, cell.seed


def run_stack(
    cells: Sequence[CellSettings], size: int, device: str, loop: Loop = NO_CHECKPOINTS
) -> Iterator[tuple[CellSettings, pa.Table]]:
    """Yield (settings, table) of each cell, in order. `size` is the size of the stack, at least the number of cells.

    Raises the errors of `run_cell`, and UserError for a model that cannot be stacked.
    """
    assert len({stack_of(parse_cell_path(each.cell)) for each in cells}) == 1
    watch = Stopwatch()
    prepared = [Prepared(settings) for settings in cells]
    first = prepared[0]
    model, head = first.load(device)
    if reason := unstackable(model):
        raise UserError(f"cells of {first.key.model} cannot be trained as a stack: {reason}. Set stack: 1.")
    watch.lap("load")
    members, prunables, reports = _members(prepared, model, head)
    more = {"stack": {"size": size, "cells": [each.cell for each in cells]}}
    loop.begin(first.provenance(reports[0], device, more), watch)
    watch.lap("compress")
    key, protocol = (first.key.task, first.key.seed), first.settings.training
    weights, trained = fine_tune_stack(model, prunables, members, size, first.data, protocol, key, loop)
    watch.lap("train")
    for at, (cell, report) in enumerate(zip(prepared, reports, strict=True)):
        _write_weights(model, {name: weight[at] for name, weight in weights.items()})
        own = Stopwatch({stage: seconds for stage, seconds in watch.wall_s.items() if stage != "score"})
        table = cell.score(model, trained[at], cell.provenance(report, device, more), device, loop, own)
        yield cell.settings, table


def _members(prepared: Sequence[Prepared], model: torch.nn.Module, head: list[str]) -> tuple[list, list, list]:
    """The members of a stack, all matrices that one of them masks, and the report on each; the model is unchanged."""
    start = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    members, prunables, reports = [], {}, []
    for cell in prepared:
        masked, masks, report = cell.compress(model, head)
        if cell.key.transfer in ("sparse", "sparse_to_dense"):
            for each in masked:
                each.matrix().masked_fill_(~masks[each.name], 0)
        weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        members.append(Member(cell.key.transfer, weights, masks))
        prunables |= {each.name: each for each in masked}
        reports.append(report)
        _write_weights(model, start)
    return members, [*prunables.values()], reports


@torch.no_grad()
def _write_weights(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    for name, weight in model.named_parameters():
        weight.copy_(weights[name])
