"""The row of a cell file: one schema for all kinds of tasks, and lossless writing and reading."""

import json
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from junkdna.evaluate.answers import Answers
from junkdna.run.cell_file import EXAMPLE, cell_table, examples_array, metrics_row, write_cell
from junkdna.study.cell import Cell, Compression
from junkdna.study.paths import FOOTER_KEY
from junkdna.train.finetune import Trained

KEY = Cell("m", "t", (("options", 3), ("shots", 2)), Compression("magnitude", "0.7"), "none", "p", 4)
COMMON = {"id": ["a", "b", "c", "d"], "truncated": [True, False, False, False]}
EXAMPLES = {
    "choice by log-likelihood": {
        **COMMON, "gold": [0.0, 1.0, 2.0, 0.0], "prediction": [0.0, 2.0, 2.0, 1.0], "margin": [0.5, -1.0, 2.0, -0.25],
        "correct": [1.0, 0.0, 1.0, 0.0], "scores": [[-1.0, -2.0, -3.0]] * 4, "scores_per_token": [[-0.5, -1, -3]] * 4,
        "scores_per_character": [[-0.25, -0.5, -0.75]] * 3 + [[-0.1, -0.2]], "option_bytes": [[4, 4, 5]] * 4,
        "cluster": ["x", None, "x", "y"],
    },
    "class": {
        **COMMON, "gold": [0.0, 1.0, 1.0, 0.0], "prediction": [0.0] * 4, "margin": [0.5, -1.0, -2.0, 0.25],
        "correct": [1.0, 0.0, 0.0, 1.0], "scores": [[0.5, 0.0]] * 4,
    },
    "number": {**COMMON, "gold": [0.1, 4.75, 5.0, 0.0], "prediction": [1e-9, 2.0, -3.5, 1e9]},
    "likelihood": {**COMMON, "prediction": [-0.5, -1.0, -0.25, -2.0], "blind": [-1.0] * 4, "bytes": [3, 4, 5, 6],
                   "tokens": [1, 2, 3, 4]},
    "text": {**COMMON, "correct": [1.0, 0.0, 0.5, 0], "text": ["", "a\nb", "naïve 東京", " "], "reference": ["x"] * 4},
}  # fmt: skip


def answers(kind: str) -> Answers:
    return Answers(EXAMPLES[kind], {"b": 0.25, "a": 0.5}, 0.125, 0.375, False)


def row(kind: str, trained: Trained | None = None, n_train: int = 0) -> dict:
    return metrics_row(SimpleNamespace(metric="a", kind="choice"), KEY, answers(kind), trained, n_train)


def table(kind: str, footer: dict | None = None) -> pa.Table:
    return cell_table({**row(kind), "achieved_sparsity": 0.7}, footer or {})


def test_the_row_contains_the_answers():
    found = row("class")
    assert found.pop("examples").to_pylist()[0]["id"] == "a"
    assert found == {
        "cell": "m/t/options=3,shots=2/magnitude-0.7/none/p/seed-4", "model": "m", "task": "t",
        "knobs": "options=3,shots=2", "compression": "magnitude-0.7", "method": "magnitude", "sparsity": 0.7,
        "transfer": "none", "protocol": "p", "seed": 4, "metric": "a", "kind": "choice", "score": 0.5, "chance": 0.125,
        "majority": 0.375, "collapsed": False, "n_examples": 4, "n_train": 0, "truncated": 0.25, "steps": 0,
        "first_loss": None, "last_loss": None,
        "metrics": [{"name": "a", "value": 0.5}, {"name": "b", "value": 0.25}],
    }  # fmt: skip


def test_the_row_describes_the_training():
    found = row("class", Trained(steps=12, first_loss=0.75, last_loss=0.5), n_train=33)
    assert {name: found[name] for name in ("steps", "first_loss", "last_loss", "n_train")} == {
        "steps": 12, "first_loss": 0.75, "last_loss": 0.5, "n_train": 33,
    }  # fmt: skip


def test_default_knobs_are_an_empty_text():
    cell = Cell("m", "t", (), Compression(), "none", "default", 0)
    assert metrics_row(SimpleNamespace(metric="a", kind="choice"), cell, answers("class"), None, 0)["knobs"] == ""


@pytest.mark.parametrize("kind", EXAMPLES)
def test_types_do_not_depend_on_the_kind(kind):
    found = table(kind).schema
    assert found.equals(table("class").schema)
    texts = {"cell", "model", "task", "knobs", "compression", "method", "transfer", "protocol", "metric", "kind"}
    texts |= {"compression_report"}
    numbers = {"sparsity", "score", "chance", "majority", "truncated", "first_loss", "last_loss", "achieved_sparsity"}
    whole = {"seed", "n_examples", "n_train", "steps"}
    wanted = dict.fromkeys(texts, pa.string()) | dict.fromkeys(numbers, pa.float64()) | dict.fromkeys(whole, pa.int64())
    wanted |= {"collapsed": pa.bool_(), "metrics": pa.list_(pa.struct({"name": pa.string(), "value": pa.float64()}))}
    assert {field.name: field.type for field in found if field.name != "examples"} == wanted
    scores = dict.fromkeys(("scores", "scores_per_token", "scores_per_character"), pa.list_(pa.float32()))
    inner = {"id": pa.string(), "gold": pa.float64(), "prediction": pa.float64(), "margin": pa.float32(),
             "correct": pa.float32(), **scores, "option_bytes": pa.list_(pa.int32()),
             "blind": pa.float64(), "bytes": pa.int64(), "tokens": pa.int64(),
             "text": pa.string(), "reference": pa.string(), "truncated": pa.bool_(),
             "cluster": pa.string()}  # fmt: skip
    assert {field.name: field.type for field in found.field("examples").type.value_type} == inner


@pytest.mark.parametrize("kind", EXAMPLES)
def test_examples_keep_their_values_and_lack_what_their_kind_lacks(kind):
    found = examples_array(EXAMPLES[kind]).to_pylist()
    assert len(found) == 4
    for number, example in enumerate(found):
        for name in EXAMPLE:
            wanted = EXAMPLES[kind][name][number] if name in EXAMPLES[kind] else None
            if isinstance(wanted, list):
                wanted = pytest.approx(wanted, rel=1e-6)  # float32
            assert example[name] == wanted, name


def test_golds_and_predictions_keep_every_digit():
    """STS-B's golds are shares of 5 such as 3.6667: in float32 a tie could part, or two numbers become one."""
    values = [0.1, 1 / 3, 2**24 + 1.0, 1e-300]
    found = examples_array({**COMMON, "gold": values, "prediction": values[::-1]})
    assert found.field("gold").to_pylist() == values
    assert found.field("prediction").to_pylist() == values[::-1]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_written_cell_reads_back_complete(tmp_path, kind):
    footer = {"settings_fingerprint": "abc", "text": "naïve 東京", "nested": {"b": [1, 2.5], "a": None}}
    written, path = table(kind, footer), tmp_path / "deep/er/cell.parquet"
    write_cell(written, path)
    assert pq.read_table(path).equals(written)
    assert json.loads(pq.read_schema(path).metadata[FOOTER_KEY]) == footer
    examples = pl.read_parquet(path, columns=["examples"]).explode("examples").unnest("examples")
    assert examples["id"].to_list() == COMMON["id"]


def test_cells_of_all_kinds_join(tmp_path: Path):
    for number, kind in enumerate(EXAMPLES):
        write_cell(table(kind), tmp_path / f"{number}.parquet")
    joined = pl.scan_parquet(sorted(tmp_path.glob("*.parquet"))).drop("examples").collect()
    assert joined.height == len(EXAMPLES)
    values = joined.explode("metrics").unnest("metrics")
    assert values.filter(name="b")["value"].to_list() == [0.25] * len(EXAMPLES)


def test_the_footer_does_not_depend_on_the_order_of_its_keys():
    one, other = table("class", {"a": 1, "b": {"d": 2, "c": 3}}), table("class", {"b": {"c": 3, "d": 2}, "a": 1})
    assert one.schema.metadata == other.schema.metadata
