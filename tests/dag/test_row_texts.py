"""Texts that go through a model for a row, by answer format, and the work that follows, worked out by hand."""

import copy
from pathlib import Path

import pyarrow as pa
import pytest
import toy
from pyarrow import parquet

from junkdna.cli.plan_times import hours
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.cell_work import CellWork, parameters, readable
from junkdna.dag.row_texts import OPTIONS, RowTexts
from junkdna.dag.state import Finished, Snapshot
from junkdna.study.cell import Cell, Compression
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve
from junkdna.study.paths import EXAMPLES
from junkdna.study.study import Resolved


def resolved_task(
    protocol: dict | None = None, model: str = "tiny", transfer: str = "none", **task: object
) -> Resolved:
    """A study of one model on the toy choice task without its knobs, with other keys of the task."""
    columns = {**toy.CHOICE_TASK["columns"], **task.pop("columns", {})}
    columns = {key: value for key, value in columns.items() if value is not None}
    sources = {"local": {"local": "data", "splits": dict.fromkeys(("train", "evaluate"), "colours.parquet")}}
    made = {**toy.CHOICE_TASK, "name": "made", "knobs": {}, "sources": sources, "train_split": "train",
            "columns": columns, **task}  # fmt: skip
    toy.write_yaml(Path("tasks/made.yaml"), made)
    compressions = [{"method": "magnitude", "sparsity": 0.5}]
    return resolve(
        {**toy.STUDY, "models": toy.SETTINGS["models"], "tasks": {"made": {"file": "tasks/made.yaml"}},
         "protocols": {"default": {"max_length": 32, **(protocol or {})}},
         "experiments": {"one": {"title": "One", "models": [model], "tasks": ["made"], "transfer": [transfer],
                                 "compressions": compressions}}},
        "study",
    )  # fmt: skip


def first(resolved: Resolved) -> Cell:
    return all_cells(resolved)[0]


def write_choices(role: str, *numbers: int) -> None:
    """An examples file whose rows have so many options."""
    file = Path(f"{EXAMPLES}/made/{role}.parquet")
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"id": range(len(numbers)), "choices": [["a"] * n for n in numbers]}), file)


PAIR = {"protocol": {"encoder_choice": "cross_encoder"}, "transfer": "dense"}
LIST = {"columns": {"choices": "w1", "answer": "right"}}
SAME = {"columns": {"choices": ["no", "yes"], "answer": 1, "shuffle": False}}


@pytest.mark.parametrize(
    ("study", "train", "evaluate"),
    [
        ({}, 5, 5),  # a question and the four templates of the task file
        (PAIR, 4, 4),
        (SAME, 3, 1),  # two options, the same in all rows: embedded once to score, with every row to train
        (SAME | PAIR, 2, 2),
        ({"model": "llm"}, 1, 1),  # a language model reads the prompt once
        ({"model": "llm", "protocol": {"decoder_choice": "mcq"}}, 1, 1),
    ],
    ids=["bi_encoder", "cross_encoder", "equal options", "cross_encoder of equal options", "cloze", "mcq"],
)
def test_texts_of_a_row(world: Path, study: dict, train: float, evaluate: float) -> None:
    resolved = resolved_task(**study)
    texts, cell = RowTexts(resolved), first(resolved)
    assert (texts.of(cell, "train"), texts.of(cell, "evaluate")) == (train, evaluate)
    assert texts.gaps(cell) == ""


def test_the_knob_decides_then_the_examples_then_the_task_file(world: Path) -> None:
    """The examples have 3 options on average, in one role."""
    resolved = resolved_task()
    write_choices("evaluate", 2, 3, 4)
    texts, cell = RowTexts(resolved), first(resolved)
    assert (texts.of(cell, "evaluate"), texts.of(cell, "train")) == (1 + 3, 1 + 4)
    knobbed = RowTexts(resolved_task(knobs={"options": {"values": [2, 4], "default": 4}}))
    assert knobbed.of(cell, "evaluate") == 1 + 4
    two = Cell(cell.model, cell.task, (("options", 2),), Compression(), "none", "default", 0)
    assert knobbed.of(two, "evaluate") == 1 + 2


def test_options_of_a_list_column_are_assumed_before_the_examples_exist_and_the_plan_says_so(world: Path) -> None:
    resolved = resolved_task(**LIST)
    cell = first(resolved)
    assert RowTexts(resolved).of(cell, "evaluate") == 1 + OPTIONS
    text = "\n".join(hours(resolved, Snapshot({cell: "missing"}, {}, {}, {}, 0)))
    assert f"of 1 cells: the number of options is not known before the examples exist: assumed to be {OPTIONS}" in text
    write_choices("evaluate", 2, 2)
    assert RowTexts(resolved).of(cell, "evaluate") == 1 + 2
    text = "\n".join(hours(resolved, Snapshot({cell: "missing"}, {}, {}, {}, 0)))
    assert "assumed" not in text


LIKELIHOOD = {"model": "llm", "kind": "likelihood", "metric": "log2_likelihood_per_byte",
              "columns": {"choices": None, "answer": ["{right}"]}}  # fmt: skip


def test_an_answer_is_scored_again_without_its_question(world: Path) -> None:
    resolved = resolved_task(**LIKELIHOOD)
    texts, cell = RowTexts(resolved), first(resolved)
    assert (texts.of(cell, "train"), texts.of(cell, "evaluate"), texts.gaps(cell)) == (1, 2, "")


def test_a_text_that_is_read_in_windows_counts_as_one_and_that_is_said(world: Path) -> None:
    columns = {**LIKELIHOOD["columns"], "passage": None, "require": []}
    resolved = resolved_task(**{**LIKELIHOOD, "columns": columns}, prompt="")
    texts, cell = RowTexts(resolved), first(resolved)
    assert texts.of(cell, "evaluate") == 1
    assert "several windows, count as one" in texts.gaps(cell)


def test_the_work_of_a_trained_choice(world: Path) -> None:
    """60 rows evaluated and 60 trained on for 2 epochs, as pairs with 4 options of up to 32 tokens; a trained one
    counts three times. 60 rows in batches of 16 are 4 steps an epoch."""
    resolved = resolved_task({"encoder_choice": "cross_encoder", "epochs": 2, "batch_size": 16}, transfer="dense")
    rows = parquet.read_metadata("data/colours.parquet").num_rows
    assert rows == 60
    work, weights = CellWork(resolved).of(first(resolved)), parameters("tiny", resolved)
    assert work == (weights, 3 * weights * 32 * 4 * 120, weights * 32 * 4 * 60, 8)


@pytest.mark.parametrize(("match", "steps", "trained"), [("epochs", 2, 30), ("steps", 8, 120)])
def test_rows_and_steps_of_a_fraction(world: Path, match: str, steps: int, trained: int) -> None:
    """25 % of 60 rows are 15, one batch of 16. With the steps of all rows, each of 8 steps reads these 15 rows."""
    protocol = {"encoder_choice": "cross_encoder", "epochs": 2, "batch_size": 16, "match": match}
    resolved = resolved_task(protocol, transfer="dense")
    all_rows = first(resolved)
    cell = Cell(*(all_rows.model, "made", (("data_fraction", 25),), all_rows.compression, "dense", "default", 0))
    work = CellWork(resolved).of(cell)
    assert work.steps == steps
    assert work.trained == pytest.approx(3 * work.parameters * 32 * 4 * trained)


def test_a_recovery_length_trains_as_many_times_as_long(world: Path) -> None:
    resolved = resolved_task({"encoder_choice": "cross_encoder", "epochs": 2}, transfer="dense")
    one = first(resolved)
    three = Cell(one.model, one.task, one.knobs, one.compression, one.transfer, "default-x3", one.seed)
    works = CellWork(resolved)
    assert works.of(three).trained == 3 * works.of(one).trained
    assert works.of(three).steps == 3 * works.of(one).steps
    assert works.of(three).scored == works.of(one).scored


def test_no_row_is_longer_than_the_model_reads(world: Path) -> None:
    """Where its config.json is there: the toy BERT reads 64 tokens."""
    assert readable("tiny", resolved_task()) == 64
    short, long = (CellWork(resolved_task({"max_length": length})) for length in (64, 4096))
    cell = first(resolved_task())
    assert short.of(cell) == long.of(cell)
    resolved = resolved_task()
    resolved.study.models["tiny"] = resolved.study.models["tiny"].model_copy(update={"local": "elsewhere"})
    assert readable("tiny", resolved) == float("inf")


def test_cells_that_generate_text_tell_only_of_each_other(world: Path) -> None:
    resolved = resolve(copy.deepcopy(toy.SETTINGS), "study")
    generating, other = (
        next(cell for cell in all_cells(resolved) if (resolved.tasks[cell.task].kind == "generate") == generates)
        for generates in (True, False)
    )
    scored = CellTimes(resolved, {other: Finished(10.0, 1.0, 0.0)})
    assert scored.expected_s(generating) is None
    assert scored.total([generating]).unknown == [generating]
    assert CellTimes(resolved, {generating: Finished(10.0, 1.0, 0.0)}).expected_s(other) is None
