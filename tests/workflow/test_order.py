"""The order in which jobs start on a machine with few cores."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from project import ROOT, python_path
from workflow_run import environment, snakemake_command

from junkdna.study.grid import all_cells
from junkdna.study.load import load_study

pytestmark = pytest.mark.dag
PYTHON = """#!/bin/sh
# python -m junkdna JOB OUTPUT ...: notes the job and leaves an empty file
echo "$3" >> jobs.txt
mkdir -p "$(dirname "$4")"
touch "$4"
"""


def test_inputs_are_made_before_cells(world: Path, tmp_path: Path) -> None:
    """Otherwise the cells of the first task would take all cores, and other GPUs would wait for tokens."""
    shutil.copy("settings.yaml", "config.yaml")
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(PYTHON)
    python.chmod(0o755)
    env = environment({"PYTHONPATH": python_path(ROOT)})
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"
    targets = [cell.path for cell in all_cells(load_study(Path("config.yaml")))]
    command = snakemake_command(Path.cwd(), "--cores", "1", "--", *targets)
    done = subprocess.run(command, env=env, cwd=ROOT, text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = Path("jobs.txt").read_text().split()
    assert jobs.count("cell") == len(targets)
    inputs = [at for at, job in enumerate(jobs) if job in ("wheel", "model", "examples", "tokenize")]
    assert len(inputs) > 10
    assert max(inputs) < jobs.index("cell")
