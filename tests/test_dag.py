"""The whole workflow on the toy world, with the real Snakemake: what runs, what re-runs, what a user sees."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
import yaml

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.dag


def snakemake(folder: Path, *arguments: str, env: dict | None = None) -> subprocess.CompletedProcess:
    """Run the project's workflow in `folder`; stdout and stderr come back together in `stdout`."""
    import os

    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--directory", str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # rules call `python`: this one
    return subprocess.run(
        [*command, "--cores", "2", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": path, "CUDA_VISIBLE_DEVICES": "", **(env or {})}, check=False, timeout=600,
    )  # fmt: skip


def planned(folder: Path, *arguments: str) -> set[str]:
    """Files that the next run would make, by a dry run's own account of them."""
    result = snakemake(folder, "--summary", *arguments)
    assert result.returncode == 0, result.stdout
    rows = [line.split("\t") for line in result.stdout.splitlines() if line.count("\t") == 5]
    files = {row[0] for row in rows[1:] if row[5] != "no update"}
    jobs = snakemake(folder, "-n", *arguments).stdout
    assert len(re.findall(r"(?m)^Job \d+: cell ", jobs)) == len(cells(files))
    return files


def cells(files: set[str]) -> set[str]:
    return {file for file in files if file.startswith("results/cells/")}


def change(folder: Path, edit) -> None:
    """Apply a function to the study's mapping and write it back."""
    study = yaml.safe_load((folder / "config.yaml").read_text())
    edit(study)
    toy.write_yaml(folder / "config.yaml", study)


@pytest.fixture(scope="module")
def finished(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dag") / "world"
    shutil.copytree(toy_world_once, folder)
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished world, modification times and Snakemake's records included."""
    return Path(shutil.copytree(finished, tmp_path / "world"))


def test_everything_is_made_and_a_second_run_has_nothing_to_do(finished: Path) -> None:
    assert len(list(finished.glob("results/cells/**/*.parquet"))) == 18
    folder = finished / "results/studies/toy"
    for stem in ("headline", "sparsity_context", "transfer_modes"):
        for ending in ("pdf", "png", "svg"):
            assert (folder / f"figures/{stem}.{ending}").stat().st_size > 1000
    assert "<html" in (folder / "report.html").read_text()
    drops = pl.read_parquet(folder / "tables/drops.parquet")
    assert drops.height == 10 + 4
    assert pl.read_csv(folder / "tables/drops.csv").height == drops.height
    again = snakemake(finished)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout
    assert not [file for file in finished.glob("results/**/.*") if file.suffix == ".tmp"]


def test_sparsity_is_exact_and_modes_share_their_dense_cell(finished: Path) -> None:
    table = pl.read_parquet(finished / "results/studies/toy/tables/cells.parquet")
    masked = table.filter(pl.col("method") == "magnitude")
    assert ((masked["achieved_sparsity"] - masked["sparsity"]).abs() < 1e-3).all()
    drops = pl.read_parquet(finished / "results/studies/toy/tables/drops.parquet").filter(experiment="modes")
    dense = drops.filter(transfer="dense")["score"].item()
    assert (drops["dense_score"] == dense).all()


def test_a_new_task_plans_only_its_cells(done: Path) -> None:
    task = {**toy.CLASSIFY_TASK, "name": "mood2", "title": "Mood again"}
    toy.write_yaml(done / "tasks/mood2.yaml", task)

    def edit(study: dict) -> None:
        study["tasks"]["mood2"] = {"file": "tasks/mood2.yaml"}
        study["experiments"]["modes"]["tasks"].append("mood2")

    change(done, edit)
    new = planned(done)
    assert len(cells(new)) == 8
    assert all("/mood2/" in file for file in cells(new))
    assert "results/examples/mood2.parquet" in new
    assert "results/examples/mood.parquet" not in new
    assert "results/models/tiny/model.json" not in new


def test_a_learning_rate_replans_only_its_task(done: Path) -> None:
    change(done, lambda study: study["tasks"]["mood"].update(protocol={"learning_rate": 5e-4}))
    new = planned(done)
    assert len(cells(new)) == 8
    assert all("/mood/" in file for file in cells(new))
    assert not any(file.startswith(("results/tokens", "results/examples", "results/models")) for file in new)


def test_a_new_level_plans_one_cell_a_condition(done: Path) -> None:
    change(done, lambda study: study["experiments"]["context"]["compressions"][0]["sparsity"].append(0.7))
    assert {file.split("/")[4:6][1] for file in cells(planned(done))} == {"magnitude-0.7"}
    assert len(cells(planned(done))) == 2


def test_keys_in_another_order_plan_nothing(done: Path) -> None:
    def edit(study: dict) -> None:
        for key in ("models", "tasks", "experiments"):
            study[key] = study.pop(key)
        study["tasks"] = dict(reversed(study["tasks"].items()))

    change(done, edit)
    assert cells(planned(done)) == set()


def test_a_deleted_cell_comes_back_and_its_printed_command_runs_alone(done: Path) -> None:
    lost = next(done.glob("results/cells/tiny/colours/plain/magnitude-0.5/**/*.parquet"))
    before = pl.read_parquet(lost)
    lost.unlink()
    assert cells(planned(done)) == {str(lost.relative_to(done))}
    python = sys.executable
    printed = subprocess.run(
        [python, "-m", "junkdna", "plan", "--commands"], cwd=done, text=True, capture_output=True, check=True
    )
    [command] = printed.stdout.splitlines()
    subprocess.run(command.replace("python", python, 1), shell=True, cwd=done, check=True)
    assert pl.read_parquet(lost).equals(before)
    status = subprocess.run([python, "-m", "junkdna", "status"], cwd=done, text=True, capture_output=True, check=True)
    assert status.stdout.startswith("18 of 18 cells done")


def test_a_stale_cell_is_named_although_snakemake_forgot(done: Path) -> None:
    shutil.rmtree(done / ".snakemake")
    change(done, lambda study: study["tasks"]["mood"].update(protocol={"epochs": 3}))
    result = snakemake(done)
    assert result.returncode != 0
    assert "8 of 18 cells cannot be joined" in result.stdout
    assert "junkdna status --stale" in result.stdout


def test_a_failing_cell_shows_why_and_the_others_finish(done: Path) -> None:
    for file in done.glob("results/cells/tiny/*/*/magnitude-0.5/**/*.parquet"):
        file.unlink()
    tokens = next(done.glob("results/tokens/tiny/mood/**/*.arrow"))
    stamp = tokens.stat()
    tokens.write_bytes(tokens.read_bytes()[:100])
    import os

    os.utime(tokens, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    result = snakemake(done)
    assert result.returncode != 0
    assert str(tokens.relative_to(done)) in result.stdout
    assert len(list(done.glob("results/cells/tiny/colours/*/magnitude-0.5/**/*.parquet"))) == 2
    assert not list(done.glob("results/cells/tiny/mood/*/magnitude-0.5/**/*.parquet"))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda s: s.update(experimentz={}), "Did you mean 'experiments'"),
        (lambda s: s["experiments"]["modes"]["tasks"].append("modd"), "Did you mean 'mood'"),
        (lambda s: s["experiments"]["modes"]["compressions"].append({"method": "magnitude", "sparsity": 1.5}), "0..1"),
        (lambda s: s["tasks"]["mood"].update(file="tasks/gone.yaml"), "does not exist"),
        (lambda s: s["models"]["tiny"].update(local="modle"), "does not exist"),
        (lambda s: s["models"]["tiny"].update(local=None, wheel="minilm", path="x"), "unknown wheel 'minilm'"),
    ],
)
def test_a_bad_study_stops_before_any_job(toy_world_once: Path, tmp_path: Path, edit, said: str) -> None:
    folder = Path(shutil.copytree(toy_world_once, tmp_path / "world"))
    change(folder, edit)
    result = snakemake(folder)
    assert result.returncode != 0
    assert said in result.stdout
    assert not (folder / "results").exists()


def test_the_gpu_tag_is_one_with_gpus_and_nothing_without(toy_world_once: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy_world_once, tmp_path / "world"))
    fakes = {"JUNKDNA_FAKE_GPUS": "0,1,2,3", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    with_gpus = snakemake(folder, "-n", "-p", "--resources", "gpu=4", env=fakes)
    assert with_gpus.stdout.count("--gpus 1 ") == 18
    without = snakemake(folder, "-n", "-p", "--resources", "gpu=4")
    assert without.stdout.count("--gpus 0 ") == 18


def test_every_env_file_exists_and_parses() -> None:
    for rules in (ROOT / "rules").glob("*.smk"):
        for name in re.findall(r'"\.\./envs/(.+?)"', rules.read_text()):
            assert yaml.safe_load((ROOT / "envs" / name).read_text())["dependencies"]
