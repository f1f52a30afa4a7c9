"""Cells in which a language model is trained under a mask, then chooses, writes, or is read: alone and in a stack."""

import shutil
from collections import defaultdict
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stack_run
import toy
import toy_run

from junkdna.data.tokenizer import load_tokenizer
from junkdna.data.tokens_file import read_tokens
from junkdna.run import batches, stack_jobs
from junkdna.run.cell import run_cell
from junkdna.run.checkpoint import VARIABLE
from junkdna.run.stacked_cells import run_stack
from junkdna.study import grid, paths
from junkdna.study.cell import Cell
from junkdna.study.load import resolve
from junkdna.study.study import Resolved

MODES = ["dense", "sparse", "sparse_to_dense", "dense_freeze"]
NAMED = {
    **toy.NAMED_TASK,
    "sources": {"local": {"local": "data", "splits": {"train": "hues-train.parquet", "evaluate": "hues.parquet"}}},
    "train_split": "train",
}
SAID = {
    **{key: value for key, value in NAMED.items() if key not in ("generate", "knobs")},
    "name": "said", "title": "Said hues", "kind": "likelihood", "metric": "log2_likelihood_per_byte",
}  # fmt: skip
READ = {
    **SAID,
    "name": "read",
    "title": "Read hues",
    "prompt": "",
    "columns": {"id": "key", "text": "{passage}", "answer": "passage"},
}
TASKS = {"hues": toy.HUES_TASK, "named": NAMED, "said": SAID, "read": READ}
ASKED = {"title": "", "models": ["llm"], "compressions": toy.HALF, "transfer": ["none", *MODES]}
FAST = {"learning_rate": 1e-2, "batch_size": 12}
STUDY = {
    "study": "language",
    "models": toy.SETTINGS["models"],
    "tasks": {name: {"file": f"tasks/{name}.yaml"} for name in TASKS},
    "protocols": {"texts": {**FAST, "epochs": 3}, "letters": {**FAST, "epochs": 3, "decoder_choice": "mcq"}},
    "experiments": {
        "texts": {**ASKED, "tasks": [{"task": "hues", "context": "passage"}, {"task": "named", "context": "passage"},
                                     "said", "read"], "protocol": "texts"},
        "letters": {**ASKED, "tasks": [{"task": "hues", "context": "passage"}], "protocol": "letters"},
    },
    "bootstrap": 100,
}  # fmt: skip
NUMBERS = ("score", "first_loss", "last_loss", "chance", "majority")
FORMAT_OF = {"hues": "cloze", "named": "generate", "said": "likelihood", "read": "likelihood"}


@pytest.fixture(scope="module")
def resolved(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    """The study above with its inputs, as the working folder."""
    folder = tmp_path_factory.mktemp("language") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, task in TASKS.items():
            toy.write_yaml(Path(f"tasks/{name}.yaml"), task)
        toy.write_yaml(Path("config.yaml"), STUDY)
        study = resolve(STUDY, "test")
        toy_run.prepare(study)
        yield study


@pytest.fixture(scope="module")
def cells(resolved: Resolved) -> dict[tuple[str, str], dict[str, Cell]]:
    """Cells of each task and protocol by transfer mode, the one with a mask where there are two."""
    found: dict = defaultdict(dict)
    for cell in sorted(grid.all_cells(resolved), key=lambda cell: cell.compression.level):
        found[cell.task, cell.protocol][cell.transfer] = cell
    assert all({*each} == {"none", *MODES} for each in found.values())
    return found


PLACES = [("hues", "texts"), ("hues", "letters"), ("named", "texts"), ("said", "texts"), ("read", "texts")]


@pytest.mark.parametrize("place", PLACES)
def test_rows_of_a_stack_are_those_of_the_plain_loop(resolved, cells, place):
    mine = [toy_run.settings_of(cells[place][mode], resolved) for mode in MODES]
    format_name = "mcq" if place[1] == "letters" else FORMAT_OF[place[0]]
    assert {settings.format for settings in mine} == {format_name}
    for settings, score in run_stack(mine, 4, "cpu"):
        [row], [alone] = score().to_pylist(), run_cell(settings, "cpu").to_pylist()
        assert row["steps"] == 12
        for name in {*row} - {*NUMBERS, "examples", "metrics"}:
            assert row[name] == alone[name], name
        for name in NUMBERS:
            assert row[name] == pytest.approx(alone[name], rel=0.05, abs=1e-3), name
        assert row["last_loss"] < row["first_loss"]


@pytest.mark.parametrize("place", PLACES)
def test_training_teaches_the_answers(resolved, cells, place):
    """Passages name the color. To find its letter takes more than 12 steps, but letters become more likely."""
    before, after = (
        run_cell(toy_run.settings_of(cells[place][mode], resolved), "cpu").to_pylist()[0] for mode in ("none", "dense")
    )
    if place[1] == "letters":
        assert after["last_loss"] < 0.7 * after["first_loss"]
    else:
        assert after["score"] > before["score"] + 0.2
        assert not after["collapsed"]
    assert after["n_examples"] == before["n_examples"]
    assert after["n_train"] == 48
    if place[0] in ("hues", "named"):  # those of likelihoods are of the input-blind model, which training changes
        assert [after[name] for name in ("chance", "majority")] == [before[name] for name in ("chance", "majority")]


def test_rows_to_train_on_show_the_answer_and_its_end(resolved, cells):
    cell = cells["named", "texts"]["dense"]
    tokenizer = load_tokenizer(Path(cell.model_folder))
    train, evaluate = (read_tokens(Path(cell.tokens_path(role))).to_pylist() for role in ("train", "evaluate"))
    for row in train:
        [option] = row["options"]
        assert option[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(option[:-1]).strip() == row["references"][0]
        assert row["option_starts"] == [0]
    assert all(row["options"] is None for row in evaluate), "nothing changes where the model writes"


def test_trained_language_models_are_scored_as_the_protocol_says_and_trained_heads_are_not(resolved, cells):
    for by_mode in cells.values():
        for mode, cell in by_mode.items():
            settings = toy_run.settings_of(cell, resolved)
            assert asdict(settings.scoring) == {"length_normalization": "none", "dtype": "float32"}
            assert (settings.training is None) == (mode == "none")
    other = resolve(toy.STUDY, "test")
    heads = [toy_run.settings_of(cell, other) for cell in grid.all_cells(other) if cell.transfer != "none"]
    assert heads
    assert all(settings.scoring is None for settings in heads)


# --- interrupted ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a kill inside this process; the failure of a companion, an Exception, would be caught."""


def job(cell: Cell, resolved: Resolved, kill: int | None = None) -> tuple[pa.Table | None, int]:
    """The table of a cell's job, None if it is killed before the item of that number; and how many items it made."""
    from junkdna.cli import jobs

    items, made = count(), []

    def bar(batches: list):
        for batch in batches:
            if next(items) == kill:
                raise Killed
            made.append(batch)
            yield batch

    path = Path(cell.path)
    try:
        jobs.cell(path, toy_run.settings_of(cell, resolved), gpus=0, threads=1, bar=bar)
    except Killed:
        return None, len(made)
    table = pq.read_table(path).replace_schema_metadata()
    path.unlink()
    return table, len(made)


@pytest.mark.parametrize("place", [("hues", "letters"), ("named", "texts")])
@pytest.mark.parametrize("mode", ["sparse", "dense_freeze"])
@pytest.mark.parametrize("stacked", [False, True])
def test_a_killed_cell_ends_with_the_same_numbers(resolved, cells, monkeypatch, place, mode, stacked):
    cell = cells[place][mode]
    monkeypatch.setenv(VARIABLE, "0")
    if stacked:
        monkeypatch.setattr(stack_jobs, "size_on", stack_jobs.size_on)
        stack_run.on_the_cpu()
        batches.write_queue(resolved, gpus=True)
    wanted, items = job(cell, resolved)
    for number in (1, 7, 11 if stacked else items - 1):  # in training; a cell alone also in scoring
        shutil.rmtree(paths.BATCHES, ignore_errors=True)
        if stacked:
            batches.write_queue(resolved, gpus=True)
        assert job(cell, resolved, kill=number) == (None, number)
        assert [*paths.CHECKPOINTS.rglob("*.safetensors")]
        table, left = job(cell, resolved)
        assert table.equals(wanted)
        assert left == items - number
        assert not paths.CHECKPOINTS.exists()
    shutil.rmtree(paths.BATCHES, ignore_errors=True)
