"""A world of cells that are interrupted, with a checkpoint after every item."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_run
from checkpoint_run import small_batches
from checkpoint_world import CELLS, World, run

from junkdna.run.checkpoint import VARIABLE
from junkdna.study import grid
from junkdna.study.paths import CHECKPOINTS


@pytest.fixture(scope="module")
def once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("checkpoint") / "world"
    shutil.copytree(toy_world_once, folder)
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_batches(patch)
        for file in ("config.yaml", "settings.yaml"):
            resolved = toy_run.read(file)
            mine = [cell for cell in grid.all_cells(resolved) if cell.key in CELLS]
            toy_run.prepare(resolved, mine)
            world.settings |= {cell.key: toy_run.settings_of(cell, resolved) for cell in mine}
        for key in CELLS:
            seen: list = []
            world.wanted[key] = run(world.settings[key], lambda items, seen=seen: seen.extend(items) or items)
            world.items[key] = len(seen)
        yield world


@pytest.fixture
def world(once: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world in its folder, with a checkpoint after every item."""
    monkeypatch.setenv(VARIABLE, "0")
    yield once
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)
