"""A study of two stacks of six cells whose cells stack on the CPU, in a folder of its own for each test."""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import stack_run
import toy
import toy_run
from stack_study import STUDY

from junkdna.run import batches, stack_jobs
from junkdna.study import grid
from junkdna.study.cell import Cell
from junkdna.study.stacks import stack_of
from junkdna.study.study import Resolved


@pytest.fixture(scope="session")
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
    """The study in a folder of its own, in which trained cells stack on the CPU. A job computes one stack only."""
    monkeypatch.chdir(shutil.copytree(prepared, tmp_path / "world"))
    monkeypatch.setattr(stack_jobs, "size_on", stack_jobs.size_on)
    monkeypatch.setattr(batches, "LIMIT_S", 0.0)
    monkeypatch.setattr(stack_jobs, "WAIT_S", 0.05)
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
