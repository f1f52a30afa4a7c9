"""Runs the project's workflow in a folder, with the real Snakemake."""

import os
import re
import subprocess
import sys
from pathlib import Path

import toy
import yaml
from job_server import python_folder, quick_python
from project import ROOT


def snakemake(folder: Path, *arguments: str, env: dict | None = None) -> subprocess.CompletedProcess:
    """Run the project's workflow in `folder`; stdout and stderr come back together in `stdout`.

    It and its jobs are forks of one process (`job_server`), which is as good where starts and kills are not the point.
    """
    command = [quick_python(), *snakemake_command(folder, *arguments)[1:]]
    return subprocess.run(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment(env, python_folder()), check=False, timeout=1800,
    )  # fmt: skip


def snakemake_command(folder: Path, *arguments: str) -> list[str]:
    """The project's workflow in `folder` on two cores."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--directory", str(folder)]
    return [*command, "--cores", "2", *arguments]


def environment(more: dict | None = None, python: Path = Path(sys.executable).parent) -> dict:
    """This process's environment, without GPUs, with this Python first: rules call `python`."""
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "CUDA_VISIBLE_DEVICES": "", **(more or {})}


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
