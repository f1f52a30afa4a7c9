"""Stored compressions in the workflow, with the real Snakemake: made once, shared, kept or gone as the study says."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import toy
from toy_studies import STORED_STUDY
from workflow_run import cells, change, planned, snakemake

pytestmark = pytest.mark.dag

STORED = {f"results/compressed/llm/{tag}/seed-0.safetensors" for tag in
          ("wanda-0.5,calibration=phrases", "svd-rank0.25", "svd-rank0.5")}  # fmt: skip


def more_tasks(study: dict) -> None:
    study["tasks"]["named"] = {"file": "tasks/named.yaml"}
    study["experiments"]["few"]["tasks"].append("named")


@pytest.fixture(scope="module")
def finished(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compressed") / "world"
    shutil.copytree(toy_world_once, folder)
    toy.write_yaml(folder / "config.yaml", STORED_STUDY)
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "world"))


def test_a_compression_is_made_once_and_its_figures_stand_on_bits(finished: Path) -> None:
    assert {str(file.relative_to(finished)) for file in finished.glob("results/compressed/**/*.safetensors")} == STORED
    assert (finished / "results/calibration/llm/phrases/seed-0.parquet").is_file()
    figures = {file.stem for file in finished.glob("results/studies/methods/figures/*")}
    assert figures >= {"budget_few", "sparsity_few"}
    drops = pl.read_parquet(finished / "results/studies/methods/tables/drops.parquet")
    bits = dict(drops.select("compression", "effective_bits_per_weight").iter_rows())
    assert bits["dense"] == 16
    assert bits["rtn-2bit,group=8"] == 4.25
    assert planned(finished) == set()


def test_a_new_task_reads_the_compressions_that_are_there(done: Path) -> None:
    change(done, more_tasks)
    files = planned(done)
    assert {file.split("/")[3] for file in cells(files)} == {"named"}
    assert not STORED & files


def test_more_calibration_samples_move_what_is_calibrated_and_nothing_else(done: Path) -> None:
    change(done, lambda study: study["calibrations"]["phrases"].update(samples=5))
    files = planned(done)
    assert {file for file in files if "compressed" in file} == {file for file in STORED if "wanda" in file}
    assert {file.split("/")[5] for file in cells(files)} == {"wanda-0.5,calibration=phrases"}


def test_without_keep_compressed_nothing_of_it_is_left(done: Path) -> None:
    shutil.rmtree(done / "results/compressed")
    shutil.rmtree(done / "results/cells")
    change(done, lambda study: study.update(keep_compressed=False))
    result = snakemake(done)
    assert result.returncode == 0, result.stdout
    assert not [*done.glob("results/compressed/**/*.safetensors")]
    assert len([*done.glob("results/cells/**/*.parquet")]) == 5
    assert "Nothing to be done" in snakemake(done).stdout


def test_a_group_that_does_not_divide_stops_before_any_job(done: Path) -> None:
    change(done, lambda study: study["experiments"]["few"]["compressions"].append({"method": "rtn", "bits": 4}))
    result = snakemake(done, "--keep-going")
    assert result.returncode != 0
    undivided = "model.layers.0.mlp.down_proj.weight (14 of 14 matrices); group sizes that fit all: 2, 4, 8, 16"
    assert undivided in result.stdout
    assert "group" in result.stdout
    assert "Nothing was run" in result.stdout
    assert not [*done.glob("results/cells/**/rtn-4bit/**/*.parquet")]
