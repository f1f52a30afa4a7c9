"""Cells of the toy study, run through the stages: rows, footers, exact sparsity, repeatable numbers, clean failures."""

import math
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_run
from safetensors.torch import load_file, save_file

from junkdna import cell as cell_module
from junkdna import grid, stages, transfer
from junkdna.cell import run_cell, write_cell
from junkdna.collect import read_footer
from junkdna.compress.scope import prunable
from junkdna.encode import read_tokens
from junkdna.errors import UserError
from junkdna.keys import Cell, Compression, knob_text, parse_cell_path
from junkdna.models import load_plain
from junkdna.provenance import digest
from junkdna.score import loglikelihood
from junkdna.sources import sha256_file
from junkdna.study import resolve

COLUMNS = {
    "cell", "model", "task", "knobs", "compression", "method", "sparsity", "transfer", "protocol", "seed", "metric",
    "kind", "score", "chance", "majority", "collapsed", "n_examples", "truncated", "steps", "first_loss", "last_loss",
    "examples", "achieved_sparsity",
}  # fmt: skip
SPARSE = "tiny/mood/plain/magnitude-0.5/sparse/default/seed-0"


class Toy:
    """The toy study, run, and what each training started from."""

    def __init__(self) -> None:
        self.resolved = toy_run.read()
        self.started: dict[tuple, dict] = {}
        self.cells = toy_run.run_all(self.resolved)
        model = load_plain(Path("results/models/tiny"), "encoder")
        self.names = {each.name for each in prunable(model)}
        self.total = sum(each.parameter.numel() for each in prunable(model))


@pytest.fixture(scope="module")
def ran(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory):
    """The finished toy study as the working folder; tests that spoil files take `spare`."""
    folder = tmp_path_factory.mktemp("cells") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        started: list[dict] = []
        tune, inputs = transfer.fine_tune, transfer.classifier_inputs

        def spy(model, prunables, masks, mode, data, protocol, key, bar):
            head = {name: p.detach().clone() for name, p in model.named_parameters() if "classifier" in name}
            started.append({"mode": mode, "key": key, "head": head, "batches": [], "protocol": protocol})
            return tune(model, prunables, masks, mode, data, protocol, key, bar)

        def spy_inputs(model, queries, starts, batch, device):
            started[-1]["batches"].append(batch)
            return inputs(model, queries, starts, batch, device)

        patch.setattr(transfer, "fine_tune", spy)
        patch.setattr(transfer, "classifier_inputs", spy_inputs)
        toy_study = Toy()
        toy_study.started = started
        patch.setattr(transfer, "fine_tune", tune)
        patch.setattr(transfer, "classifier_inputs", inputs)
        yield toy_study


@pytest.fixture
def spare(ran, tmp_path, monkeypatch) -> Toy:
    """A copy of the finished toy study that a test may spoil."""
    shutil.copytree(Path.cwd(), tmp_path / "spare")
    monkeypatch.chdir(tmp_path / "spare")
    return ran


def cell_named(key: str) -> Cell:
    return parse_cell_path(key)


def test_toy_study_has_every_kind_of_cell(ran):
    kinds = {(cell.compression.method, cell.transfer) for cell in ran.cells}
    choice = {(method, "none") for method in ("dense", "magnitude", "random", "nm")}
    modes = {("magnitude", mode) for mode in ("sparse", "sparse_to_dense", "dense_freeze")}
    assert kinds == choice | modes | {("dense", "dense")}


def test_each_cell_is_one_row_that_says_what_its_path_says(ran):
    for cell in ran.cells:
        table = pq.read_table(cell.path)
        assert table.num_rows == 1
        assert set(table.column_names) == COLUMNS
        row = table.to_pylist()[0]
        facts = {
            "cell": cell.key, "model": cell.model, "task": cell.task, "compression": cell.compression.tag,
            "method": cell.compression.method, "sparsity": cell.compression.nominal_sparsity, "transfer": cell.transfer,
            "protocol": "default", "seed": cell.seed, "knobs": knob_text(cell.knobs) if cell.knobs else "",
        }  # fmt: skip
        assert {name: row[name] for name in facts} == facts


def test_schema_is_one_for_all_cells(ran):
    schemas = {tuple(zip(s.names, map(str, s.types), strict=True)) for s in (pq.read_schema(c.path) for c in ran.cells)}
    assert len(schemas) == 1


def test_rows_of_examples_give_the_score(ran):
    for cell in ran.cells:
        row = pq.read_table(cell.path).to_pylist()[0]
        examples = pl.DataFrame(row["examples"])
        tokens = pl.from_arrow(read_tokens(Path(cell.tokens_path))).filter(pl.col("split") == "evaluate")
        assert examples["id"].to_list() == tokens["id"].to_list()
        assert examples["gold"].to_list() == tokens["answer"].to_list()
        assert examples["id"].is_unique().all()
        assert row["n_examples"] == examples.height
        assert row["score"] == (examples["gold"] == examples["prediction"]).mean()
        assert row["majority"] == examples["gold"].value_counts()["count"].max() / examples.height
        assert row["chance"] == {"colours": 0.25, "mood": 0.5}[cell.task]
        assert row["collapsed"] == (examples["prediction"].n_unique() == 1)
        right = examples.filter(pl.col("margin") > 0)
        assert (right["gold"] == right["prediction"]).all()


def test_training_is_reported_where_there_was_one(ran):
    for cell in ran.cells:
        row = pq.read_table(cell.path).to_pylist()[0]
        assert row["steps"] == (0 if cell.transfer == "none" else 8)  # 64 rows, batches of 16, 2 epochs
        assert (row["first_loss"] is None) == (row["last_loss"] is None) == (cell.transfer == "none")


def test_footer(ran):
    for cell in ran.cells:
        footer = read_footer(Path(cell.path))
        text = grid.settings_text(cell, ran.resolved)
        assert footer["settings_digest"] == digest(text)
        assert footer["settings"] == toy_run.settings_of(cell, ran.resolved)
        assert footer["tokens_sha256"] == sha256_file(Path(cell.tokens_path))
        weights = footer["model"]["files"]["model.safetensors"]["sha256"]
        assert weights == sha256_file(Path("results/models/tiny/model.safetensors"))
        for package in ("torch", "transformers", "numpy", "pyarrow", "tokenizers"):
            assert footer["versions"][package] == version(package)
        assert footer["device"].startswith("cpu")
        assert set(footer["wall_s"]) == {"load", "compress", "train", "score"}
        assert all(seconds >= 0 for seconds in footer["wall_s"].values())
        layers = {name.removeprefix("bert.") for name in footer["achieved_sparsity_per_layer"]}
        assert layers == ran.names


def test_achieved_sparsity_is_exact(ran):
    for cell in ran.cells:
        achieved = pq.read_table(cell.path)["achieved_sparsity"][0].as_py()
        per_layer = read_footer(Path(cell.path))["achieved_sparsity_per_layer"]
        wanted = {"dense": 0.0, "nm": 0.75}.get(cell.compression.method)
        if wanted is None:
            wanted = math.floor(ran.total * cell.compression.sparsity) / ran.total
        assert achieved == wanted
        if cell.compression.method == "nm":
            assert set(per_layer.values()) == {0.75}


def test_all_modes_of_a_seed_start_from_one_head_and_one_data_order(ran):
    by_seed = {seed: [run for run in ran.started if run["key"] == ("mood", seed)] for seed in (0, 1)}
    for runs in by_seed.values():
        assert {run["mode"] for run in runs} == {"dense", "sparse", "sparse_to_dense", "dense_freeze"}
        for run in runs[1:]:
            assert run["batches"] == runs[0]["batches"]
            assert run["protocol"] == runs[0]["protocol"]
            assert all(torch.equal(value, runs[0]["head"][name]) for name, value in run["head"].items())
    one, other = by_seed[0][0], by_seed[1][0]
    assert one["batches"] != other["batches"]
    assert not torch.equal(one["head"]["classifier.weight"], other["head"]["classifier.weight"])


@pytest.mark.parametrize(
    "key",
    [
        "tiny/colours/context=passage/magnitude-0.9/none/default/seed-0",
        "tiny/colours/plain/random-0.5/none/default/seed-0",
        SPARSE,
        "tiny/mood/plain/dense/dense/default/seed-1",
    ],
)
def test_same_settings_give_byte_identical_columns(ran, key):
    cell = cell_named(key)
    torch.manual_seed(99)  # the global state must not matter
    again = run_cell(toy_run.settings_of(cell, ran.resolved), "cpu").replace_schema_metadata()
    assert again.equals(pq.read_table(cell.path).replace_schema_metadata())


def test_compressions_and_modes_reach_the_scores(ran):
    """Any two compressions or modes of one condition leave different margins: none is silently dense."""
    groups: dict[tuple, list] = {}
    for cell in ran.cells:
        margins = tuple(example["margin"] for example in pq.read_table(cell.path)["examples"][0].as_py())
        groups.setdefault((cell.task, cell.knobs, cell.seed), []).append(margins)
    assert all(len(set(group)) == len(group) > 1 for group in groups.values())


def test_random_masks_follow_the_seed_and_are_nested(ran):
    prunables = prunable(load_plain(Path("results/models/tiny"), "encoder"))

    def masks(seed, sparsity):
        cell = Cell("tiny", "colours", (), Compression("random", sparsity), "none", "default", seed)
        return torch.cat([mask.flatten() for mask in cell_module._masks(cell, prunables).values()])

    assert torch.equal(masks(0, 0.5), masks(0, 0.5))
    assert not torch.equal(masks(0, 0.5), masks(1, 0.5))
    assert not (masks(0, 0.7) & ~masks(0, 0.5)).any()


def test_prune_head_of_the_protocol_reaches_the_mask(ran):
    data = {**toy.STUDY, "protocols": {"authors": {"prune_head": True}}}
    data["experiments"] = {"modes": {**toy.STUDY["experiments"]["modes"], "protocol": "authors"}}
    resolved = resolve(data, "test")
    cell = cell_named(SPARSE.replace("default", "authors"))
    tokens = Path(cell.tokens_path)
    tokens.write_bytes(Path(cell_named(SPARSE).tokens_path).read_bytes())
    table = run_cell(toy_run.settings_of(cell, resolved), "cpu")
    write_cell(table, Path(cell.path))
    layers = read_footer(Path(cell.path))["achieved_sparsity_per_layer"]
    assert {name.removeprefix("bert.") for name in layers} == ran.names | {"classifier.weight"}


def test_decoder_cell_divides_by_characters_only_when_told_to(spare):
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained("model")
    tokenizer.save_pretrained("llm")
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        LlamaForCausalLM(config).save_pretrained("llm")
    data = {**toy.STUDY, "models": {"llm": {"kind": "decoder", "local": "llm"}}}
    experiment = {**toy.STUDY["experiments"]["context"], "models": ["llm"]}
    data["protocols"] = {"sum": {}, "chars": {"normalise": "characters"}}
    data["experiments"] = {name: {**experiment, "protocol": name} for name in data["protocols"]}
    resolved = resolve(data, "test")
    manifest = Path("results/models/llm/model.json")
    stages.model(manifest, grid.model_settings("llm", resolved))
    margins = {}
    for name in data["protocols"]:
        cell = cell_named(f"llm/colours/context=passage/magnitude-0.5/none/{name}/seed-0")
        settings = grid.encode_settings("llm", "colours", cell.knobs, name, resolved)
        stages.encode(Path(cell.tokens_path), settings, manifest, toy_run.examples_file("colours"))
        toy_run.run(cell, resolved)
        margins[name] = pl.DataFrame(pq.read_table(cell.path).to_pylist()[0]["examples"])["margin"].to_numpy()
    rows = read_tokens(Path(cell.tokens_path)).to_pylist()
    model = load_plain(manifest.parent, "decoder")
    cell_module.masking.apply(prunables := prunable(model), cell_module._masks(cell, prunables))
    scores = loglikelihood(model, [row["query"] for row in rows], [row["options"] for row in rows], "cpu")
    for name, divide in (("sum", False), ("chars", True)):
        parts = [s / np.array(row["option_characters"]) if divide else s for s, row in zip(scores, rows, strict=True)]
        wanted = [s[row["answer"]] - np.delete(s, row["answer"]).max() for s, row in zip(parts, rows, strict=True)]
        np.testing.assert_allclose(margins[name], wanted, atol=1e-5)
    assert not np.allclose(margins["sum"], margins["chars"], atol=1e-3)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_crash_while_writing_leaves_no_cell_and_spares_the_old_one(spare, monkeypatch):
    table = pq.read_table(cell_named(SPARSE).path)
    fresh, old = Path("results/cells/new/cell.parquet"), Path(cell_named(SPARSE).path)
    before = old.read_bytes()

    def half(_table, path, **_options):
        Path(path).write_bytes(b"PAR1 half a file")
        raise OSError("disk full")

    monkeypatch.setattr(pq, "write_table", half)
    for destination in (fresh, old):
        with pytest.raises(OSError, match="disk full"):
            write_cell(table, destination)
    assert not fresh.exists()
    assert old.read_bytes() == before


def test_settings_of_another_cell_are_refused(spare):
    cell, other = cell_named(SPARSE), cell_named(SPARSE.replace("seed-0", "seed-1"))
    Path(other.path).unlink()
    for settings in (toy_run.settings_of(cell, spare.resolved), {"task": "mood"}, {"cell": "nonsense"}):
        with pytest.raises(UserError):
            stages.cell(Path(other.path), settings, gpus=0, threads=1, bar=iter)
    assert not Path(other.path).exists()


def test_a_cell_is_renamed_into_place(spare, monkeypatch):
    """The name appears by one rename of a whole file, which reads back as the table, and nothing else stays."""
    table, destination = pq.read_table(cell_named(SPARSE).path), Path("results/new/cell.parquet")
    written = []
    write = pq.write_table
    monkeypatch.setattr(
        pq, "write_table", lambda t, path, **options: (written.append(Path(path)), write(t, path, **options))
    )
    write_cell(table, destination)
    assert written[0].parent == destination.parent
    assert written[0] != destination
    assert [path.name for path in destination.parent.iterdir()] == ["cell.parquet"]
    assert pq.read_table(destination).equals(table)


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "truncated", "other columns"])
def test_broken_encoded_file_is_named(spare, damage):
    cell = cell_named(SPARSE)
    path = Path(cell.tokens_path)
    whole = path.read_bytes()
    path.unlink()
    if damage == "other columns":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("a", pa.int32())])):
            pass
    elif damage != "missing":
        path.write_bytes({"empty": b"", "garbage": b"\x00garbage" * 50, "truncated": whole[: len(whole) // 2]}[damage])
    with pytest.raises(UserError, match=r"tiny/mood/plain/default\.arrow"):
        run_cell(toy_run.settings_of(cell, spare.resolved), "cpu")


@pytest.mark.parametrize("role", ["train", "evaluate"])
def test_encoded_file_without_rows_of_a_role_is_refused(spare, role):
    """Without training rows a fine-tuning cell would report an untrained model."""
    cell = cell_named(SPARSE)
    path = Path(cell.tokens_path)
    table = read_tokens(path)
    rest = pa.table({name: table[name].to_pylist() for name in table.column_names}, schema=table.schema)
    rest = rest.filter(pa.compute.not_equal(rest["split"], role))
    path.unlink()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rest.schema) as writer:
        writer.write_table(rest)
    with pytest.raises(UserError, match=f"holds no rows to {role}"):
        run_cell(toy_run.settings_of(cell, spare.resolved), "cpu")


def test_broken_weights_stop_the_cell(spare):
    file = Path("results/models/tiny/model.safetensors")
    weights = load_file(file)
    weights["encoder.layer.0.output.dense.weight"][0, 0] = float("nan")
    file.unlink()
    save_file(weights, file, metadata={"format": "pt"})
    for key in (SPARSE, "tiny/colours/plain/dense/none/default/seed-0"):
        cell = cell_named(key)
        Path(cell.path).unlink()
        with pytest.raises(UserError, match=r"encoder\.layer\.0\.output\.dense\.weight"):
            toy_run.run(cell, spare.resolved)
        assert not Path(cell.path).exists()
