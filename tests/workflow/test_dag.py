"""The whole workflow on the toy world, with the real Snakemake: what runs, what re-runs, what a user sees."""

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
import yaml
from job_server import DRAWN
from project import ROOT
from workflow_run import cells, change, environment, planned, snakemake

from junkdna.analysis.result_columns import check_columns
from junkdna.dag.disk import disk
from junkdna.dag.inputs import figure_files
from junkdna.dag.units import size_of
from junkdna.study.load import load_study

pytestmark = pytest.mark.dag


def settings_world(once: Path, folder: Path) -> Path:
    """A copy of the toy world in which config.yaml is the study of all six settings."""
    shutil.copytree(once, folder)
    shutil.copy(folder / "settings.yaml", folder / "config.yaml")
    return folder


@pytest.fixture(scope="module")
def finished(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = settings_world(toy_world_once, tmp_path_factory.mktemp("dag") / "world")
    result = snakemake(folder, env={DRAWN: "all"})
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished world, modification times and Snakemake's records included."""
    return Path(shutil.copytree(finished, tmp_path / "world"))


VIEWS = {"sparsity": ("", "-percent", "-score"), "transfer": ("", "-percent", "-retention"), "behavior": ("", "-kl")}
OF = {
    "data_adequacy": ("difficulty", "transfer", "behavior"),
    "option_count": ("difficulty", "sparsity", "behavior"),
    "context_length": ("difficulty", "sparsity", "behavior"),
    "shots": ("difficulty", "sparsity", "behavior"),
    "across_tasks": ("difficulty", "transfer", "behavior"),
    "cross_encoder": ("transfer", "behavior"),
    "factoid_vs_choice": ("difficulty", "sparsity", "behavior"),
}
FIGURES = ["headline", "headline-percent", "headline-score", "claims", "layers", "layers-sparsity", "margins"]
FIGURES += [f"{name}{view}_{exp}" for exp, names in OF.items() for name in names for view in VIEWS.get(name, ("",))]


def test_everything_is_made_and_a_second_run_has_nothing_to_do(finished: Path) -> None:
    assert len(list(finished.glob("results/cells/**/*.parquet"))) == 32
    folder = finished / "results/studies/settings"
    endings = ("pdf", "png", "svg", "csv")
    assert {file.name for file in folder.glob("figures/*")} == {f"{stem}.{end}" for stem in FIGURES for end in endings}
    assert min(file.stat().st_size for file in folder.glob("figures/*")) > 100
    assert "<html" in (folder / "report.html").read_text()
    drops = pl.read_parquet(folder / "tables/drops.parquet")
    rows = dict(drops["experiment"].value_counts().iter_rows())
    assert rows == {
        "data_adequacy": 4, "option_count": 8, "context_length": 6, "shots": 4, "across_tasks": 4, "cross_encoder": 2,
        "factoid_vs_choice": 4,
    }  # fmt: skip
    assert pl.read_csv(folder / "tables/drops.csv").height == drops.height
    reproduction = pl.read_parquet(folder / "tables/reproduction.parquet")
    assert reproduction.is_empty()  # no model of this study is one of the published curves
    check_columns("reproduction", reproduction)
    assert pl.read_csv(folder / "tables/reproduction.csv").columns == reproduction.columns
    again = snakemake(finished)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout
    assert not [file for file in finished.glob("results/**/.*") if file.suffix == ".tmp"]


def test_the_disk_that_was_planned_is_the_disk_that_is_taken(
    finished: Path, toy_world_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing, and part-way: within a fifth of what a run leaves, Snakemake's records included.

    What exists is right to a quarter only: logs and records are a guess per job, and small cells leave little else.
    """
    left = sum(size_of(finished / folder) for folder in ("results", ".snakemake"))
    planned_disk = []
    part = Path(shutil.copytree(finished, tmp_path / "part"))
    shutil.rmtree(part / "results/studies")
    for record in (part / ".snakemake/metadata").iterdir():
        if base64.b64decode(record.name).startswith(b"results/studies"):
            record.unlink()
    for file in list(part.glob("results/cells/**/*.parquet"))[::2]:
        file.unlink()
    for folder in (settings_world(toy_world_once, tmp_path / "fresh"), part):
        monkeypatch.chdir(folder)
        resolved = load_study(Path("config.yaml"))
        planned_disk.append(disk(resolved, figure_files(resolved, "results/studies/settings")))
    for found in planned_disk:
        assert 0.8 * left < found.final < 1.2 * left
        assert not found.unknown
    there = sum(size_of(part / folder) for folder in ("results", ".snakemake"))
    assert planned_disk[0].existing == 0
    assert abs(planned_disk[1].existing - there) < 0.25 * there
    assert abs(planned_disk[1].to_write - (left - there)) < 0.2 * (left - there)


def test_each_knob_reaches_its_cells(finished: Path) -> None:
    table = pl.read_parquet(finished / "results/studies/settings/tables/cells.parquet")
    assert set(table["kind"]) == {"choice", "classify", "generate", "pair", "regress"}
    assert {*table["truncated"]} == {0.0}

    def by_knobs(column: str, **facts: object) -> dict:
        return dict(table.filter(method="magnitude", **facts).select("knobs", column).iter_rows())

    assert by_knobs("n_train", task="mood") == {"": 64, "data_fraction=50": 32}
    assert by_knobs("steps", task="mood") == {"": 8, "data_fraction=50": 4}  # epochs are kept
    assert by_knobs("chance", task="hues", model="tiny", transfer="none") == {"": 0.25, "options=2": 0.5}
    llm = {"task": "hues", "model": "llm"}
    assert by_knobs("chance", protocol="letters", **llm) == {"": 0.25, "shots=2": 0.25}
    shown = by_knobs("score", protocol="letters", **llm), by_knobs("score", protocol="default", **llm)
    assert set(shown[0]) == {"", "shots=2"}
    assert set(shown[1]) == {"", "options=2"}
    assert set(by_knobs("score", task="named")) == {"", "context=4", "answer_span=masked,context=4"}


def test_sparsity_is_exact_and_modes_share_their_dense_cell(finished: Path) -> None:
    table = pl.read_parquet(finished / "results/studies/settings/tables/cells.parquet")
    masked = table.filter(pl.col("method") == "magnitude")
    assert ((masked["achieved_sparsity"] - masked["sparsity"]).abs() < 1e-3).all()
    drops = pl.read_parquet(finished / "results/studies/settings/tables/drops.parquet")
    for task in ("alike", "degree"):
        modes = drops.filter(experiment="across_tasks", task=task)
        dense = modes.filter(transfer="dense")["score"].item()
        assert (modes["dense_score"] == dense).all()


# --- what a change of the study makes anew ----------------------------------------------------------------------------


def test_a_new_task_plans_only_its_cells(done: Path) -> None:
    task = {**toy.CLASSIFY_TASK, "name": "mood2", "title": "Mood again"}
    toy.write_yaml(done / "tasks/mood2.yaml", task)

    def edit(study: dict) -> None:
        study["tasks"]["mood2"] = {"file": "tasks/mood2.yaml"}
        study["experiments"]["data_adequacy"]["tasks"].append("mood2")

    change(done, edit)
    new = planned(done)
    assert len(cells(new)) == 4
    assert all("/mood2/" in file for file in cells(new))
    made = {file for file in new if file.startswith(("results/examples", "results/tokens", "results/models"))}
    tokens = "results/tokens/tiny/mood2/plain/default"
    assert made == {f"{folder}/{role}.{end}" for folder, end in (("results/examples/mood2", "parquet"),
                    (tokens, "arrow")) for role in ("train", "evaluate")}  # fmt: skip


@pytest.mark.long
def test_new_knob_values_plan_their_cells_and_what_is_not_there_yet(done: Path) -> None:
    def edit(study: dict) -> None:
        study["experiments"]["data_adequacy"]["knobs"]["data_fraction"].append(25)
        study["experiments"]["shots"]["knobs"]["shots"].append(1)
        study["experiments"]["context_length"]["knobs"]["context"].append("passage")

    change(done, edit)
    new = planned(done)
    assert {"/".join(file.split("/")[2:5]) for file in cells(new)} == {
        "tiny/mood/data_fraction=25", "llm/hues/shots=1", "llm/named/context=passage",
        "llm/named/answer_span=masked,context=passage",
    }  # fmt: skip
    assert len(cells(new)) == 8
    assert {file for file in new if file.startswith(("results/tokens", "results/examples"))} == {
        "results/tokens/llm/hues/shots=1/letters/evaluate.arrow",
        "results/tokens/llm/named/context=passage/default/evaluate.arrow",
        "results/tokens/llm/named/answer_span=masked,context=passage/default/evaluate.arrow",
    }


def test_a_learning_rate_replans_only_its_task(done: Path) -> None:
    change(done, lambda study: study["tasks"]["mood"].update(protocol={"learning_rate": 5e-4}))
    new = planned(done)
    assert len(cells(new)) == 4
    assert all("/mood/" in file for file in cells(new))
    assert not any(file.startswith(("results/tokens", "results/examples", "results/models")) for file in new)


@pytest.mark.long
def test_fewer_train_rows_replan_the_cells_that_train(done: Path) -> None:
    change(done, lambda study: study["tasks"]["hues"].update(limits={"train": 16}))
    new = planned(done)
    assert len(cells(new)) == 2
    assert all("/hues/plain/" in file and "/cross/" in file for file in cells(new))
    assert {file for file in new if file.startswith(("results/tokens", "results/examples"))} == {
        "results/examples/hues/train.parquet", "results/tokens/tiny/hues/plain/cross/train.arrow",
    }  # fmt: skip


@pytest.mark.long
def test_a_new_level_plans_one_cell_a_condition(done: Path) -> None:
    level = {"method": "magnitude", "sparsity": 0.7}
    change(done, lambda study: study["experiments"]["option_count"]["compressions"].append(level))
    new = cells(planned(done))
    assert {file.split("/")[5] for file in new} == {"magnitude-0.7"}
    assert len(new) == 4


def test_keys_in_another_order_plan_nothing(done: Path) -> None:
    def edit(study: dict) -> None:
        for key in ("models", "tasks", "experiments"):
            study[key] = study.pop(key)
        study["tasks"] = dict(reversed(study["tasks"].items()))

    change(done, edit)
    assert cells(planned(done)) == set()


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_deleted_cell_comes_back_and_its_printed_command_runs_alone(done: Path) -> None:
    lost = next(done.glob("results/cells/llm/hues/shots=2/magnitude-0.5/**/*.parquet"))
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
    assert status.stdout.startswith("32 of 32 cells done")


@pytest.mark.long
def test_lost_records_of_snakemake_are_adopted(done: Path) -> None:
    shutil.rmtree(done / ".snakemake")
    touched = snakemake(done, "--touch")
    assert touched.returncode == 0, touched.stdout
    assert not planned(done)


def test_cells_per_job_shares_starts_and_changes_nothing_else(done: Path) -> None:
    change(done, lambda study: study.update(cells_per_job=4))
    assert planned(done) == set()
    lost = sorted(done.glob("results/cells/llm/hues/shots=2/**/*.parquet"))
    before = [pl.read_parquet(file) for file in lost]
    assert len(lost) > 1
    for file in lost:
        file.unlink()
    targets = [str(file.relative_to(done)) for file in lost]
    result = snakemake(done, "--cores", "1", "--", *targets)  # with two the jobs of both cells would begin at once
    assert result.returncode == 0, result.stdout
    for file, table in zip(lost, before, strict=True):
        assert pl.read_parquet(file).equals(table)
    logs = [done / "results/logs/cells" / file.relative_to(done / "results/cells").with_suffix(".log") for file in lost]
    assert any("computed by the job of another cell" in log.read_text() for log in logs)
    assert not (done / "results/batches").exists()


def test_a_stale_cell_is_named_although_snakemake_forgot(done: Path) -> None:
    shutil.rmtree(done / ".snakemake")
    change(done, lambda study: study["tasks"]["mood"].update(protocol={"epochs": 3}))
    result = snakemake(done)
    assert result.returncode != 0
    assert "4 of 32 cells cannot be joined" in result.stdout
    assert "junkdna status --stale" in result.stdout


def test_a_failing_cell_shows_why_and_the_others_finish(done: Path) -> None:
    for pattern in ("tiny/mood/*", "tiny/alike/plain"):
        for file in done.glob(f"results/cells/{pattern}/magnitude-0.5/sparse/**/*.parquet"):
            file.unlink()
    tokens = done / "results/tokens/tiny/mood/plain/default/train.arrow"
    stamp = tokens.stat()
    good = tokens.read_bytes()
    tokens.write_bytes(good[:100])
    os.utime(tokens, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    result = snakemake(done)
    assert result.returncode != 0
    _, _, end = result.stdout.rpartition("-" * 100)
    assert end.count("FAILED  cell results/cells/tiny/mood/") == 2
    assert end.count("is a corrupt tokens file") == 1  # one cause, said once
    assert str(tokens.relative_to(done)) in end
    assert "2 job(s) failed, 1 cause(s)." in end
    assert result.stdout.count("is a corrupt tokens file") == 1  # and nowhere before
    tokens.write_bytes(good)
    os.utime(tokens, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    again = re.findall(r"rerun:  (.+)", end)[0]
    run = subprocess.run(
        ["bash", "-c", again], cwd=done, env=environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    for file in again.split()[-2:]:
        assert (done / file).is_file()
        (done / file).unlink()
    assert len(list(done.glob("results/cells/tiny/alike/plain/magnitude-0.5/sparse/**/*.parquet"))) == 2
    assert not list(done.glob("results/cells/tiny/mood/*/magnitude-0.5/**/*.parquet"))


def test_rows_that_cannot_be_trained_on_stop_the_cell_before_training(toy_world_once: Path, tmp_path: Path) -> None:
    """A single row to train on holds one class alone; Snakemake shows what the job says."""
    folder = settings_world(toy_world_once, tmp_path / "world")
    change(folder, lambda study: study["tasks"]["mood"].update(limits={"train": 1}))
    target = "results/cells/tiny/mood/plain/dense/dense/default/seed-0.parquet"
    result = snakemake(folder, target)
    assert result.returncode != 0
    assert "task mood: there is only one row to train (class " in result.stdout
    assert not (folder / target).exists()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda s: s.update(experimentz={}), "Did you mean 'experiments'"),
        (lambda s: s["experiments"]["data_adequacy"]["tasks"].append("modd"), "Did you mean 'mood'"),
        (lambda s: s["experiments"]["shots"]["compressions"].append({"method": "magnitude", "sparsity": 1.5}), "0..1"),
        (lambda s: s["experiments"]["shots"]["knobs"].update(shots=[3]), "Valid: 0 to 2"),
        (lambda s: s["tasks"]["mood"].update(file="tasks/gone.yaml"), "does not exist"),
        (lambda s: s["models"]["tiny"].update(local="modle"), "does not exist"),
        (lambda s: s["models"]["tiny"].update(local=None, wheel="minilm", path="x"), "unknown wheel 'minilm'"),
    ],
)
def test_a_bad_study_stops_before_any_job(toy_world_once: Path, tmp_path: Path, edit, said: str) -> None:
    folder = settings_world(toy_world_once, tmp_path / "world")
    change(folder, edit)
    result = snakemake(folder)
    assert result.returncode != 0
    assert said in result.stdout
    assert not (folder / "results").exists()


@pytest.mark.long
def test_the_gpu_tag_is_one_with_gpus_and_nothing_without(toy_world_once: Path, tmp_path: Path) -> None:
    folder = settings_world(toy_world_once, tmp_path / "world")
    fakes = {"JUNKDNA_FAKE_GPUS": "0,1,2,3", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    with_gpus = snakemake(folder, "-n", "-p", "--resources", "gpu=4", env=fakes)
    assert with_gpus.stdout.count("--gpus 1 ") == 32
    without = snakemake(folder, "-n", "-p", "--resources", "gpu=4")
    assert without.stdout.count("--gpus 0 ") == 32


def test_every_env_file_exists_and_parses() -> None:
    for rules in (ROOT / "rules").glob("*.smk"):
        for name in re.findall(r'"\.\./envs/(.+?)"', rules.read_text()):
            assert yaml.safe_load((ROOT / "envs" / name).read_text())["dependencies"]
