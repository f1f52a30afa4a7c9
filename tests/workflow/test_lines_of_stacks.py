"""A real run of Snakemake with lines between cells of stacks: the weights that are trained again are those kept."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import stack_run
import toy
import toy_connections
from project import ROOT, python_path
from torch.cuda import device_count
from workflow_run import environment, snakemake_command

from junkdna.dag.connection_states import connections_left
from junkdna.run.connection_file import read_connection
from junkdna.run.trained_weights import TRAINED
from junkdna.study.connections import all_connections
from junkdna.study.load import load_study

pytestmark = pytest.mark.long


def write_study(**protocol: object) -> None:
    """The study of lines, whose protocol has a stack and more."""
    study = toy_connections.STUDY
    own = {**study["protocols"]["default"], "stack": stack_run.SIZE, **protocol}
    toy.write_yaml(Path("config.yaml"), {**study, "protocols": {"default": own}})


def check_weights_are_repeated(run: Callable[..., None]) -> None:
    """Score all lines from kept weights, then again from weights that are trained again: the same files."""
    resolved = load_study(Path("config.yaml"))
    lines = all_connections(resolved)
    run(*(line.path for line in lines))
    kept = {line: read_connection(Path(line.path)) for line in lines}
    for _, footer in kept.values():
        assert footer["weights"] == ["kept", "kept"]
        assert footer["engines"] == [{"engine": "stack", "size": stack_run.SIZE}] * 2
        assert max(map(abs, footer["differences"])) <= 1e-6
    assert not [*TRAINED.iterdir()]
    shutil.rmtree("results/connectivity")
    assert connections_left(resolved) == lines
    run(*(line.path for line in lines))
    for line, (table, _) in kept.items():
        again, footer = read_connection(Path(line.path))
        assert footer["weights"] == ["trained again", "trained again"]
        assert max(footer["allowed_differences"]) <= 1e-6
        assert again.equals(table), "every point, with all predictions and losses"
    assert not [*TRAINED.iterdir()]


def finished(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, cwd=ROOT, text=True, capture_output=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr


def test_on_a_cpu_that_stacks(world: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Product code stacks on GPUs alone; here every process of the run does."""
    write_study()
    site = stack_run.site_folder(tmp_path_factory.mktemp("site") / "site")
    env = environment({"PYTHONPATH": python_path(site, ROOT)})
    check_weights_are_repeated(lambda *targets: finished(snakemake_command(Path.cwd(), "--", *targets), env))


@pytest.mark.gpu
@pytest.mark.skipif(device_count() == 0, reason="needs a CUDA device, and torch sees none")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu(world: Path, precision: str) -> None:
    write_study(precision=precision)
    env = {**os.environ, "PATH": environment()["PATH"], "PYTHONPATH": python_path(ROOT)}
    gpus = ("--resources", f"gpu={device_count()}")
    check_weights_are_repeated(lambda *targets: finished(snakemake_command(Path.cwd(), *gpus, "--", *targets), env))
