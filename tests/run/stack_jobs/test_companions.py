"""Which cells a job takes into its stack: free ones with current inputs, from the queue of the study."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import torch
import toy
import toy_run
from stack_study import STUDY, holding, run

from junkdna.run import batches, companions, waiting_cells
from junkdna.storage.tensors import write_tensors
from junkdna.study import grid, paths
from junkdna.study.cell import Cell


def test_companions_are_free_cells_with_inputs(resolved, stacks):
    own, done, held, left = stacks[0][:4]
    run(done, resolved)
    for file in paths.BATCHES.glob("*.parquet"):
        file.unlink()
    other, go = holding(held, resolved)
    waiting_cells.leave_alone(toy_run.settings_of(left, resolved))
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
    file = batches.queue_of(stacks[0][0])
    lines = [json.dumps(asdict(each)) for each in (own, changed)]
    file.write_text("\n".join(lines) + "\n")
    assert not [*companions.free_cells(own)]
    file.write_text("\n".join([lines[0], json.dumps(asdict(other))]) + "\n")
    assert [*companions.free_cells(own)] == [other]


def test_compressed_weights_of_an_earlier_study_make_no_companion(resolved, stacks, monkeypatch):
    stored = Path("stored.safetensors")
    write_tensors(stored, "toy", {"x": torch.zeros(1)}, {"facts": {"digest": "new"}})
    other = toy_run.settings_of(stacks[0][1], resolved)
    monkeypatch.setattr(Cell, "compressed_path", property(lambda cell: str(stored)))
    for digest, free in {"new": True, "old": False}.items():
        assert waiting_cells.is_free(replace(other, inputs={**other.inputs, "compressed": digest})) == free
    stored.unlink()
    assert not waiting_cells.is_free(replace(other, inputs={**other.inputs, "compressed": "new"}))


def test_a_queue_of_another_study_gives_no_companions(resolved, stacks):
    settings = replace(toy_run.settings_of(stacks[0][0], resolved), metric="other")
    with companions.gathered(settings, 100) as found:
        assert found.cells == (settings,)
    assert not [*companions.free_cells(settings)]


def test_the_queue_holds_only_cells_that_may_stack(resolved):
    lines = [json.loads(line) for file in batches.QUEUE.rglob("*.jsonl") for line in file.read_text().splitlines()]
    assert {line["cell"] for line in lines} == {c.key for c in grid.all_cells(resolved) if c.transfer != "none"}
    toy.write_yaml(Path("config.yaml"), {**STUDY, "protocols": {"default": {"stack": 1}}})
    batches.write_queue(toy_run.read(), gpus=True)
    assert not batches.QUEUE.exists()
