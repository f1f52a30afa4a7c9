"""The README's own examples work: its commands exist, its task file is valid and reads real data."""

import re
from pathlib import Path

import pytest
import toy
import yaml
from project import ROOT

from junkdna.cli.main import parser
from junkdna.data.load_examples import load_examples
from junkdna.study import grid, settings
from junkdna.study.load import resolve

README = (ROOT / "README.md").read_text()


def block(start: str) -> dict:
    """The YAML block of the README whose first line is `start`."""
    found = re.search(rf"```yaml\n({re.escape(start)}.*?)```", README, flags=re.DOTALL)
    return yaml.safe_load(found[1])


def study_with_rte(folder: Path, rte_folder: str):
    toy.write_yaml(folder / "my_tasks/rte.yaml", block("# my_tasks/rte.yaml"))
    entry = {"file": "my_tasks/rte.yaml", "source": "local", "folder": rte_folder}
    study = {**toy.STUDY, "tasks": {**toy.STUDY["tasks"], "rte": entry}}
    study["experiments"] = {"modes": {**toy.STUDY["experiments"]["modes"], "tasks": ["rte"]}}
    return resolve(study, "study")


def test_the_task_file_of_the_readme_is_valid(world: Path) -> None:
    resolved = study_with_rte(world, "data")
    assert resolved.tasks["rte"].class_names() == ["entailment", "not_entailment"]
    assert len(grid.all_cells(resolved)) == 8


@pytest.mark.shared
def test_the_task_file_of_the_readme_reads_rte(world: Path, shared: Path) -> None:
    resolved = study_with_rte(world, str(shared / "data/glue/rte"))
    for role, rows in (("train", 2490), ("evaluate", 277)):
        table = load_examples(settings.example_settings("rte", role, resolved))
        assert table.num_rows == rows
        assert all(table["text_b"].to_pylist())


def test_every_subcommand_of_the_readme_exists() -> None:
    named = set(re.findall(r"junkdna (plan|status|doctor|tasks|where|cell)\b", README))
    assert {"plan", "status", "doctor", "tasks"} <= named
    for command in named - {"cell"}:
        assert parser().parse_args([command]).command == command


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"run", "test"} <= targets
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets


def test_paths_of_the_readme_exist() -> None:
    for path in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (ROOT / path).is_file(), path
