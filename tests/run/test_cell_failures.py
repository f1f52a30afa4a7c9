"""Cells that cannot be run or written: the error names them, and no file is left that looks like a result."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import toy_run
from safetensors.torch import load_file, save_file

from junkdna.cli import jobs
from junkdna.data.tokens_file import read_tokens, write_tokens
from junkdna.errors import UserError
from junkdna.models.manifest import file_facts
from junkdna.run import cell as cell_module
from junkdna.run.cell import run_cell
from junkdna.run.cell_file import write_cell
from junkdna.storage import checksums, tables
from junkdna.study.cell import Cell, parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.study import Resolved

SPARSE = parse_cell_path("tiny/mood/plain/magnitude-0.5/sparse/default/seed-0")
DENSE = parse_cell_path("tiny/colours/plain/dense/none/default/seed-0")


@pytest.fixture(scope="module")
def prepared(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy world with model folder, tokens files and two finished cells."""
    folder = tmp_path_factory.mktemp("failures") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolved = toy_run.read()
        toy_run.prepare(resolved)
        for cell in (SPARSE, DENSE):
            toy_run.run(cell, resolved)
    return folder


@pytest.fixture
def resolved(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """The toy study, in a copy of the prepared world that a test may spoil."""
    shutil.copytree(prepared, tmp_path / "spare")
    monkeypatch.chdir(tmp_path / "spare")
    return toy_run.read()


def settings_of(cell: Cell, resolved: Resolved) -> CellSettings:
    return toy_run.settings_of(cell, resolved)


# --- writing ----------------------------------------------------------------------------------------------------------


def test_crash_while_writing_leaves_no_cell_and_spares_the_old_one(resolved, monkeypatch):
    table = pq.read_table(SPARSE.path)
    fresh, old = Path("results/cells/new/cell.parquet"), Path(SPARSE.path)
    before = old.read_bytes()

    def half(_path):
        raise OSError("killed before the checksum")

    monkeypatch.setattr(tables, "add_checksum", half)
    for destination in (fresh, old):
        with pytest.raises(OSError, match="before the checksum"):
            write_cell(table, destination)
    assert not fresh.exists()
    assert old.read_bytes() == before
    assert [path.name for path in fresh.parent.iterdir()] == []
    assert [path.name for path in old.parent.iterdir()] == [old.name]


def test_a_cell_is_renamed_into_place(resolved, monkeypatch):
    """The name appears by one rename of a whole file, which reads back as the table, and nothing else stays."""
    table, destination = pq.read_table(SPARSE.path), Path("results/new/cell.parquet")
    written = []
    add_checksum = checksums.add_checksum
    monkeypatch.setattr(tables, "add_checksum", lambda path: (written.append(path), add_checksum(path)))
    write_cell(table, destination)
    assert written[0].parent == destination.parent
    assert written[0] != destination
    assert [path.name for path in destination.parent.iterdir()] == ["cell.parquet"]
    assert pq.read_table(destination).equals(table)


def test_settings_of_another_cell_are_refused(resolved):
    other = parse_cell_path(SPARSE.key.replace("seed-0", "seed-1"))
    sparse = settings_of(SPARSE, resolved)
    for settings in (sparse, replace(sparse, cell="nonsense")):
        with pytest.raises(UserError):
            jobs.cell(Path(other.path), settings, gpus=0, threads=1, bar=iter)
    assert not Path(other.path).exists()


# --- tokens files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["train", "evaluate"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "truncated", "other columns", "a column less"])
def test_broken_encoded_file_is_named(resolved, role, damage):
    path = Path(SPARSE.tokens_path(role))
    whole, table = path.read_bytes(), read_tokens(path)
    kept = pa.table({name: table[name].to_pylist() for name in table.column_names}, schema=table.schema)
    path.unlink()
    if damage == "other columns":
        write_tokens(pa.table({"a": pa.array([1], pa.int32())}), path)
    elif damage == "a column less":
        write_tokens(kept.drop_columns("split"), path)
    elif damage != "missing":
        path.write_bytes({"empty": b"", "garbage": b"\x00garbage" * 50, "truncated": whole[: len(whole) // 2]}[damage])
    says = (
        r"does not exist.*`snakemake --cores 1 -s \S+ -- results/tokens/tiny"
        if damage == "missing"
        else "is a corrupt tokens file"
    )
    with pytest.raises(UserError, match=rf"tiny/mood/plain/default/{role}\.arrow {says}"):
        run_cell(settings_of(SPARSE, resolved), "cpu")


@pytest.mark.parametrize("role", ["train", "evaluate"])
def test_encoded_file_without_rows_of_its_role_is_refused(resolved, role):
    """Without training rows a fine-tuning cell would report an untrained model; rows of the other role do not count."""
    path = Path(SPARSE.tokens_path(role))
    table = read_tokens(path)
    other = pa.array(["shots"] * len(table))
    path.unlink()
    write_tokens(table.set_column(table.column_names.index("split"), "split", other), path)
    with pytest.raises(UserError, match=f"contains no {role} rows"):
        run_cell(settings_of(SPARSE, resolved), "cpu")


def test_a_class_that_no_train_row_has_is_refused_before_the_model_is_read(resolved):
    path = Path(SPARSE.tokens_path("train"))
    table = read_tokens(path)
    one_class = table.filter(pc.equal(table["answer"], 1))
    one_class = pa.Table.from_pylist(one_class.to_pylist(), schema=table.schema)
    path.unlink()
    write_tokens(one_class, path)
    for weights in Path("results/models").rglob("*.safetensors"):
        weights.unlink()
    with pytest.raises(UserError, match=rf"class bad is evaluated but occurs in none of the {len(one_class)} train"):
        run_cell(settings_of(SPARSE, resolved), "cpu")


def test_train_rows_that_cannot_be_learned_from_are_named(resolved):
    """A class id outside the task's classes."""
    path = Path(SPARSE.tokens_path("train"))
    rows = read_tokens(path).to_pylist()
    schema = read_tokens(path).schema
    rows[5]["answer"] = 2
    path.unlink()
    write_tokens(pa.Table.from_pylist(rows, schema=schema), path)
    with pytest.raises(UserError, match=r"1 of 64 train rows are not usable for training .* row 5 .* answer 2"):
        run_cell(settings_of(SPARSE, resolved), "cpu")


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_stop_the_cell(resolved, value):
    file = Path("results/models/tiny/model.safetensors")
    weights = load_file(file)
    weights["encoder.layer.0.output.dense.weight"][0, 0] = value
    file.unlink()
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"tiny/model\.safetensors has changed since the model folder was built"):
        toy_run.run(SPARSE, resolved)
    manifest = toy_run.manifest("tiny")
    told = json.loads(manifest.read_text())
    told["files"][file.name] = file_facts(file)
    manifest.write_text(json.dumps(told))
    for cell in (SPARSE, DENSE):
        Path(cell.path).unlink()
        with pytest.raises(UserError, match=r"encoder\.layer\.0\.output\.dense\.weight"):
            toy_run.run(cell, resolved)
        assert not Path(cell.path).exists()


def test_a_mask_that_does_not_hold_stops_the_cell(resolved, monkeypatch):
    """Training that forgets to hold the mask must not leave a result called sparse."""
    from junkdna.train import finetune

    monkeypatch.setattr(finetune, "_hold", lambda *_: None)
    Path(SPARSE.path).unlink()
    with pytest.raises(RuntimeError, match="masked weights moved during sparse training"):
        toy_run.run(SPARSE, resolved)
    assert not Path(SPARSE.path).exists()


def test_truncated_rows_are_counted_and_logged(resolved, caplog):
    path = Path(DENSE.tokens_path("evaluate"))
    table = read_tokens(path)
    rows = [{**row, "truncated": number % 4 == 0} for number, row in enumerate(table.to_pylist())]
    path.unlink()
    write_tokens(pa.Table.from_pylist(rows, schema=table.schema), path)
    share = sum(row["truncated"] for row in rows) / len(rows)
    with caplog.at_level("WARNING", logger=cell_module.__name__):
        table = run_cell(settings_of(DENSE, resolved), "cpu")
    assert table["truncated"][0].as_py() == share > 0
    assert f"{100 * share:.1f} % of the rows were longer than max_length" in caplog.text
