"""Stored compressions in the workflow, with the real Snakemake: made once, shared, kept or gone as the study says."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from workflow_run import cells, change, planned, snakemake

pytestmark = pytest.mark.dag

STORED = {f"results/compressed/llm/{tag}/seed-0.safetensors" for tag in
          ("wanda-0.5,calibration=phrases", "svd-rank0.25", "svd-rank0.5")}  # fmt: skip


def more_tasks(study: dict) -> None:
    study["tasks"]["named"] = {"file": "tasks/named.yaml"}
    study["experiments"]["few"]["tasks"].append("named")


def test_a_compression_is_made_once_and_its_figures_stand_on_bits(stored_once: Path) -> None:
    made = stored_once.glob("results/compressed/**/*.safetensors")
    assert {str(file.relative_to(stored_once)) for file in made} == STORED
    assert (stored_once / "results/calibration/llm/phrases/seed-0.parquet").is_file()
    figures = {file.stem for file in stored_once.glob("results/studies/methods/figures/*")}
    assert figures >= {"budget_few", "sparsity_few"}
    drops = pl.read_parquet(stored_once / "results/studies/methods/tables/drops.parquet")
    bits = dict(drops.select("compression", "effective_bits_per_weight").iter_rows())
    assert bits["dense"] == 16
    assert bits["rtn-2bit,group=8"] == 4.25
    assert planned(stored_once) == set()


def test_a_new_task_reads_the_compressions_that_are_there(stored: Path) -> None:
    change(stored, more_tasks)
    files = planned(stored)
    assert {file.split("/")[3] for file in cells(files)} == {"named"}
    assert not STORED & files


def test_more_calibration_samples_move_what_is_calibrated_and_nothing_else(stored: Path) -> None:
    change(stored, lambda study: study["calibrations"]["phrases"].update(samples=5))
    files = planned(stored)
    assert {file for file in files if "compressed" in file} == {file for file in STORED if "wanda" in file}
    assert {file.split("/")[5] for file in cells(files)} == {"wanda-0.5,calibration=phrases"}


@pytest.mark.long
def test_without_keep_compressed_nothing_of_it_is_left(stored: Path) -> None:
    shutil.rmtree(stored / "results/compressed")
    shutil.rmtree(stored / "results/cells")
    change(stored, lambda study: study.update(keep_compressed=False))
    result = snakemake(stored)
    assert result.returncode == 0, result.stdout
    assert not [*stored.glob("results/compressed/**/*.safetensors")]
    assert len([*stored.glob("results/cells/**/*.parquet")]) == 5
    assert "Nothing to be done" in snakemake(stored).stdout


def test_a_group_that_does_not_divide_stops_before_any_job(stored: Path) -> None:
    change(stored, lambda study: study["experiments"]["few"]["compressions"].append({"method": "rtn", "bits": 4}))
    result = snakemake(stored, "--keep-going")
    assert result.returncode != 0
    undivided = "model.layers.0.mlp.down_proj.weight (14 of 14 matrices); group sizes that fit all: 2, 4, 8, 16"
    assert undivided in result.stdout
    assert "group" in result.stdout
    assert "Nothing was run" in result.stdout
    assert not [*stored.glob("results/cells/**/rtn-4bit/**/*.parquet")]
