"""Stacks whose job is killed: they go on from their checkpoint with the same cells, to the same numbers."""

import logging
import multiprocessing
import signal
from dataclasses import asdict
from pathlib import Path

import pytest
import stack_run
import toy_run
from stack_study import SIZE, batched, holding, rows, run
from toy_run import read_footer

from junkdna.analysis.collect import state
from junkdna.run import batches, companions, waiting_cells
from junkdna.run.checkpoint import VARIABLE
from junkdna.study import paths
from junkdna.study.cell import Cell
from junkdna.study.stacks import checkpoint_folder
from junkdna.study.study import Resolved
from junkdna.train.stacked_steps import StackedSteps


def killed_and_resumed(resolved: Resolved, jobs_of: list[tuple[Cell, int | None]]) -> None:
    """Run the jobs one after the other, each in a process of its own that may kill itself before an item."""
    for cell, kill in jobs_of:
        job = asdict(toy_run.settings_of(cell, resolved)), kill
        process = multiprocessing.get_context("fork").Process(target=stack_run.run, args=job)
        process.start()
        process.join(240)
        assert process.exitcode == (0 if kill is None else -signal.SIGKILL)


def test_a_killed_stack_resumes_with_its_cells_to_the_same_numbers(resolved, stacks, monkeypatch):
    """Killed in training, then in scoring when two cells are done; each time another cell's job goes on."""
    run(stacks[0][0], resolved)
    taken = read_footer(Path(stacks[0][0].path))["training_engine"]["cells"]
    cells = [cell for cell in stacks[0] if cell.key in taken]
    wanted = {}
    for cell in cells:
        if cell != stacks[0][0]:
            run(cell, resolved)
        wanted[cell] = rows(cell)
        Path(cell.path).unlink()
    monkeypatch.setenv(VARIABLE, "0")
    steps = wanted[cells[0]]["steps"]
    killed_and_resumed(resolved, [(cells[0], 3)])
    assert len([*checkpoint_folder(cells[0].key).glob("*.safetensors")]) == 1
    killed_and_resumed(resolved, [(cells[1], steps - 3 + 2)])
    done = batched()
    assert 0 < len(done) < SIZE
    left = next(cell for cell in cells if cell.key not in done)
    killed_and_resumed(resolved, [(left, None)])
    for cell in cells:
        if cell != left:
            run(cell, resolved)
        assert rows(cell) == wanted[cell]
        footer = read_footer(Path(cell.path))
        assert footer["training_engine"]["cells"] == sorted(taken)
        assert footer["resumed"] == (1 if cell.key in done else 2)
    assert not paths.CHECKPOINTS.exists()


def test_a_checkpoint_with_a_cell_that_is_gone_is_deleted_with_a_warning(resolved, stacks, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, "0")
    killed_and_resumed(resolved, [(stacks[0][0], 3)])
    [file] = checkpoint_folder(stacks[0][0].key).glob("*.safetensors")
    batches.write_queue(resolved, gpus=True)
    _, go = holding(stacks[0][1], resolved)
    with caplog.at_level(logging.WARNING):
        run(stacks[0][0], resolved)
    go.set()
    assert f"the checkpoint {file} is of a stack with other cells: deleted" in caplog.text
    assert state(stacks[0][0], resolved) == "done"


class Stopped(Exception):
    """In place of a kill, within this process."""


def stopping(after: int):
    """A bar that ends the job before the item of number `after`, over all loops."""
    left = iter(range(after))

    def bar(items):
        for item in items:
            if next(left, None) is None:
                raise Stopped
            yield item

    return bar


@pytest.fixture
def one_stack(stacks, monkeypatch) -> list[Cell]:
    """Cells of one stack, with checkpoints after every item."""
    monkeypatch.setenv(VARIABLE, "0")
    return stacks[0]


def test_what_all_attempts_compiled_is_no_time_of_training(resolved, one_stack, monkeypatch):
    own = one_stack[0]
    monkeypatch.setattr(StackedSteps, "preparing_s", property(lambda steps: 1000.0))
    with pytest.raises(Stopped):
        run(own, resolved, stopping(3))
    run(own, resolved)
    walls = read_footer(Path(own.path))["wall_s"]
    assert walls["compile"] == 2 * 1000 / SIZE
    assert walls["train"] == pytest.approx(-walls["compile"], abs=60)  # the thousands of seconds are made up


def test_weights_of_an_earlier_study_do_not_go_on_with_a_checkpoint(resolved, one_stack, monkeypatch):
    """They would fail in the stack, and the cell would be left to train alone."""
    own, other = one_stack[:2]
    with pytest.raises(Stopped):
        run(own, resolved, stopping(3))
    stale = toy_run.settings_of(other, resolved)
    fits = companions.is_compressed
    for module in (companions, waiting_cells):
        monkeypatch.setattr(module, "is_compressed", lambda each: each != stale and fits(each))
    with companions.gathered(toy_run.settings_of(own, resolved), SIZE) as found:
        assert stale not in found.cells
        assert len(found.cells) == SIZE
