"""Cells of the toy studies, run through the stages: rows, footers, exact sparsity, repeatable numbers."""

import math
import shutil
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_run
from toy_run import read_footer

from junkdna.compress.scope import prunable
from junkdna.data.tokens_file import read_tokens
from junkdna.models.load import load_plain
from junkdna.run import cell as cell_module
from junkdna.run.cell import run_cell
from junkdna.run.cell_file import write_cell
from junkdna.storage.checksums import sha256_file, stored_checksum
from junkdna.storage.fingerprint import digest
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import Cell, Compression, knob_text, parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.formats import FORMATS
from junkdna.study.load import resolve
from junkdna.train import finetune

COLUMNS = {
    "cell", "model", "task", "knobs", "compression", "method", "sparsity", "transfer", "protocol", "seed", "metric",
    "kind", "score", "chance", "majority", "collapsed", "n_examples", "n_train", "truncated", "steps", "first_loss",
    "last_loss", "metrics", "examples", "compression_report", "achieved_sparsity", "effective_bits_per_weight",
}  # fmt: skip
SPARSE = "tiny/mood/plain/magnitude-0.5/sparse/default/seed-0"
MODELS = {"tiny": "encoder", "llm": "decoder"}
TRAINED = {  # (task, knobs) of the trained cells: rows that they train on, optimizer steps
    ("mood", ""): (64, 8),  # batches of 16, 2 epochs
    ("mood", "data_fraction=50"): (32, 4),
    ("alike", ""): (48, 3),  # batches of 16, 1 epoch
    ("degree", ""): (48, 3),
    ("hues", ""): (48, 3),
}


class Toy:
    """Both toy studies, run, and what each training started from."""

    def __init__(self, started: list[dict]) -> None:
        self.started = started
        self.study_of: dict[Cell, object] = {}
        for file in ("config.yaml", "settings.yaml"):
            resolved = toy_run.read(file)
            toy_run.prepare(resolved)
            for cell in grid.all_cells(resolved):
                if cell not in self.study_of:  # a cell of both studies is one cell
                    toy_run.run(cell, resolved)
                    self.study_of[cell] = resolved
        self.cells = list(self.study_of)
        self.rows = {cell: pq.read_table(cell.path).to_pylist()[0] for cell in self.cells}
        models = {name: load_plain(Path(f"results/models/{name}"), kind) for name, kind in MODELS.items()}
        self.prunables = {name: prunable(model) for name, model in models.items()}

    def settings(self, cell: Cell) -> CellSettings:
        return toy_run.settings_of(cell, self.study_of[cell])


@pytest.fixture(scope="module")
def ran(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory):
    """The finished toy studies as the working folder; a test may add files, and change none."""
    folder = tmp_path_factory.mktemp("cells") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        started: list[dict] = []
        tune, step = finetune.fine_tune, finetune._step

        def spy(model, prunables, masks, mode, data, protocol, key, bar):
            body = f"{model.base_model_prefix}."
            head = {name: p.detach().clone() for name, p in model.named_parameters() if not name.startswith(body)}
            started.append({"mode": mode, "key": key, "head": head, "batches": [], "protocol": protocol, "data": data})
            return tune(model, prunables, masks, mode, data, protocol, key, bar)

        def spy_step(model, optimizer, data, batch, *more):
            started[-1]["batches"].append(batch)
            return step(model, optimizer, data, batch, *more)

        with pytest.MonkeyPatch.context() as spies:
            spies.setattr(finetune, "fine_tune", spy)
            spies.setattr(finetune, "_step", spy_step)
            toy_studies = Toy(started)
        yield toy_studies


def evaluated(cell: Cell) -> pl.DataFrame:
    return pl.from_arrow(read_tokens(Path(cell.tokens_path("evaluate"))))


# --- rows -------------------------------------------------------------------------------------------------------------


def test_toy_studies_have_every_kind_of_cell(ran):
    kinds = {(cell.compression.method, cell.transfer) for cell in ran.cells}
    choice = {(method, "none") for method in ("dense", "magnitude", "random", "nm")}
    modes = {("magnitude", mode) for mode in ("sparse", "sparse_to_dense", "dense_freeze")}
    assert kinds == choice | modes | {("dense", "dense")}
    answered = {(row["model"], row["kind"], ran.settings(cell).format) for cell, row in ran.rows.items()}
    encoder = {("classify", "classifier"), ("pair", "classifier"), ("regress", "regressor")}
    encoder |= {("choice", "bi_encoder"), ("choice", "cross_encoder")}
    decoder = {("choice", "cloze"), ("choice", "mcq"), ("generate", "generate")}
    assert answered == {("tiny", *kind) for kind in encoder} | {("llm", *kind) for kind in decoder}


def test_each_cell_is_one_row_that_agrees_with_its_path(ran):
    for cell in ran.cells:
        table = pq.read_table(cell.path)
        assert table.num_rows == 1
        assert set(table.column_names) == COLUMNS
        row = table.to_pylist()[0]
        facts = {
            "cell": cell.key, "model": cell.model, "task": cell.task, "compression": cell.compression.tag,
            "method": cell.compression.method, "sparsity": cell.compression.nominal_sparsity, "transfer": cell.transfer,
            "protocol": cell.protocol, "seed": cell.seed, "knobs": knob_text(cell.knobs) if cell.knobs else "",
            "metric": ran.study_of[cell].tasks[cell.task].metric, "kind": ran.study_of[cell].tasks[cell.task].kind,
        }  # fmt: skip
        assert {name: row[name] for name in facts} == facts


def test_schema_is_one_for_all_cells_of_every_kind(ran):
    schemas = {tuple(zip(s.names, map(str, s.types), strict=True)) for s in (pq.read_schema(c.path) for c in ran.cells)}
    assert len(schemas) == 1


def test_rows_of_examples_are_those_of_the_encoded_file(ran):
    for cell, row in ran.rows.items():
        examples, tokens = pl.DataFrame(row["examples"], infer_schema_length=None), evaluated(cell)
        assert examples["id"].to_list() == tokens["id"].to_list()
        assert examples["id"].is_unique().all()
        assert row["n_examples"] == examples.height == len(tokens)
        assert examples["truncated"].to_list() == tokens["truncated"].to_list()
        assert row["truncated"] == tokens["truncated"].mean()
        gold = {"regress": "target", "generate": None}.get(row["kind"], "answer")
        if gold is None:
            assert examples["reference"].to_list() == [references[0] for references in tokens["references"]]
        else:
            assert examples["gold"].to_list() == tokens[gold].to_list()


def test_rows_of_examples_give_the_score(ran):
    for row in ran.rows.values():
        examples = pl.DataFrame(row["examples"], infer_schema_length=None)
        metrics = {metric["name"]: metric["value"] for metric in row["metrics"]}
        assert row["score"] == metrics[row["metric"]]
        if row["kind"] == "generate":
            assert row["score"] == pytest.approx(examples["correct"].mean())
            assert row["collapsed"] == (examples["text"].n_unique() == 1)
        elif row["kind"] == "regress":
            assert row["score"] == pytest.approx(pl.DataFrame(examples).select(pl.corr("gold", "prediction")).item())
        else:
            right = examples["gold"] == examples["prediction"]
            assert examples["correct"].to_list() == right.cast(float).to_list()
            assert metrics["accuracy"] == pytest.approx(right.mean(), abs=1e-12)
            assert row["collapsed"] == (examples["prediction"].n_unique() == 1)
            assert right.filter(examples["margin"] > 0).all()
            assert not right.filter(examples["margin"] < 0).any()
        assert examples["correct"].is_null().all() == (row["kind"] == "regress")


def test_floors_are_those_of_the_evaluated_rows(ran):
    for cell, row in ran.rows.items():
        gold = evaluated(cell)["answer"]
        options = dict(cell.knobs).get("options", 4)
        if row["metric"] == "accuracy":
            assert row["chance"] == {"colours": 0.25, "mood": 0.5, "hues": 1 / options}[cell.task]
            assert row["majority"] == gold.value_counts()["count"].max() / len(gold)
        elif row["metric"] == "exact_match":
            first = [references[0] for references in evaluated(cell)["references"]]
            assert (row["chance"], row["majority"]) == (0, max(map(first.count, first)) / len(first))
        else:
            assert (row["metric"], row["chance"], row["majority"]) in {("matthews", 0, 0), ("pearson", 0, 0)}


def test_training_is_reported_where_there_was_one(ran):
    for cell, row in ran.rows.items():
        wanted = (0, 0) if cell.transfer == "none" else TRAINED[cell.task, row["knobs"]]
        assert (row["n_train"], row["steps"]) == wanted
        assert (row["first_loss"] is None) == (row["last_loss"] is None) == (cell.transfer == "none")


def test_footer(ran):
    for cell in ran.cells:
        footer = read_footer(Path(cell.path))
        assert footer["settings_fingerprint"] == digest(study_settings.settings_text(cell, ran.study_of[cell]))
        assert CellSettings.read(footer["settings"], "footer") == ran.settings(cell)
        roles = {"evaluate"} if cell.transfer == "none" else {"train", "evaluate"}
        assert footer["tokens_sha256"] == {role: stored_checksum(Path(cell.tokens_path(role))) for role in roles}
        weights = footer["model"]["files"]["model.safetensors"]["sha256"]
        assert weights == sha256_file(Path(f"results/models/{cell.model}/model.safetensors"))
        for package in ("torch", "transformers", "numpy", "pyarrow", "tokenizers"):
            assert footer["versions"][package] == version(package)
        assert footer["device"].startswith("cpu")
        assert set(footer["wall_s"]) == {"start", "load", "compress", "train", "score"}
        assert all(seconds >= 0 for seconds in footer["wall_s"].values())
        report = footer["compression"]
        named = [*report["layers"], *report["left_dense"]]
        assert bool(report["layers"]) != bool(report["left_dense"]) == (cell.compression.method == "dense")
        prefix = "model." if cell.model == "llm" else ""
        assert {f"{prefix}{name}" for name in named} == {each.name for each in ran.prunables[cell.model]}


# --- compression and training -----------------------------------------------------------------------------------------


def test_achieved_sparsity_is_exact(ran):
    for cell in ran.cells:
        achieved = ran.rows[cell]["achieved_sparsity"]
        layers = read_footer(Path(cell.path))["compression"]["layers"]
        wanted = {"dense": 0.0, "nm": 0.75}.get(cell.compression.method)
        if wanted is None:
            total = sum(each.parameter.numel() for each in ran.prunables[cell.model])
            wanted = math.floor(total * cell.compression.value) / total
        assert achieved == wanted
        if cell.compression.method == "nm":
            assert {layer["sparsity"] for layer in layers.values()} == {0.75}


def test_all_modes_of_a_seed_start_from_one_head_and_one_data_order(ran):
    groups: dict[tuple, list] = {}
    for run in ran.started:
        groups.setdefault((run["key"], run["data"].format, len(run["data"])), []).append(run)
    assert {(task, rows) for (task, _), _, rows in groups} == {
        ("mood", 64), ("mood", 32), ("alike", 48), ("degree", 48), ("hues", 48),
    }  # fmt: skip
    for runs in groups.values():
        for run in runs[1:]:
            assert run["batches"] == runs[0]["batches"]
            assert run["protocol"] == runs[0]["protocol"]
            assert run["data"] == runs[0]["data"]
            assert all(torch.equal(value, runs[0]["head"][name]) for name, value in run["head"].items())
    by_seed = [groups[("mood", seed), "classifier", 64] for seed in (0, 1)]
    for runs in by_seed:
        assert {run["mode"] for run in runs} == {"dense", "sparse", "sparse_to_dense", "dense_freeze"}
    one, other = by_seed[0][0], by_seed[1][0]
    assert one["batches"] != other["batches"]
    assert not torch.equal(one["head"]["classifier.weight"], other["head"]["classifier.weight"])


def test_each_format_trains_on_the_encoded_train_rows(ran):
    """What the loop was given, row by row; which rows a data fraction keeps is tested with `answering`."""
    given = {(run["key"][0], len(run["data"])): run["data"] for run in ran.started}
    reads = {
        ("mood", 64): "classifier", ("alike", 48): "classifier", ("degree", 48): "regressor",
        ("hues", 48): "cross_encoder",
    }  # fmt: skip
    for (task, rows), name in reads.items():
        data = given[task, rows]
        cell = next(c for c in ran.cells if c.task == task and c.transfer != "none" and not c.knobs)
        tokens = pl.from_arrow(read_tokens(Path(cell.tokens_path("train"))))
        assert (data.format, data.full_rows) == (name, rows)
        for column in FORMATS[name].columns:
            assert data.columns[column] == tokens[column].to_list()


@pytest.mark.parametrize(
    "key",
    [
        "tiny/colours/context=passage/magnitude-0.9/none/default/seed-0",
        "tiny/colours/plain/random-0.5/none/default/seed-0",
        SPARSE,
        "tiny/mood/plain/dense/dense/default/seed-1",
        "tiny/degree/plain/magnitude-0.5/sparse/default/seed-1",
        "tiny/hues/plain/magnitude-0.5/sparse/cross/seed-0",
        "llm/hues/shots=2/magnitude-0.5/none/letters/seed-0",
        "llm/named/context=4/magnitude-0.5/none/default/seed-0",
    ],
)
def test_same_settings_give_byte_identical_columns(ran, key):
    cell = parse_cell_path(key)
    torch.manual_seed(99)  # the global state must not matter
    again = run_cell(ran.settings(cell), "cpu").replace_schema_metadata()
    assert again.equals(pq.read_table(cell.path).replace_schema_metadata())


def test_compressions_and_modes_reach_the_scores(ran):
    """Any two compressions or modes of one condition leave different answers: none is silently dense."""
    groups: dict[tuple, list] = {}
    for cell, row in ran.rows.items():
        given = {"regress": "prediction", "generate": "text"}.get(row["kind"], "margin")
        answers = tuple(example[given] for example in row["examples"])
        groups.setdefault((cell.model, cell.task, cell.knobs, cell.protocol, cell.seed), []).append(answers)
    assert all(len(set(group)) == len(group) > 1 for group in groups.values())


def test_random_masks_follow_the_seed_and_are_nested(ran):
    def masks(seed, sparsity):
        cell = Cell("tiny", "colours", (), Compression("random", f"{sparsity:g}"), "none", "default", seed)
        return torch.cat([result.mask.flatten() for _, result in cell_module.computed(cell, ran.prunables["tiny"])])

    assert torch.equal(masks(0, 0.5), masks(0, 0.5))
    assert not torch.equal(masks(0, 0.5), masks(1, 0.5))
    assert not (masks(0, 0.7) & ~masks(0, 0.5)).any()


def test_prune_head_of_the_protocol_reaches_the_mask(ran):
    data = {**toy.STUDY, "protocols": {"authors": {"prune_head": True}}}
    data["experiments"] = {"modes": {**toy.STUDY["experiments"]["modes"], "protocol": "authors"}}
    resolved = resolve(data, "test")
    cell = parse_cell_path(SPARSE.replace("default", "authors"))
    toy_run.encode(cell, resolved)
    table = run_cell(toy_run.settings_of(cell, resolved), "cpu")
    write_cell(table, Path(cell.path))
    layers = read_footer(Path(cell.path))["compression"]["layers"]
    assert {*layers} == {each.name for each in ran.prunables["tiny"]} | {"classifier.weight"}
