"""A full GPU or machine is one message with the stage and the fix, wherever an allocation fails."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import toy_connections
import toy_run

from junkdna.cli import jobs
from junkdna.errors import UserError
from junkdna.run import connect as connect_job
from junkdna.run import waiting_cells
from junkdna.run.full_memory import explained_full_memory
from junkdna.study import grid
from junkdna.study.compress_settings import compressed_settings
from junkdna.study.connections import Connection

RAW = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB."


def full(*args: object, **more: object) -> None:
    raise torch.OutOfMemoryError(RAW)


PLACES = {
    "loading the model": "junkdna.run.cell._load",
    "compressing": "junkdna.run.cell._compress",
    "training": "junkdna.train.finetune._step",
    "scoring": "junkdna.run.cell._repeatable_attention",
}
FIX = dict.fromkeys(PLACES, "Lower cells_per_gpu") | {"training": "Lower batch_size or max_length"}


@pytest.mark.parametrize("stage", PLACES)
def test_a_cell_that_runs_alone(world: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    resolved = toy_run.read()
    cell = next(cell for cell in grid.all_cells(resolved) if cell.transfer == "sparse")
    toy_run.prepare(resolved, [cell])
    monkeypatch.setattr(PLACES[stage], full)
    with pytest.raises(UserError) as caught:
        toy_run.run(cell, resolved)
    assert str(caught.value).startswith(f"{cell.key} ran out of the memory of the GPU while {stage} ({RAW[:40]}")
    assert FIX[stage] in str(caught.value)
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)
    assert not Path(cell.path).exists()


def test_stored_compressions(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = toy_run.read("methods.yaml")
    cell = next(cell for cell in grid.all_cells(resolved) if cell.compressed_path and not cell.compression.calibrated)
    jobs.model(toy_run.manifest(cell.model), toy_run.study_settings.model_settings(cell.model, resolved))
    monkeypatch.setattr("junkdna.compress.store.make_compressed", full)
    settings = compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    with pytest.raises(UserError, match=f"^{cell.compression.tag} ran out of the memory of the GPU while compressing"):
        jobs.compress(Path(cell.compressed_path), settings, toy_run.manifest(cell.model), None, gpus=0, threads=1)


def test_lines_between_cells(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = toy_connections.read()
    line: Connection = toy_connections.all_connections(resolved)[0]
    monkeypatch.setattr(connect_job, "connect", full)
    with pytest.raises(UserError, match=f"^{line.path} ran out of the memory of the GPU .CUDA out of memory"):
        toy_connections.connect(line, resolved)


def run_out(allocate: Callable, what: str = "a job") -> str:
    with pytest.raises(UserError) as caught, explained_full_memory(what):
        allocate()
    return str(caught.value)


def test_the_memory_of_the_machine_by_what_torch_and_python_raise_themselves() -> None:
    for allocate in (lambda: torch.empty(1 << 60, dtype=torch.uint8), lambda: bytearray(1 << 60)):
        text = run_out(allocate)
        assert text.startswith("a job ran out of the memory of this machine (")
        assert text.endswith(
            "Run fewer jobs at a time (`--cores`), end other programs, or use a machine with more memory."
        )


@pytest.mark.parametrize("text", ["CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", "CUDA error: out of memory"])
def test_libraries_that_raise_another_error(text: str) -> None:
    def fails() -> None:
        raise RuntimeError(text)

    assert f"the GPU ({text}" in run_out(fails)


@pytest.mark.parametrize(
    "error", [RuntimeError("a size does not match"), ValueError("out of memory"), KeyboardInterrupt()]
)
def test_other_errors_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, explained_full_memory("a job"):
        raise error
    assert caught.value is error


def test_every_other_command_says_it_too(world: Path) -> None:
    code = (
        "from junkdna.cli import main, study_commands\n"
        "study_commands._print_study = lambda args: bytearray(1 << 60)\n"
        "main.main(['where'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("junkdna where ran out of the memory of this machine (MemoryError). Run fewer jobs")
    assert "Traceback" not in done.stderr


def test_a_cell_of_a_batch_says_it_in_the_log(world: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    resolved = toy_run.read()
    own, other = [cell for cell in grid.all_cells(resolved) if cell.transfer == "none" and cell.task == "colours"][:2]
    toy_run.prepare(resolved, [own, other])
    caplog.set_level("INFO")
    ran = toy_run.settings_of(own, resolved)
    monkeypatch.setattr(waiting_cells, "others_of_run", lambda _: iter([toy_run.settings_of(other, resolved)]))
    jobs.cell(Path(own.path), ran, gpus=0, threads=1, bar=iter)  # loads what both share
    Path(own.path).unlink()
    compress = connect_job.Prepared.compress
    monkeypatch.setattr(
        connect_job.Prepared,
        "compress",
        lambda cell, *args: full() if cell.key == other else compress(cell, *args),
    )
    jobs.cell(Path(own.path), ran, gpus=0, threads=1, bar=iter, batch=1)
    assert f"{other.key} failed in this batch ({other.key} ran out of the memory of the GPU" in caplog.text
