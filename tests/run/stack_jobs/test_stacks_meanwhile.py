"""Jobs whose cell another process computes: they compute another stack meanwhile, or wait."""

import logging
import multiprocessing
from pathlib import Path

import toy_run
from stack_study import SIZE, batched, holding, run
from toy_run import read_footer

from junkdna.analysis.collect import state
from junkdna.errors import UserError
from junkdna.run import batches, companions, stack_jobs, stacked_cells


def test_a_job_whose_cell_is_taken_computes_another_stack_then_its_own(resolved, stacks, monkeypatch, caplog):
    own = stacks[0][0]
    other, go = holding(own, resolved)
    train = stack_jobs.write_stack
    made: list[str] = []

    def spy(found, *rest):
        made.append(found.cells[0].cell)
        train(found, *rest)
        go.set()  # the other process ends without the cell, as if it was killed
        other.join()

    monkeypatch.setattr(stack_jobs, "write_stack", spy)
    with caplog.at_level(logging.INFO):
        run(own, resolved)
    assert state(own, resolved) == "done"
    assert "another job computes this cell; meanwhile this one computes the stack of" in caplog.text
    assert [key.endswith("seed-1") for key in made] == [True, False]
    assert len({key for key in batched() if key.endswith("seed-1")}) == SIZE


def failing_meanwhile(stacks, resolved, monkeypatch, error: Exception, of_seed: str = "seed-1") -> list[str]:
    """Run the job of a cell that another process holds, while every stack of `of_seed` fails as a whole; the first
    cells of the stacks that it tried. The other process ends when the limit of time for other stacks is asked."""
    own = stacks[0][0]
    other, go = holding(own, resolved)
    tried: list[str] = []
    train, claim = stacked_cells.fine_tune_stack, batches.claimed

    def fails(model, prunables, members, size, data, protocol, key, loop):
        if key[1] == int(of_seed[-1]):
            tried.append(key)
            raise error
        return train(model, prunables, members, size, data, protocol, key, loop)

    def claimed(settings, wait):
        if wait:  # the job has no other stack to compute, and waits
            go.set()
            other.join()
        return claim(settings, wait)

    monkeypatch.setattr(stacked_cells, "fine_tune_stack", fails)
    monkeypatch.setattr(batches, "claimed", claimed)
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
    alone = [cell for cell in stacks[1] if companions.why_alone(toy_run.settings_of(cell, resolved))]
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
