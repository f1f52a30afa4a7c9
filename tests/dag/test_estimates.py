"""How long cells are expected to take, and what is left of a run."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import toy
import yaml

from junkdna.dag.estimates import CellTimes, row_count, time_left_s
from junkdna.dag.state import Finished, Snapshot
from junkdna.dag.units import bytes_text, span_text
from junkdna.data.rows import load_raw
from junkdna.run.job_log import JobLog
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve
from junkdna.study.sources import PinnedSource
from junkdna.study.study import Resolved


@pytest.fixture
def resolved(world) -> Resolved:
    return resolve(copy.deepcopy(toy.SETTINGS), "study")


def cells(resolved: Resolved, **facts: object) -> list[Cell]:
    return [cell for cell in all_cells(resolved) if all(getattr(cell, name) == is_ for name, is_ in facts.items())]


def took(wall_s: float, load_s: float = 0.0, written_s: float = 1000.0) -> Finished:
    return Finished(wall_s, load_s, written_s, 1)


def test_cells_of_one_kind_tell_of_each_other_and_not_of_others(resolved: Resolved) -> None:
    trained = cells(resolved, task="alike", transfer="sparse")
    scored = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())
    times = CellTimes({trained[0]: took(100), scored[0]: took(2)}, resolved)
    assert times.expected_s(replace(trained[0], seed=9)) == 100
    assert times.expected_s(replace(scored[0], knobs=(("options", 2),))) == 2
    total, unknown = times.total_s([trained[1], scored[1]])
    assert (total, unknown) == (102, [])


def test_another_model_says_nothing(resolved: Resolved) -> None:
    times = CellTimes({cells(resolved, model="llm")[0]: took(100)}, resolved)
    other = cells(resolved, model="tiny")[0]
    assert times.expected_s(other) is None
    assert times.total_s([other]) == (0, [other])


def test_another_task_of_the_model_is_scaled_by_what_is_scored_and_trained(resolved: Resolved) -> None:
    """hues: 40 rows with 4 options of 64 tokens; alike: 32 rows of 32 tokens, and 48 trained on for one epoch."""
    hues = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())[0]
    alike = cells(resolved, task="alike", transfer="sparse")[0]
    assert [row_count(*use, resolved) for use in (("hues", "evaluate"), ("alike", "train"))] == [40, 48]
    times = CellTimes({hues: took(12, load_s=2)}, resolved)
    work = 32 * (32 + 3 * 48) / (4 * 64 * 40)
    assert times.expected_s(alike) == pytest.approx(2 + 10 * work)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", 'text,n\n"two\nlines, one row",1\n"say ""hi""",2\nplain,3\n'),
        ("rows.tsv", 'text\tn\nsay "hi\t1\nmore\t2\nplain\t3\n'),
        ("rows.jsonl", '{"text": "a\\nb", "n": 1}\n{"text": "c", "n": 2}\n{"text": "d", "n": 3}\n'),
    ],
)
def test_rows_of_text_files_are_counted_as_they_are_read(world: Path, name: str, text: str) -> None:
    (world / "data" / name).write_text(text)
    assert load_raw(PinnedSource(local="data"), name).table.num_rows == 3
    task = world / "tasks/hues.yaml"
    for split, rows in ((name, 3), ("rows*", 3), ("other.txt", None)):
        given = copy.deepcopy(toy.HUES_TASK)
        given["sources"]["local"]["splits"]["evaluate"] = split
        task.write_text(yaml.safe_dump(given))
        assert row_count("hues", "evaluate", resolve(copy.deepcopy(toy.SETTINGS), "study")) == rows
    (world / "data" / name).write_bytes(b"\xff\x00{" * 9)
    task.write_text(task.read_text().replace("other.txt", name))
    row_count("hues", "evaluate", resolve(copy.deepcopy(toy.SETTINGS), "study"))  # whatever it says, it does not fail


def test_rows_that_nobody_has_counted_make_it_unknown(resolved: Resolved, world) -> None:
    (world / "data/hues.parquet").unlink()
    assert row_count("hues", "evaluate", resolved) is None
    hues = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())[0]
    alike = cells(resolved, task="alike", transfer="sparse")[0]
    assert CellTimes({alike: took(12)}, resolved).expected_s(hues) is None


def snapshot(states: dict[Cell, str], finished: dict[Cell, Finished], began: dict[Cell, float]) -> Snapshot:
    logs = {cell: JobLog("here", 1, "", at, "") for cell, at in began.items()}
    return Snapshot(states, finished, {}, logs, 0)


def test_time_left_is_what_is_left_at_the_speed_so_far(resolved: Resolved) -> None:
    """Two at a time: 40 cell seconds in the 20 s since the first cell began."""
    four = cells(resolved, task="alike")
    finished = {four[0]: took(20, written_s=1020), four[1]: took(20, written_s=1020)}
    states = dict(zip(four, ("done", "done", "missing", "missing"), strict=True))
    left = time_left_s(snapshot(states, finished, {}), resolved, since_s=990, at_s=1020)
    assert left == pytest.approx(20)
    running = {**states, four[2]: "running", four[3]: "running"}
    began = {four[2]: 1020.0, four[3]: 1020.0}
    assert time_left_s(snapshot(running, finished, began), resolved, 990, at_s=1030) == pytest.approx(10)


def test_time_left_is_unknown_before_the_run_has_finished_a_cell(resolved: Resolved) -> None:
    four = cells(resolved, task="alike")
    states = {four[0]: "done", four[1]: "missing"}
    before = {four[0]: took(20, written_s=500)}
    assert time_left_s(snapshot(states, before, {}), resolved, since_s=990, at_s=1020) is None
    assert time_left_s(snapshot({four[1]: "running"}, {}, {four[1]: 1000.0}), resolved, 990, 1020) is None


def test_time_left_is_unknown_while_a_kind_of_cell_is(resolved: Resolved) -> None:
    known, other = cells(resolved, task="alike")[0], cells(resolved, model="llm")[0]
    states = {known: "done", other: "missing"}
    assert time_left_s(snapshot(states, {known: took(20, written_s=1020)}, {}), resolved, 990, 1020) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (89, "89 s"), (100, "2 min"), (5400, "1.5 h"), (90_000, "25 h"), (2e5, "2.3 days")],
)
def test_lengths_of_time(seconds: float, said: str) -> None:
    assert span_text(seconds) == said


def test_sizes() -> None:
    assert [bytes_text(size) for size in (4096, 3.14e6, 331e6, 2e9)] == ["4 kB", "3.1 MB", "331 MB", "2.0 GB"]
