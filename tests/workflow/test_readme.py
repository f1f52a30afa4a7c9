"""The README's own examples work: its commands exist, its YAML is valid and reads real data, it is short."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
import toy
import yaml
from project import ROOT

from junkdna.cli.main import parser
from junkdna.data.examples import load_examples
from junkdna.study import grid, source_settings
from junkdna.study.load import resolve
from junkdna.study.task_files import builtin_tasks

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


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
        table = load_examples(source_settings.example_settings("rte", role, resolved))
        assert table.num_rows == rows
        assert all(table["text_b"].to_pylist())


def test_the_study_of_the_readme_is_valid(world: Path) -> None:
    toy.write_yaml(world / "my_tasks/rte.yaml", block("# my_tasks/rte.yaml"))
    resolved = resolve({"study": "readme", **block("# config.yaml")}, "README.md")
    assert {cell.transfer for cell in grid.all_cells(resolved)} == {"dense", "sparse"}


def shell_lines(page: Path, program: str) -> list[list[str]]:
    """The words of every command of a program in the page's blocks of shell commands."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL))
    plain = blocks.replace("\\\n", " ").replace("CLONE", str(ROOT))
    commands = [shlex.split(line, comments=True) for line in plain.splitlines()]
    return [words[: words.index("|")] if "|" in words else words for words in commands if words[:1] == [program]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_pages_are_read(page: Path) -> None:
    for words in shell_lines(page, "junkdna"):
        assert parser().parse_args(words[1:]).command == words[1]
    for words in shell_lines(page, "snakemake"):
        given, _ = snakemake_options().parse_known_args(words[1:])
        profile = given.workflow_profile
        assert profile is None or any((ROOT / folder / profile).is_dir() for folder in ("", "workflow/profiles")), words
        assert given.snakefile is None or Path(given.snakefile).is_file()
        studies = [text.partition("=")[2] for text in given.config or [] if text.startswith("study_file=workflow")]
        assert all((ROOT / study).is_file() for study in studies), words


def snakemake_options() -> argparse.ArgumentParser:
    """The options of Snakemake that name files of the project."""
    options = argparse.ArgumentParser(allow_abbrev=False)
    options.add_argument("--workflow-profile")
    options.add_argument("-s", "--snakefile")
    options.add_argument("--config", nargs="+")
    return options


def test_the_readme_has_the_commands_of_a_run() -> None:
    named = {words[1] for words in shell_lines(ROOT / "README.md", "junkdna")}
    assert {"plan", "status", "partial", "fetch"} <= named
    assert shell_lines(ROOT / "README.md", "snakemake")


def test_the_readme_is_short_and_counts_the_tasks() -> None:
    assert len(README.split()) <= 960
    assert int(re.search(r"(\d+) tasks\]", README)[1]) == len(builtin_tasks())


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"run", "test"} <= targets
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        assert (page.parent / path).exists(), target
        headings = re.findall(r"(?m)^#+ (.+)$", (page.parent / path).read_text()) if anchor else []
        assert not anchor or anchor in [re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings]


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert not [page for page in pages if f"({page})" not in index and page != Path("README.md")]


def test_the_packages_of_the_architecture_are_those_of_the_code() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    rows = [name for line in re.findall(r"(?m)^\| (`[a-z`, ]+`) \|", page) for name in re.findall(r"`(\w+)`", line)]
    layers = re.search(
        r"LAYERS = \[(.*?)\]\nBOTTOM = \[(.*?)\]", (ROOT / "tests/test_layers.py").read_text(), re.DOTALL
    )
    every = [name for group in layers.groups() for name in re.findall(r'"(\w+)"', group)]
    assert rows == [name for name in every if not name.startswith("__")]
