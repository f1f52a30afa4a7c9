"""Jobs that compute more stacks than that of their cell: while another process computes it, and after it."""

import logging
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_run
from stack_study import SIZE, batched, holding, run
from toy_run import read_footer

from junkdna.analysis.collect import state
from junkdna.errors import UserError
from junkdna.run import batches, stack_jobs, stacked_cells, waiting_cells


@pytest.fixture(autouse=True)
def more_than_one_stack(resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LIMIT_S", 600.0)


def spied(monkeypatch: pytest.MonkeyPatch, after: Callable = lambda: None) -> list[list[str]]:
    """The cells of every stack that is trained from now on; `after` is called after each."""
    train, made = stack_jobs.write_stack, []

    def spy(found, *rest):
        made.append([each.cell for each in found.cells])
        train(found, *rest)
        after()

    monkeypatch.setattr(stack_jobs, "write_stack", spy)
    return made


def test_a_job_whose_cell_is_taken_computes_other_stacks_then_its_own(resolved, stacks, monkeypatch, caplog):
    own = stacks[0][0]
    other, go = holding(own, resolved)

    def end() -> None:
        go.set()  # the other process ends without the cell, as if it was killed
        other.join()

    made = spied(monkeypatch, end)
    with caplog.at_level(logging.INFO):
        run(own, resolved)
    assert state(own, resolved) == "done"
    assert "another job computes this cell; meanwhile this job computes the stack of" in caplog.text
    assert [own.key in cells for cells in made][:2] == [False, True]


def test_a_job_computes_the_stacks_that_are_left_after_its_own(resolved, stacks, monkeypatch, caplog):
    own = stacks[0][0]
    other, go = holding(stacks[1][0], resolved)  # the first cell of a stack that is left does not hide the others
    made = spied(monkeypatch)
    with caplog.at_level(logging.INFO):
        run(own, resolved)
    go.set()
    other.join()
    assert sorted(map(len, made)) == [1, 2, SIZE, SIZE]
    assert own.key in made[0]
    assert "its cell is computed; this job computes the stack of" in caplog.text
    everything = {cell.key for cells in stacks for cell in cells}
    assert batched() == everything - {own.key, stacks[1][0].key}


def test_a_job_that_has_computed_nothing_computes_nothing_after_its_cell(resolved, stacks, monkeypatch):
    """Another job has written the file; this one would import torch for stacks that a job with torch can take."""
    own = stacks[0][0]
    monkeypatch.setattr(stack_jobs, "write_stack", None)
    settings = toy_run.settings_of(own, resolved)
    batches.batched_file(settings).parent.mkdir(parents=True, exist_ok=True)
    batches.batched_file(settings).touch()
    assert stack_jobs.StackJob(settings, SIZE, "cpu", pytest.fail, iter).run() == ""


def test_a_job_that_waits_sees_tokens_that_are_written_meanwhile(resolved, stacks, monkeypatch):
    own = stacks[0][0]
    other, go = holding(own, resolved)
    has_inputs, asked = waiting_cells.has_tokens, []

    def later(settings):
        asked.append(settings.cell)
        return len(asked) > len(stacks[0] + stacks[1]) and has_inputs(settings)

    monkeypatch.setattr(waiting_cells, "has_tokens", later)
    made = spied(monkeypatch, go.set)
    run(own, resolved)
    other.join()
    assert own.key not in made[0]


def test_a_job_computes_no_further_stack_after_one_has_failed(resolved, stacks, monkeypatch, caplog):
    train, made = stack_jobs.write_stack, []

    def fails(found, own, *rest):
        made.append(own)
        if own is None:
            raise RuntimeError("CUDA error: device-side assert triggered")
        train(found, own, *rest)

    monkeypatch.setattr(stack_jobs, "write_stack", fails)
    with caplog.at_level(logging.INFO):
        run(stacks[0][0], resolved)
    assert [own is None for own in made] == [False, True]
    assert "device-side assert triggered); the jobs of its cells will run it" in caplog.text


def failing_meanwhile(stacks, resolved, monkeypatch, error: Exception, of_seed: str = "seed-1") -> list[str]:
    """Run the job of a cell that another process holds, while every stack of `of_seed` fails as a whole; the first
    cells of the stacks that it tried. The other process ends when the job waits."""
    own = stacks[0][0]
    other, go = holding(own, resolved)
    tried: list[str] = []
    train = stacked_cells.fine_tune_stack

    def fails(model, prunables, members, size, data, protocol, key, loop):
        if key[1] == int(of_seed[-1]):
            tried.append(key)
            raise error
        return train(model, prunables, members, size, data, protocol, key, loop)

    def wait(_: float) -> None:
        go.set()
        other.join()

    monkeypatch.setattr(stacked_cells, "fine_tune_stack", fails)
    monkeypatch.setattr(stack_jobs.time, "sleep", wait)
    run(own, resolved)
    monkeypatch.setattr(stacked_cells, "fine_tune_stack", train)
    assert state(own, resolved) == "done"
    return tried


def test_a_stack_that_fails_meanwhile_is_tried_once_and_its_own_jobs_train_it_as_a_stack(
    resolved, stacks, monkeypatch, caplog
):
    with caplog.at_level(logging.INFO):
        tried = failing_meanwhile(stacks, resolved, monkeypatch, UserError("a stack of 4 cells needs about 900 GiB"))
    assert len(tried) == 1
    assert "needs about 900 GiB); the jobs of its cells will run it" in caplog.text
    own = stacks[1][0]
    run(own, resolved)
    engine = read_footer(Path(own.path))["training_engine"]
    assert (engine["engine"], len(engine["cells"])) == ("stack", SIZE)


def test_a_model_that_cannot_be_stacked_is_found_so_meanwhile(resolved, stacks, monkeypatch, caplog):
    refused = stacked_cells.NotStackable("tiny", "it keeps running statistics")
    with caplog.at_level(logging.INFO):
        assert len(failing_meanwhile(stacks, resolved, monkeypatch, refused)) == 1
    assert "Set stack: 1. The jobs of these cells will train them one by one" in caplog.text
    alone = [cell for cell in stacks[1] if waiting_cells.why_alone(toy_run.settings_of(cell, resolved))]
    assert len(alone) == SIZE
    run(alone[0], resolved)
    engine = read_footer(Path(alone[0].path))["training_engine"]
    assert engine == {"engine": "plain loop", "why": "it keeps running statistics"}


def test_a_killed_leader_leaves_its_cells_to_the_job_that_waits(resolved, stacks, monkeypatch):
    own = stacks[0][0]
    monkeypatch.setattr(batches, "LIMIT_S", 0.0)  # no other stack meanwhile
    other, _ = holding(own, resolved)
    context = multiprocessing.get_context("fork")
    waiting = context.Process(target=run, args=(own, resolved))
    waiting.start()
    waiting.join(2)
    assert waiting.is_alive()
    assert not Path(own.path).exists()
    other.kill()
    waiting.join(120)
    assert waiting.exitcode == 0
    assert state(own, resolved) == "done"


def test_jobs_that_start_together_do_not_share_out_a_stack(resolved, stacks):
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=run, args=(cell, resolved)) for cell in stacks[0][:SIZE]]
    for each in started:
        each.start()
    for each in started:
        each.join(240)
    assert [each.exitcode for each in started] == [0] * SIZE
    engines = {tuple(read_footer(Path(cell.path))["training_engine"]["cells"]) for cell in stacks[0][:SIZE]}
    assert {len(cells) for cells in engines} <= {SIZE, 2}
