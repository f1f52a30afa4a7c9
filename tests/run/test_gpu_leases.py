"""GPU leases under the real Snakemake and the rules of the project, on four simulated devices.

Each job takes its lease as ever and writes down what it was given. In place of computing it holds the lease for a
while, since torch finds no such devices. `test_gpu.py` does the same on real GPUs, with real cells.
"""

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gpu_run
import pytest
import torch
import toy_run

from junkdna.cli import jobs
from junkdna.errors import UserError
from junkdna.run import gpus as run_gpus
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import calibration_path

pytestmark = pytest.mark.dag

HOLD = """
import inspect
from junkdna.cli import jobs as stages

signature = inspect.signature(stages.cell)

def hold(*arguments, **options):
    bound = signature.bind(*arguments, **options)
    bound.apply_defaults()
    with devices.lease(bound.arguments["gpus"], bound.arguments["cells_per_gpu"]):
        time.sleep(2)
    bound.arguments["output"].write_text("held")

stages.cell = hold
"""


def run(folder: Path, gpus: int, per_gpu: int, targets: list[str]) -> list[dict]:
    """The leases that the jobs of one Snakemake run wrote down, by start."""
    (folder / "leases.jsonl").unlink(missing_ok=True)
    env = gpu_run.recording_environment(folder, HOLD) | {
        "JUNKDNA_FAKE_GPUS": "0,1,2,3", "JUNKDNA_LOCKS": str(folder / "locks"),
    }  # fmt: skip
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        env.pop(name, None)
    command = gpu_run.workflow_command(folder, gpus, targets, per_gpu, cores="16")
    result = subprocess.run(
        command, cwd=gpu_run.ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        timeout=600,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    return sorted(gpu_run.read_leases(folder), key=lambda lease: lease["start"])


@pytest.mark.long
def test_four_cells_at_a_time_on_four_gpus_and_then_two_on_each(world: Path) -> None:
    resolved = toy_run.read()
    toy_run.prepare(resolved)
    files = [cell.path for cell in grid.all_cells(resolved)]
    check(run(world, 4, 1, files[:12]), files[:12], 1)
    for file in files[:2]:
        Path(file).unlink()
    check(run(world, 8, 2, files), files[:2] + files[12:], 2)  # another number alone makes no cell run again


def check(leases: list[dict], made: list[str], per_gpu: int) -> None:
    assert sorted(lease["cell"] for lease in leases) == sorted(made)
    assert {lease["device"] for lease in leases} == {"cuda:0"}
    assert gpu_run.leases_at_once(leases) == 4 * per_gpu
    held = {name: [lease for lease in leases if lease["visible"] == name] for name in "0123"}
    assert {gpu_run.leases_at_once(each) for each in held.values()} == {per_gpu}
    first = Counter(lease["visible"] for lease in leases[: 4 * per_gpu])
    assert first == dict.fromkeys("0123", per_gpu), "the first jobs did not spread over all GPUs"


def test_cells_and_compressions_lease_with_their_options(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the jobs above leave out: the real stages, on a pretended GPU for which the CPU stands in."""
    resolved = toy_run.read("methods.yaml")
    toy_run.prepare(resolved)
    monkeypatch.setenv("JUNKDNA_FAKE_GPUS", "0")
    monkeypatch.setenv("JUNKDNA_LOCKS", "locks")
    lease, given = run_gpus.lease, []

    @contextmanager
    def on_the_cpu(gpus: int, cells_per_gpu: int) -> Iterator[str]:
        with lease(gpus, cells_per_gpu) as device:
            assert device == "cuda:0"
            given.append((gpus, cells_per_gpu))
            yield "cpu"

    monkeypatch.setattr(run_gpus, "lease", on_the_cpu)
    cell = next(cell for cell in grid.all_cells(resolved) if cell.compressed_path)
    Path(cell.compressed_path).unlink()
    settings = study_settings.compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    rows = Path(calibration_path(cell.model, "phrases", cell.seed))
    jobs.compress(Path(cell.compressed_path), settings, toy_run.manifest(cell.model), rows, 1, 1, cells_per_gpu=2)
    jobs.cell(Path(cell.path), toy_run.settings_of(cell, resolved), 1, 1, iter, cells_per_gpu=3)
    assert given == [(1, 2), (1, 3)]
    assert {file.name for file in Path("locks").glob("gpu-0-*")} == {f"gpu-0-{place}.lock" for place in range(3)}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a torch that cannot use a GPU")
def test_a_gpu_that_torch_cannot_use_is_an_error_with_a_fix(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = toy_run.read()
    cell = grid.all_cells(resolved)[0]
    monkeypatch.setenv("JUNKDNA_FAKE_GPUS", "0")
    monkeypatch.setenv("JUNKDNA_LOCKS", "locks")
    with pytest.raises(UserError, match=r"torch .* cannot use it\. .*--resources gpu=0"):
        jobs.cell(Path(cell.path), toy_run.settings_of(cell, resolved), 1, 1, iter)
    assert not Path(cell.path).exists()
