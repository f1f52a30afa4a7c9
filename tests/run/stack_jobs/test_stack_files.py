"""The files of a stack's cells: one job computes them, the jobs of the others move them to their places."""

from pathlib import Path

from stack_study import SIZE, batched, rows, run
from toy_run import read_footer

from junkdna.analysis.collect import state
from junkdna.run import batches, stack_jobs
from junkdna.study import paths


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
