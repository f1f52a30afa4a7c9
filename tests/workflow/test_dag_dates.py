"""With the real Snakemake: what files hold decides what re-runs, whatever their dates and sizes, and plan agrees."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy
from job_server import quick_python
from project import ROOT, python_path
from toy_models import other_weights
from toy_run import read_footer
from toy_studies import STORED_STUDY
from workflow_run import cells, environment, planned, snakemake

pytestmark = pytest.mark.dag


def plan(folder: Path) -> str:
    """The line of `junkdna plan` that counts all cells."""
    done = subprocess.run([quick_python(), "-m", "junkdna", "plan"], cwd=folder, text=True, capture_output=True,
                          check=True, env={**environment(), "PYTHONPATH": python_path(ROOT)})  # fmt: skip
    return next(line for line in done.stdout.splitlines() if line.startswith("total"))


def touch(*files: Path) -> None:
    later = time.time() + 60
    for file in files:
        os.utime(file, (later, later))


@pytest.mark.parametrize("patterns", [("decoder/*", "data/*"), pytest.param(("results/**/*",), marks=pytest.mark.long)])
def test_newer_dates_on_the_same_bytes_re_run_nothing(stored: Path, patterns: tuple[str, ...]) -> None:
    """Dates of sources; dates of files on the way, each newer than every cell."""
    touch(
        *(file for pattern in patterns for file in stored.glob(pattern) if file.is_file() and "cells" not in file.parts)
    )
    assert planned(stored) == set()
    assert plan(stored).split() == ["total", "5", "cells,", "0", "to", "run"]


@pytest.mark.long
def test_a_copy_without_dates_re_runs_nothing(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "copy", copy_function=shutil.copyfile, symlinks=False)
    assert planned(tmp_path / "copy") == set()
    assert " 0 to run" in plan(tmp_path / "copy")


@pytest.mark.long
def test_other_weights_under_an_older_date_re_run_every_cell_and_plan_says_so(stored: Path) -> None:
    weights = stored / "decoder/model.safetensors"
    times = (weights.stat().st_atime_ns, weights.stat().st_mtime_ns)
    other_weights(stored / "decoder")
    os.utime(weights, ns=(times[0], times[1] - 10**9))
    assert len(cells(planned(stored))) == 5
    assert " 5 to run" in plan(stored)
    result = snakemake(stored)
    assert result.returncode == 0, result.stdout
    assert planned(stored) == set()
    assert " 0 to run" in plan(stored)


def test_edited_data_re_run_the_cells_that_read_them(stored: Path) -> None:
    file = stored / "data/hues.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    assert len(cells(planned(stored))) == 5
    assert " 5 to run" in plan(stored)


@pytest.mark.long
def test_another_source_under_the_same_name_is_refused_and_the_way_out_works(stored: Path) -> None:
    """By dates alone Snakemake does not look at settings: planning and the join do."""
    shutil.copytree(stored / "decoder", stored / "other")
    other_weights(stored / "other")
    toy.write_yaml(stored / "config.yaml", {**STORED_STUDY, "models": {"llm": {"kind": "decoder", "local": "other"}}})
    refused = snakemake(stored, "--rerun-triggers", "mtime")
    assert refused.returncode != 0
    assert "models.llm: results/models/llm/model.json comes from local" in refused.stdout
    assert "Rename the model" in refused.stdout
    assert "rm -r results/models/llm" in refused.stdout
    shutil.rmtree(stored / "results/models/llm")
    by_dates = snakemake(stored, "--rerun-triggers", "mtime")
    assert by_dates.returncode != 0
    assert "5 of 5 cells cannot be joined" in by_dates.stdout
    again = snakemake(stored)
    assert again.returncode == 0, again.stdout
    files = [*stored.glob("results/cells/**/*.parquet")]
    assert {read_footer(file)["model"]["source"]["local"] for file in files} == {"other"}
    assert planned(stored) == set()
