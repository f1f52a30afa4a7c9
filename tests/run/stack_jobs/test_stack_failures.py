"""Stacks that fail: a cell alone, the whole stack, a model that cannot be stacked, a full GPU."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from stack_study import SIZE, batched, rows, run
from toy_run import read_footer

from junkdna.analysis.collect import state
from junkdna.errors import UserError
from junkdna.run import batches, stacked_cells
from junkdna.study import paths


def failing(monkeypatch: pytest.MonkeyPatch, keys: set[str]) -> None:
    score = stacked_cells.Prepared.score

    def broken(self, *args):
        if self.key.key in keys:
            raise RuntimeError(f"{self.key.transfer} is out of luck")
        return score(self, *args)

    monkeypatch.setattr(stacked_cells.Prepared, "score", broken)


def test_a_companion_that_fails_fails_alone_and_no_further_stack_takes_it(resolved, stacks, monkeypatch, caplog):
    own, other, *_ = sorted(stacks[0], key=lambda cell: cell.key)
    failing(monkeypatch, {other.key})
    with caplog.at_level(logging.INFO):
        run(own, resolved)
    assert state(own, resolved) == "done"
    assert len(batched()) == SIZE - 2
    assert f"{other.key} failed in this stack ({other.transfer} is out of luck)" in caplog.text
    last = next(c for c in stacks[0] if c.key not in {*batched(), own.key, other.key})
    run(last, resolved)
    assert other.key not in read_footer(Path(last.path))["training_engine"]["cells"]
    with pytest.raises(RuntimeError, match="out of luck"):
        run(other, resolved)


def test_a_job_whose_own_cell_fails_writes_the_others_and_raises_its_error(resolved, stacks, monkeypatch):
    own = stacks[0][0]
    failing(monkeypatch, {own.key})
    with pytest.raises(RuntimeError, match="dense is out of luck"):
        run(own, resolved)
    assert not Path(own.path).exists()
    assert len(batched()) == SIZE - 1


def test_a_cell_that_diverges_changes_no_other(resolved, stacks, monkeypatch):
    cells = stacks[0][:2]
    run(cells[0], resolved)
    wanted = rows(cells[0])
    Path(cells[0].path).unlink()
    shutil.rmtree(paths.BATCHES)
    batches.write_queue(resolved, gpus=True)
    train = stacked_cells.fine_tune_stack

    def one_diverges(model, prunables, members, *rest):
        at = next(n for n, each in enumerate(members) if each.mode != "dense")
        spoilt = {name: weight * float("inf") for name, weight in members[at].weights.items()}
        members[at] = replace(members[at], weights=spoilt)
        return train(model, prunables, members, *rest)

    monkeypatch.setattr(stacked_cells, "fine_tune_stack", one_diverges)
    run(cells[0], resolved)
    assert rows(cells[0]) == wanted


def test_a_model_that_cannot_be_stacked_is_trained_by_the_plain_loop(resolved, stacks, monkeypatch, caplog):
    monkeypatch.setattr(stacked_cells, "unstackable", lambda *_: "it keeps running statistics")
    with caplog.at_level(logging.INFO):
        run(stacks[0][0], resolved)
    engine = {"engine": "plain loop", "why": "it keeps running statistics"}
    assert read_footer(Path(stacks[0][0].path))["training_engine"] == engine
    assert "trained by the plain loop: it keeps running statistics" in caplog.text
    assert not batched()


def test_a_stack_that_fails_as_a_whole_raises_its_error(resolved, stacks, monkeypatch):
    def too_large(*_):
        raise UserError("a stack of 4 cells needs about 900 GiB")

    monkeypatch.setattr(stacked_cells, "check_memory", too_large)
    with pytest.raises(UserError, match="900 GiB"):
        run(stacks[0][0], resolved)
    assert not batched()


def test_a_job_whose_model_was_found_unstackable_does_not_try_again(resolved, stacks, monkeypatch):
    asked = []
    monkeypatch.setattr(stacked_cells, "unstackable", lambda *_: asked.append(1) or "it keeps running statistics")
    for cell in stacks[0][:2]:
        run(cell, resolved)
        why = read_footer(Path(cell.path))["training_engine"]["why"]
        assert why == "it keeps running statistics"
    assert len(asked) == 1


def test_memory_is_checked_before_the_cells_are_compressed(resolved, stacks, monkeypatch):
    def too_large(*_):
        raise UserError("a stack of 4 cells needs about 900 GiB")

    monkeypatch.setattr(stacked_cells, "check_memory", too_large)
    monkeypatch.setattr(stacked_cells.Prepared, "compress", None)
    with pytest.raises(UserError, match="900 GiB"):
        run(stacks[0][0], resolved)


def test_a_gpu_that_is_full_while_a_companion_is_compressed_is_no_fault_of_that_cell(resolved, stacks, monkeypatch):
    compress = stacked_cells.Prepared.compress

    def full(self, *args):
        if self.key.transfer == "sparse":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compress(self, *args)

    monkeypatch.setattr(stacked_cells.Prepared, "compress", full)
    with pytest.raises(UserError, match=r"It ran out of memory in training .*Set `stack: 1`"):
        run(next(cell for cell in stacks[0] if cell.transfer == "dense"), resolved)
    assert not batched()
    assert not [*paths.BATCHES.glob("*.alone")]


def gpu_is_full(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize(
    ("place", "stage"),
    [("junkdna.run.cell._load", "loading the model"),
     ("junkdna.train.stackable.vmap", "trying out whether its cells can be stacked"),
     ("junkdna.run.cell._repeatable_attention", "scoring")],
)  # fmt: skip
def test_a_gpu_that_is_full_outside_of_the_training_is_explained_too(resolved, stacks, monkeypatch, place, stage):
    monkeypatch.setattr(place, gpu_is_full)
    with pytest.raises(UserError, match=f"ran out of the memory of the GPU while {stage} .CUDA out of memory"):
        run(stacks[0][0], resolved)
    assert not batched()
