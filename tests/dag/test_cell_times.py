"""Expected times of cells, and the remaining time of a run."""

import copy
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import toy
from pyarrow import parquet
from safetensors.numpy import load_file

from junkdna.cli.status import time_left_s
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.cell_work import ROWS, parameters, row_count
from junkdna.dag.state import Finished, Snapshot
from junkdna.dag.units import bytes_text, span_text
from junkdna.run.job_log import JobLog
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve
from junkdna.study.paths import EXAMPLES
from junkdna.study.study import Resolved


@pytest.fixture
def resolved(world) -> Resolved:
    return resolve(copy.deepcopy(toy.SETTINGS), "study")


def cells(resolved: Resolved, **facts: object) -> list[Cell]:
    return [cell for cell in all_cells(resolved) if all(getattr(cell, name) == is_ for name, is_ in facts.items())]


def write_rows(counts: dict[tuple[str, str], int]) -> None:
    """Files of examples with so many rows."""
    for (task, role), rows in counts.items():
        file = Path(f"{EXAMPLES}/{task}/{role}.parquet")
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table({"id": range(rows)}), file)


def took(wall_s: float, load_s: float = 0.0, written_s: float = 1000.0) -> Finished:
    return Finished(wall_s, load_s, written_s)


def test_cells_of_one_kind_tell_of_each_other_and_not_of_others(resolved: Resolved) -> None:
    trained = cells(resolved, task="alike", transfer="sparse")
    scored = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())
    times = CellTimes(resolved, {trained[0]: took(100), scored[0]: took(2)})
    assert times.expected_s(replace(trained[0], seed=9)) == 100
    three_of_five_texts = replace(scored[0], knobs=(("options", 2),))  # a question and 2 options instead of 4
    assert times.expected_s(three_of_five_texts) == pytest.approx(2 * 3 / 5)
    assert times.total([trained[1], scored[1]]) == (102, [], [])


def test_the_first_of_several_records_that_has_a_cell_like_it_counts(resolved: Resolved) -> None:
    one, other = cells(resolved, task="alike", transfer="sparse")[0], cells(resolved, task="degree")[0]
    times = CellTimes(resolved, {one: took(10)}, {one: took(30), other: took(7)})
    assert (times.expected_s(one), times.expected_s(other)) == (10, 7)


def test_another_task_of_the_model_is_scaled_by_scored_and_trained_tokens(resolved: Resolved, world: Path) -> None:
    """hues: 40 rows of a question and 4 options of 64 tokens; alike: 32 rows of 32 tokens, 48 trained for an epoch."""
    write_rows({("hues", "evaluate"): 40, ("alike", "evaluate"): 32, ("alike", "train"): 48})
    hues = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())[0]
    alike = cells(resolved, task="alike", transfer="sparse")[0]
    times = CellTimes(resolved, {hues: took(12, load_s=2)})
    work = 32 * (32 + 3 * 48) / (5 * 64 * 40)
    assert times.expected_s(alike) == pytest.approx(2 + 10 * work)
    assert times.total([alike]).guessed == []


def test_a_model_that_has_not_run_is_scaled_by_its_parameters_which_is_a_guess(resolved: Resolved, world: Path) -> None:
    """Before its weights exist, from the number of parameters in its name. It reads a question once for all options,
    the encoder five texts."""
    write_rows({("hues", "evaluate"): 40})
    studied = copy.deepcopy(toy.SETTINGS)
    studied["models"]["llm"] = {"kind": "decoder", "hub": "someone/other-1.5b-it"}
    resolved = resolve(studied, "study")
    tiny = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())[0]
    large = cells(resolved, task="hues", model="llm", protocol="default", knobs=())[0]
    times = CellTimes(resolved, {tiny: took(12, load_s=2)})
    lengths = [resolved.study.protocol(cell.protocol, resolved.tasks["hues"]).length(kind)
               for cell, kind in ((large, "decoder"), (tiny, "encoder"))]  # fmt: skip
    weights = sum(tensor.size for tensor in load_file(world / "model/model.safetensors").values())
    assert parameters("tiny", resolved) == weights
    assert times.expected_s(large) == pytest.approx(2 + 10 * 1.5e9 / weights * lengths[0] / (5 * lengths[1]))
    assert times.total([large]).guessed == [large]
    studied["models"]["llm"]["hub"] = "someone/other"
    resolved = resolve(studied, "study")
    times = CellTimes(resolved, {tiny: took(12, load_s=2)})
    assert times.total([large]) == (0, [], [large])


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("EleutherAI/pythia-410m-deduped", 410e6),
        ("Qwen/Qwen2.5-0.5B", 0.5e9),
        ("owner/SmolLM2-135M-Instruct.Q4_1.gguf", 135e6),
        ("google/gemma-3-1b-it", 1e9),
        ("owner/all-MiniLM-L6-v2", 22713216),
        ("FacebookAI/roberta-large", 355359744),
        ("owner/roberta-large-mnli", None),
        ("owner/model-8bit", None),
    ],
)
def test_parameters_as_a_name_states_them(resolved: Resolved, name: str, number: float | None) -> None:
    studied = copy.deepcopy(toy.SETTINGS)
    studied["models"]["llm"] = {"kind": "decoder", "hub": name}
    assert parameters("llm", resolve(studied, "study")) == number


def test_training_keeps_its_steps_where_the_protocol_says_so(resolved: Resolved, world: Path) -> None:
    studied = copy.deepcopy(toy.SETTINGS)
    studied["protocols"]["same_steps"] = {"match": "steps"}
    resolved = resolve(studied, "study")
    write_rows({("mood", "evaluate"): 10, ("mood", "train"): 64, ("hues", "evaluate"): 40})
    hues = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())[0]
    whole, half = (
        next(cell for cell in cells(resolved, task="mood", protocol="default") if dict(cell.knobs) == knobs)
        for knobs in ({}, {"data_fraction": 50})
    )
    times = CellTimes(resolved, {hues: took(10)})
    epochs = resolved.study.protocol("default", resolved.tasks["mood"]).epochs
    expected = (10 + 3 * 32 * epochs) / (10 + 3 * 64 * epochs)
    assert times.expected_s(half) / times.expected_s(whole) == pytest.approx(expected)
    assert times.expected_s(replace(half, protocol="same_steps")) == times.expected_s(whole)


def test_rows_by_file_by_task_and_its_limits_else_guessed(resolved: Resolved, world: Path) -> None:
    """Rows of local Parquet files count; another kind of file is not read to count its rows."""
    assert row_count("hues", "evaluate", resolved) == 40
    (world / "data/hues.parquet").unlink()
    assert row_count("hues", "evaluate", resolved) is None
    studied = copy.deepcopy(toy.SETTINGS)
    studied["tasks"]["hues"] = {**(studied["tasks"]["hues"] or {}), "limits": {"evaluate": 7}}
    assert row_count("hues", "evaluate", resolve(studied, "study")) == 7
    alike = cells(resolved, task="alike", transfer="sparse")[0]
    hues = cells(resolved, task="hues", model="tiny", transfer="none", knobs=())[0]
    write_rows({("alike", "evaluate"): 32, ("alike", "train"): 48})
    times = CellTimes(resolved, {alike: took(12)})
    assert times.expected_s(hues) == pytest.approx(12 * ROWS * 5 * 64 / (32 * (32 + 3 * 48)))
    assert times.total([hues]).guessed == [hues]
    write_rows({("hues", "evaluate"): 41})
    assert row_count("hues", "evaluate", resolve(studied, "study")) == 41


def snapshot(states: dict[Cell, str], finished: dict[Cell, Finished], began: dict[Cell, float]) -> Snapshot:
    logs = {cell: JobLog("here", 1, "", at, "") for cell, at in began.items()}
    return Snapshot(states, finished, {}, logs, 0)


def test_time_left_uses_the_speed_so_far(resolved: Resolved) -> None:
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
