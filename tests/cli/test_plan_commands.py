"""Commands that run single cells, pasted into a real shell as printed."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
import toy_connections
import toy_run
from job_server import python_folder, quick_python

from junkdna.cli.plan import cells_like, commands, missing_inputs
from junkdna.errors import UserError
from junkdna.run.connection_file import read_connection
from junkdna.run.trained_weights import TRAINED
from junkdna.study import grid
from junkdna.study.load import load_study, resolve


def printed(*arguments: str) -> subprocess.CompletedProcess:
    command = [quick_python(), "-m", "junkdna", "plan", "--commands", *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=False, timeout=120)


def in_bash(line: str) -> subprocess.CompletedProcess:
    folder = python_folder()
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(["bash", "-c", line], env=env, text=True, capture_output=True, check=False, timeout=120)


def test_one_cell_is_run_again_by_the_line_that_is_printed_for_it(world: Path) -> None:
    resolved = toy_run.read()
    toy_run.prepare(resolved)
    cell = grid.all_cells(resolved)[1]
    found = printed("--cell", f"./{cell.path}")
    assert (found.returncode, found.stderr) == (0, "")
    [line] = found.stdout.splitlines()
    for _ in range(2):  # and when it is there already
        done = in_bash(line)
        assert done.returncode == 0, done.stderr
        assert pl.read_parquet(cell.path)["cell"].item() == cell.key
        assert printed("--cell", cell.path).stdout.splitlines() == [line]
    assert cell.path not in printed().stdout


def test_names_that_a_shell_would_read_are_quoted(world: Path) -> None:
    """The names of classes stand in the settings of a cell as they are in the task's file."""
    labels = ["bad'; touch owned; '", "good $(touch owned)"]
    toy.write_yaml(world / "tasks/mood.yaml", {**toy.CLASSIFY_TASK, "labels": labels})
    lines = list(commands(resolve(toy.METHODS, "study")))
    assert len(lines) == 2 + 34 + 80
    assert any("touch owned" in line for line in lines)
    done = in_bash("\n".join(f": {line}" for line in lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert not Path("owned").exists()


def test_cells_are_named_by_file_log_key_or_pattern(world: Path) -> None:
    resolved = resolve(toy.STUDY, "study")
    cell = grid.all_cells(resolved)[0]
    for name in (cell.path, cell.key, f"results/logs/cells/{cell.key}.log"):
        assert cells_like(resolved, name) == [cell]
    assert {each.transfer for each in cells_like(resolved, "*/dense_freeze/*")} == {"dense_freeze"}
    assert len(cells_like(resolved, "*")) == len(grid.all_cells(resolved))


def test_a_cell_that_is_not_there_is_an_error_with_an_example(world: Path) -> None:
    with pytest.raises(UserError, match=r"matches no cell of the study.*results/cells/tiny/colours/plain/dense/none"):
        cells_like(resolve(toy.STUDY, "study"), "results/cells/tiny/colours/plain.parquet")
    found = printed("--cell", "nothing")
    assert (found.returncode, found.stdout) == (2, "")


def test_missing_inputs_are_listed(world: Path) -> None:
    resolved = resolve(toy.STUDY, "study")
    cell = grid.all_cells(resolved)[0]
    tokens = "results/tokens/tiny/colours/plain/default/evaluate.arrow"
    assert missing_inputs([cell], resolved) == ["results/models/tiny/model.json", tokens]
    found = printed("--cell", cell.path)
    assert tokens in found.stderr
    assert found.stdout.startswith("python -m junkdna cell results/cells/")


def test_a_cell_without_commands_is_a_mistake(world: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "junkdna", "plan", "--cell", "x"], text=True, capture_output=True, check=False
    )
    assert found.returncode == 2
    assert "--commands" in found.stderr


def test_inputs_of_other_settings_are_rebuilt(world: Path) -> None:
    """After the calibration's texts have changed, both commands that come before the cell's are printed."""
    resolved = toy_run.read("methods.yaml")
    cell = next(cell for cell in grid.all_cells(resolved) if cell.key.startswith("tiny/hues/plain/wanda-0.5"))
    toy_run.prepare(resolved, [cell])
    toy_run.run(cell, resolved)
    assert missing_inputs([cell], resolved) == []
    assert [line.split(" junkdna ")[1].split()[0] for line in commands(resolved, [cell])] == ["cell"]
    study = copy.deepcopy(toy.METHODS)
    study["calibrations"]["phrases"]["samples"] = 5
    study["tasks"]["hues"] = {**study["tasks"]["hues"], "limits": {"evaluate": 20}}
    other = resolve(study, "study")
    assert missing_inputs([cell], other) == [cell.tokens_path("evaluate")]
    assert [line.split(" junkdna ")[1].split()[0] for line in commands(other, [cell])] == [
        "calibration",
        "compress",
        "cell",
    ]


def test_the_messages_of_a_printed_command_learn_the_study(world: Path) -> None:
    resolved = load_study(Path("settings.yaml"))
    assert next(iter(commands(resolved))).startswith("JUNKDNA_STUDY=settings.yaml python -m junkdna ")


def test_cells_that_run_by_hand_keep_the_weights_for_the_commands_of_their_lines(world: Path) -> None:
    resolved = toy_connections.read(seeds=[0])
    toy_run.prepare(resolved)
    lines = printed().stdout.splitlines()
    assert [line.split()[3] for line in lines] == ["cell"] * len(grid.all_cells(resolved)) + ["connect"]
    trained = [line for line in lines if "--keep-weights-for" in line]
    assert len(trained) == 2
    for line in [*trained, lines[-1]]:
        done = in_bash(line)
        assert done.returncode == 0, done.stderr
    [scored] = toy_connections.all_connections(resolved)
    assert read_connection(Path(scored.path))[1]["weights"] == ["kept", "kept"]
    assert not [*TRAINED.iterdir()]
    wrong = in_bash(trained[0].replace("--keep-weights-for ", "--keep-weights-for ../"))
    assert (wrong.returncode, "must be fingerprints" in wrong.stderr) == (2, True)
