"""Tables of another version of a study are printed with a warning."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import toy

from junkdna.cli import results_commands, tables
from junkdna.cli.main import parser
from junkdna.cli.other_version import other_version
from junkdna.dag.inputs import study_text
from junkdna.study.load import resolve

FOLDER = Path("results/studies/toy")


def longer(study: dict) -> None:
    study["experiments"]["modes"]["seeds"] = [0, 1, 2, 3, 4]


def fewer_draws(study: dict) -> None:
    study["bootstrap"] = 999


def other_tables(study: dict) -> None:
    study["claims"] = {"margin": 0.2}


@pytest.fixture
def made(world: Path) -> dict:
    """A study whose tables are there."""
    FOLDER.mkdir(parents=True)
    (FOLDER / "study-1.json").write_text(study_text(resolve(toy.STUDY, "study")), encoding="utf-8")
    return copy.deepcopy(toy.STUDY)


@pytest.mark.parametrize(
    ("change", "named"),
    [(longer, "experiments.modes"), (fewer_draws, "bootstrap"), (other_tables, "claims.margin")],
)
def test_what_differs_is_named(made: dict, change: Callable, named: str) -> None:
    change(made)
    warning = other_version(resolve(made, "study"), FOLDER)
    assert f"another version of this study, study-1.json (it differs in {named}). " in warning
    assert "snakemake --cores all" in warning


def test_a_changed_task_file_counts(made: dict) -> None:
    task = Path("tasks/colours.yaml")
    task.write_text(task.read_text().replace("title: ", "title: Other ", 1))
    assert "differs in the file of task colours" in other_version(resolve(made, "study"), FOLDER)


def test_the_same_study_and_selections_of_it_are_no_other_version(made: dict) -> None:
    assert other_version(resolve(made, "study"), FOLDER) == ""
    made |= {"run": [next(iter(made["experiments"]))], "cells_per_job": 7}
    assert other_version(resolve(made, "study"), FOLDER) == ""


def test_a_folder_that_does_not_say_is_left_alone(made: dict) -> None:
    longer(made)
    (FOLDER / "study-1.json").write_text("{", encoding="utf-8")
    assert other_version(resolve(made, "study"), FOLDER) == ""
    (FOLDER / "study-1.json").unlink()
    assert other_version(resolve(made, "study"), FOLDER) == ""


@pytest.mark.parametrize("command", ["claims", "drops", "published"])
def test_commands_warn_and_print(made: dict, command: str, monkeypatch: pytest.MonkeyPatch, caplog: object) -> None:
    longer(made)
    toy.write_yaml(Path("config.yaml"), made)
    printer = sys.modules["junkdna.cli.published"] if command == "published" else tables
    monkeypatch.setattr(printer, command, lambda *_: ["table"])
    results_commands._print_tables(parser().parse_args([command]))
    assert "another version of this study" in caplog.text
