"""A fork of a process which has imported torch ends as `python -m junkdna` and `python -m snakemake` do."""

import re
import subprocess
from pathlib import Path

import pytest
from project import ROOT
from workflow_run import environment, python_folder


def python(folder: Path, *arguments: str, quick: bool) -> tuple[int, str, str]:
    """Exit code, output and errors, without what differs between two runs of Snakemake."""
    env = environment({"COLUMNS": "80"}, python_folder()) if quick else environment({"COLUMNS": "80"})
    done = subprocess.run(["/usr/bin/env", "python", *arguments], cwd=folder, env=env, text=True, capture_output=True)
    return done.returncode, *(PER_RUN.sub("", text) for text in (done.stdout, done.stderr))


PER_RUN = re.compile(r"(?m)^ +(Date|Workflow ID): .*\n|^\[.* \d{4}\]\n")
DRY = ("-s", str(ROOT / "workflow/Snakefile"), "--directory", ".", "--cores", "1", "-n")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-m", "junkdna", "plan", "--list"), 0),
        (("-m", "junkdna", "plan", "--study", "gone.yaml"), 2),
        (("-m", "junkdna", "nothing"), 2),
        (("-m", "snakemake", *DRY, "-q", "rules"), 0),
        (("-m", "snakemake", *DRY, "gone.txt"), 1),
        (("-m", "snakemake", "--version"), 0),
        (("-c", "import os, sys; print(os.getcwd()); sys.exit(7)"), 7),
    ],
)
def test_it_ends_as_under_the_real_python(world: Path, arguments: tuple[str, ...], code: int) -> None:
    quick = python(world, *arguments, quick=True)
    assert quick == python(world, *arguments, quick=False)
    assert quick[0] == code
    assert quick[1] or quick[2]
