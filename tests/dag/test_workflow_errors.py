"""An error in a study under Snakemake: one message, no traceback, a nonzero exit status."""

import subprocess
from pathlib import Path

import pytest
import toy
from job_server import quick_python
from project import ROOT
from toy_study import changed


def snakemake(*arguments: str) -> tuple[int, str]:
    command = [quick_python(), "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-n",), "bad.yaml: 1 mistake\n  study: "),
        (("--cores", "1"), "bad.yaml: 1 mistake\n  study: "),
        (("--lint",), "bad.yaml: 1 mistake\n  study: "),
        (("-n", "--config", "study_file=config.yaml", "cells_per_job=abc"), "with --config cells_per_job: 1 mistake\n"),
        (("-n", "--configfile", "octal.yaml"), "octal.yaml is not valid YAML: line 1"),
        (("-n", "--configfile", "tasks/mood.yaml"), "tasks/mood.yaml is a task file, not a study"),
        (("-n", "--config", "study_file=config.yaml", "experiments=contxt"), "Did you mean 'context'"),
    ],
)
def test_one_message(world, arguments, says):
    toy.write_yaml(Path("bad.yaml"), changed(toy.STUDY, "study", "../x"))
    Path("octal.yaml").write_text(f"cells_per_job: 020\n{Path('config.yaml').read_text()}")
    named = [*arguments, *([] if {"--configfile", "--config"} & {*arguments} else ["--config", "study_file=bad.yaml"])]
    code, text = snakemake(*named)
    assert code == 1
    assert says in text
    assert text.count(says) == 1
    assert 'File "' not in text
    assert "Traceback" not in text
    assert text.endswith("Nothing was run.\n")


def test_a_file_that_no_cell_of_the_study_needs_is_named_without_lines_of_python(world):
    names = ["results/models/nomodel/model.json", "results/examples/nothing/evaluate.parquet"]
    for file in names:
        code, text = snakemake("-n", "--configfile", "config.yaml", "--", file)
        assert code == 1
        assert f"No rule to produce {file}" in text
        assert 'File "' not in text


def test_a_configfile_and_config_go_together(world):
    code, text = snakemake("-n", "--configfile", "config.yaml", "--config", "experiments=modes", "bootstrap=300")
    assert code == 0, text
