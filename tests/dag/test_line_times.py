"""Expected times of lines between trained cells: points to score, cells to train again, a scheduler's minutes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import toy_connections

from junkdna.cli.plan import plan
from junkdna.cli.plan_line_times import line_hours
from junkdna.dag import line_times, measured_rates
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.cell_work import CellWork
from junkdna.dag.inputs import connection_minutes
from junkdna.dag.line_times import line_minutes, measured_lines, retraining_s, rough_lines
from junkdna.dag.state import Finished, Progress, Snapshot, finished
from junkdna.run import gpus, trained_weights
from junkdna.study.cell import Cell
from junkdna.study.connections import Connection, all_connections
from junkdna.study.study import Resolved

ALONE = Finished(wall_s=100.0, load_s=5.0, written_s=0.0, score_s=20.0, train_s=75.0)
OF_A_STACK = replace(ALONE, device="NVIDIA H100", together=16)


@pytest.fixture
def resolved(lines_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """All cells are done, and none of the lines with other points."""
    monkeypatch.chdir(shutil.copytree(lines_once, tmp_path / "world"))
    return toy_connections.read(connectivity={"points": 21})


@pytest.fixture
def lines(resolved: Resolved) -> list[Connection]:
    return all_connections(resolved)


def snapshot(lines: list[Connection], facts: Finished, done: set[Cell] | None = None) -> Snapshot:
    cells = dict.fromkeys(cell for line in lines for cell in line.cells)
    chosen = {cell for cell in cells if done is None or cell in done}
    states = {cell: "done" if cell in chosen else "missing" for cell in cells}
    return Snapshot(states, dict.fromkeys(chosen, facts), {}, {}, 0)


def times(resolved: Resolved, now: Snapshot) -> CellTimes:
    return CellTimes(resolved, now.finished)


def test_every_point_is_scored_and_each_cell_without_weights_trains_once(
    resolved: Resolved, lines: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = snapshot(lines, ALONE)
    found = measured_lines(resolved, now, on_gpu=False, times=times(resolved, now))
    assert (found.lines, found.unknown) == (lines, [])
    assert found.seconds == 3 * 21 * 20
    assert {*found.again} == {cell for line in lines for cell in line.cells}
    assert found.again_s == 4 * 100
    assert found.total_s == 3 * 21 * 20 + 400
    monkeypatch.setattr(trained_weights, "are_kept", lambda settings: settings.cell == lines[0].end.key)
    assert len(measured_lines(resolved, now, on_gpu=False, times=times(resolved, now)).again) == 3


def test_a_cell_that_is_to_run_keeps_its_weights(resolved: Resolved, lines: list[Connection]) -> None:
    now = snapshot(lines, ALONE, {lines[0].start})
    found = measured_lines(resolved, now, on_gpu=False, times=times(resolved, now))
    assert found.again == [lines[0].start]


def test_a_cell_of_a_stack_takes_the_time_of_the_stack(resolved: Resolved, lines: list[Connection]) -> None:
    assert retraining_s(OF_A_STACK) == 16 * 80 + 20
    now = snapshot(lines, OF_A_STACK)
    assert measured_lines(resolved, now, on_gpu=True, times=times(resolved, now)).again_s == 4 * (16 * 80 + 20)
    assert measured_lines(resolved, now, on_gpu=False, times=times(resolved, now)).again == []


def test_facts_of_a_footer() -> None:
    footer = {"wall_s": {"load": 5.0, "train": 75.0, "score": 20.0}, "device": "NVIDIA H100",
              "training_engine": {"engine": "stack", "size": 16, "cells": [str(n) for n in range(16)]}}  # fmt: skip
    assert finished(footer, 0.0) == replace(OF_A_STACK, train_s=75.0)
    assert finished({"wall_s": {"score": 2.0}, "training_engine": None}, 1.0) == Finished(2.0, 0.0, 1.0, "", 2.0, 1)


def test_without_a_finished_cell_the_rates_of_scoring_tell(resolved: Resolved, lines: list[Connection]) -> None:
    found = rough_lines(resolved, "cpu")
    rate = next(each for each in measured_rates.rates() if (each.on, each.work) == ("cpu", "scoring"))
    work = CellWork(resolved).of(lines[0].end)
    assert found.seconds == pytest.approx(3 * 21 * work.scored / rate.per_s)
    assert not found.unknown


def test_the_minutes_of_a_scheduler(
    resolved: Resolved, lines: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the estimate, at least 30; with kept weights only the points count."""
    line = lines[0]
    assert connection_minutes(line.path, resolved, gpus=0) == 30
    monkeypatch.setattr(line_times, "_facts", lambda cell: OF_A_STACK)
    assert line_minutes(line, "gpu", resolved) == round((2 * (16 * 80 + 20) + 21 * 20) * 2 / 60 + 0.5)
    monkeypatch.setattr(trained_weights, "are_kept", lambda settings: True)
    monkeypatch.setattr(line_times, "_facts", lambda cell: replace(OF_A_STACK, score_s=90.0))
    assert line_minutes(line, "gpu", resolved) == 63
    monkeypatch.setattr(line_times, "_facts", lambda cell: None)
    monkeypatch.setattr(line_times, "rough_scoring_s", lambda *_: 120.0)
    assert line_minutes(line, "gpu", resolved) == 84


def test_the_minutes_come_from_the_files_of_the_cells(resolved: Resolved, lines: list[Connection]) -> None:
    import pyarrow.parquet as pq

    path = Path(lines[0].end.path)
    footer = json.loads(pq.read_metadata(path).metadata[b"junkdna"])
    facts = line_times._facts(lines[0].end)
    assert facts.wall_s == pytest.approx(sum(footer["wall_s"].values()))
    assert facts.score_s == footer["wall_s"]["score"] > 0
    path.unlink()
    assert line_times._facts(lines[0].end) is None


def test_the_plan_states_the_time_of_the_lines(
    resolved: Resolved, lines: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(plan(resolved)[0])
    assert "s of a CPU core for 3 lines between trained cells, 63 models to score" in text
    assert " to train 4 finished cells again, whose weights are not kept" in text
    assert "rough: 1 s of a GPU for 3 lines between trained cells, 63 models to score" in text
    assert "NOTE" not in text
    monkeypatch.setenv(gpus.FAKE, "0")
    [note] = [line for line in plan(resolved)[0] if line.startswith("NOTE")]
    assert "a CPU trained 4 cells of these lines whose weights are not kept" in note
    assert "only without a GPU (`--resources gpu=0`)" in note
    scored = toy_connections.read()
    assert [*line_hours(scored, Progress(scored).look())] == []
