"""Cells of the toy study that run as one stack have the rows that they have one by one."""

import json
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import toy_run

from junkdna.errors import UserError
from junkdna.resumable import Loop
from junkdna.run import stacked_cells
from junkdna.run.cell import run_cell
from junkdna.run.stacked_cells import run_stack
from junkdna.study import grid
from junkdna.study.stacks import stack_of

NUMBERS = ("score", "first_loss", "last_loss")


@pytest.fixture(scope="module")
def stacks(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory):
    """Settings of the trained cells of the toy study, by stack."""
    folder = tmp_path_factory.mktemp("stacks") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolved = toy_run.read("config.yaml")
        toy_run.prepare(resolved)
        found = defaultdict(list)
        for cell in grid.all_cells(resolved):
            if cell.transfer != "none":
                found[stack_of(cell)].append(toy_run.settings_of(cell, resolved))
        yield list(found.values())


def test_rows_are_those_of_the_plain_loop(stacks: list) -> None:
    cells = max(stacks, key=len)
    assert len(cells) > 3
    for settings, score in run_stack(cells, 8, "cpu"):
        [row], [alone] = score().to_pylist(), run_cell(settings, "cpu").to_pylist()
        assert {*row} == {*alone}
        for name in {*row} - {*NUMBERS, "examples", "metrics"}:
            assert row[name] == alone[name], name
        for name in NUMBERS:
            assert row[name] == pytest.approx(alone[name], rel=0.05), name
        assert [each["id"] for each in row["examples"]] == [each["id"] for each in alone["examples"]]


def test_the_footer_names_the_stack(stacks: list) -> None:
    [(_, score)] = run_stack(stacks[0][:1], 2, "cpu")
    footer = json.loads(score().schema.metadata[b"junkdna"])
    assert footer["training_engine"] == {"engine": "stack", "size": 2, "cells": [stacks[0][0].cell]}


def test_a_model_that_cannot_be_stacked_is_refused(stacks: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacked_cells, "unstackable", lambda *_: "rows of a batch change one another")
    with pytest.raises(UserError, match=r"cannot be trained as a stack: rows of a batch .* Set stack: 1\."):
        next(run_stack(stacks[0], 8, "cpu"))


class Resumed(Loop):
    """A loop as after a kill that came when 100 seconds of scoring had been written to the checkpoint; notes the
    seconds of scoring that the next checkpoints would say."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[float] = []

    def begin(self, made_from, watch) -> None:
        self._watch = watch
        watch.wall_s["score"] = 100.0

    def __call__(self, name, items, save, load):
        for item in items:
            yield item
            if name.startswith("score"):
                self._watch.lap("score")
                self.written.append(self._watch.wall_s["score"])


def test_seconds_of_scoring_go_on_with_the_cell_that_was_being_scored(stacks: list) -> None:
    loop, booked = Resumed(), []
    for _, score in run_stack(max(stacks, key=len)[:3], 4, "cpu", loop):
        booked.append(json.loads(score().schema.metadata[b"junkdna"])["wall_s"]["score"])
    first, *others = booked
    assert first > 100
    assert max(others) < 50
    assert loop.written[0] >= 100
    assert max(loop.written[1:]) < 50
