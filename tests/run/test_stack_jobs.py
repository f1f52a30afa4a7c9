"""Jobs that train their cell in a stack, here on the CPU: which cells they take, what they write, and what fails."""

import json
import logging
import multiprocessing
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import stack_run
import torch
import toy
import toy_run
from toy_run import read_footer

from junkdna.analysis.collect import state
from junkdna.cli import jobs
from junkdna.errors import UserError
from junkdna.run import batches, companions, stack_jobs, stacked_cells
from junkdna.run.checkpoint import VARIABLE
from junkdna.storage.tensors import write_tensors
from junkdna.study import grid, paths
from junkdna.study.cell import Cell
from junkdna.study.stacks import checkpoint_folder, stack_of
from junkdna.study.study import Resolved
from junkdna.train.stacked_steps import StackedSteps

SIZE = stack_run.SIZE
MODES = ["dense", "sparse", "sparse_to_dense", "dense_freeze"]
STUDY = {
    **toy.STUDY,
    "experiments": {
        "modes": {"title": "Modes", "models": ["tiny"], "tasks": ["mood"], "transfer": MODES, "seeds": [0, 1],
                  "compressions": [{"method": "magnitude", "sparsity": 0.5}]},
        "stronger": {"title": "More", "models": ["tiny"], "tasks": ["mood"], "transfer": ["sparse"], "seeds": [0, 1],
                     "compressions": [{"method": "magnitude", "sparsity": [0.8, 0.9]}]},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with the inputs of a study of two stacks of six cells."""
    folder = tmp_path_factory.mktemp("stacks") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        toy.write_yaml(Path("config.yaml"), STUDY)
        toy_run.prepare(toy_run.read())
    return folder


@pytest.fixture
def resolved(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolved]:
    """The study in a folder of its own, in which trained cells stack on the CPU."""
    monkeypatch.chdir(shutil.copytree(prepared, tmp_path / "world"))
    monkeypatch.setattr(stack_jobs, "size_on", stack_jobs.size_on)
    stack_run.on_the_cpu()
    found = toy_run.read()
    batches.write_queue(found, gpus=True)
    return found


@pytest.fixture
def stacks(resolved: Resolved) -> list[list[Cell]]:
    found = defaultdict(list)
    for cell in grid.all_cells(resolved):
        found[stack_of(cell)].append(cell)
    assert [len(cells) for cells in found.values()] == [6, 6]
    return list(found.values())


def run(cell: Cell, resolved: Resolved, bar=iter) -> None:
    jobs.cell(Path(cell.path), toy_run.settings_of(cell, resolved), gpus=0, threads=1, bar=bar)


def batched() -> set[str]:
    return {read_footer(file)["settings"]["cell"] for file in paths.BATCHES.glob("*.parquet")}


def rows(cell: Cell) -> dict:
    return pq.read_table(cell.path).to_pylist()[0]


def test_a_job_computes_the_cells_of_its_stack_and_their_jobs_move_them(resolved, stacks, monkeypatch):
    own = stacks[0][0]
    run(own, resolved)
    taken = read_footer(Path(own.path))["training_engine"]["cells"]
    assert len(taken) == SIZE
    assert {*taken} < {cell.key for cell in stacks[0]}
    assert batched() == {*taken} - {own.key}
    monkeypatch.setattr(stack_jobs, "write_stack", None)
    for cell in stacks[0]:
        if cell.key in taken:
            if cell != own:
                run(cell, resolved)  # moves the file
            assert state(cell, resolved) == "done"
    assert not batched()


def test_the_rest_of_a_stack_is_the_next_stack_with_the_same_numbers_as_alone(resolved, stacks):
    for cell in stacks[0]:
        run(cell, resolved)
    together = {cell: rows(cell) for cell in stacks[0]}
    assert len({tuple(read_footer(Path(cell.path))["training_engine"]["cells"]) for cell in stacks[0]}) == 2
    batches.clear_queue()
    for cell in stacks[0]:
        Path(cell.path).unlink()
        run(cell, resolved)
        assert read_footer(Path(cell.path))["training_engine"]["cells"] == [cell.key]
        assert rows(cell) == together[cell]


def test_no_lock_mark_or_checkpoint_is_left(resolved, stacks):
    for cells in stacks:
        for cell in cells:
            run(cell, resolved)
    assert not [*paths.BATCHES.glob("*.*")]
    assert not paths.CHECKPOINTS.exists()


def test_the_shared_time_is_divided_among_the_cells(resolved, stacks):
    run(stacks[0][0], resolved)
    walls = [read_footer(file)["wall_s"] for file in paths.BATCHES.glob("*.parquet")]
    walls.append(read_footer(Path(stacks[0][0].path))["wall_s"])
    assert {*walls[0]} == {"start", "load", "compress", "compile", "train", "score"}
    assert {wall["compile"] for wall in walls} == {0}  # the CPU records no steps
    assert len({wall["train"] for wall in walls}) == 1
    assert all(wall["score"] > 0 for wall in walls)  # each cell's own, not shared


# --- failures ---------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(stacked_cells, "unstackable", lambda model: "it keeps running statistics")
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
    monkeypatch.setattr(stacked_cells, "unstackable", lambda model: asked.append(1) or "it keeps running statistics")
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


# --- other processes --------------------------------------------------------------------------------------------------


def _hold(settings, ready, go) -> None:
    with batches.claimed(settings, wait=True):
        ready.set()
        go.wait(60)


def holding(cell: Cell, resolved: Resolved):
    """A process that holds a cell's lock, and the event that ends it."""
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(toy_run.settings_of(cell, resolved), ready, go))
    other.start()
    assert ready.wait(30)
    return other, go


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


def test_companions_are_free_cells_with_inputs(resolved, stacks):
    own, done, held, left = stacks[0][:4]
    run(done, resolved)
    for file in paths.BATCHES.glob("*.parquet"):
        file.unlink()
    other, go = holding(held, resolved)
    companions.leave_alone(toy_run.settings_of(left, resolved))
    with companions.gathered(toy_run.settings_of(own, resolved), 100) as found:
        assert {each.cell for each in found.cells} == {c.key for c in (own, *stacks[0][4:])}
    go.set()
    other.join()


def test_a_cell_that_is_finished_before_its_lock_is_taken_is_no_companion(resolved, stacks, monkeypatch):
    own, other = (toy_run.settings_of(cell, resolved) for cell in stacks[0][:2])
    claim = companions._claim

    def late(settings, locks):
        if settings == other:
            batches.batched_file(other).write_bytes(b"")  # its job writes it and lets the lock go
        return claim(settings, locks)

    monkeypatch.setattr(companions, "_claim", late)
    with companions.gathered(own, 100) as found:
        assert {each.cell for each in found.cells} == {c.key for c in stacks[0]} - {other.cell}


def test_a_stack_whose_tokens_are_of_an_earlier_study_is_not_taken_meanwhile(resolved, stacks):
    """This run will replace them. A stack that failed with the old ones would leave its cells to train alone."""
    own, other = (toy_run.settings_of(cells[0], resolved) for cells in stacks)
    changed = replace(other, inputs={**other.inputs, "tokens_train": "0" * 16})
    file = batches._queue_of(stacks[0][0])
    lines = [json.dumps(asdict(each)) for each in (own, changed)]
    file.write_text("\n".join(lines) + "\n")
    assert not [*companions.one_of_each_other_stack(own)]
    file.write_text("\n".join([lines[0], json.dumps(asdict(other))]) + "\n")
    assert [*companions.one_of_each_other_stack(own)] == [other]


def test_compressed_weights_of_an_earlier_study_make_no_companion(resolved, stacks, monkeypatch):
    stored = Path("stored.safetensors")
    write_tensors(stored, "toy", {"x": torch.zeros(1)}, {"facts": {"digest": "new"}})
    other = toy_run.settings_of(stacks[0][1], resolved)
    monkeypatch.setattr(Cell, "compressed_path", property(lambda cell: str(stored)))
    for digest, free in {"new": True, "old": False}.items():
        assert companions._is_free(replace(other, inputs={**other.inputs, "compressed": digest})) == free
    stored.unlink()
    assert not companions._is_free(replace(other, inputs={**other.inputs, "compressed": "new"}))


def test_a_queue_of_another_study_gives_no_companions(resolved, stacks):
    settings = replace(toy_run.settings_of(stacks[0][0], resolved), metric="other")
    with companions.gathered(settings, 100) as found:
        assert found.cells == (settings,)
    assert not [*companions.one_of_each_other_stack(settings)]


def test_the_queue_holds_only_cells_that_may_stack(resolved):
    lines = [json.loads(line) for file in batches.QUEUE.rglob("*.jsonl") for line in file.read_text().splitlines()]
    assert {line["cell"] for line in lines} == {c.key for c in grid.all_cells(resolved) if c.transfer != "none"}
    toy.write_yaml(Path("config.yaml"), {**STUDY, "protocols": {"default": {"stack": 1}}})
    batches.write_queue(toy_run.read(), gpus=True)
    assert not batches.QUEUE.exists()


# --- kills ------------------------------------------------------------------------------------------------------------


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
    fits = companions._is_compressed
    monkeypatch.setattr(companions, "_is_compressed", lambda each: each != stale and fits(each))
    with companions.gathered(toy_run.settings_of(own, resolved), SIZE) as found:
        assert stale not in found.cells
        assert len(found.cells) == SIZE
