"""The package depends on what it imports and nothing else, from the versions on that `make test-lowest` tests."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = {canonicalize_name(each.name): each for each in map(Requirement, PROJECT["dependencies"])}


def imported() -> set[str]:
    """Top-level names that some file of the package imports, at its top, in a function or for types only."""
    names = set()
    for file in (ROOT / "junkdna").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.partition(".")[0])
    return names - {"junkdna", *sys.stdlib_module_names}


def test_the_package_depends_on_what_it_imports_and_nothing_else() -> None:
    known = packages_distributions()
    sources = {name: {canonicalize_name(each) for each in known[name]} for name in imported()}
    assert [name for name, distributions in sources.items() if not distributions & set(WANTED)] == []
    assert set(WANTED) - set.union(*sources.values()) == set()


def test_the_lowest_versions_are_those_that_are_tested() -> None:
    lines = [line for line in (ROOT / "constraints-lowest.txt").read_text().splitlines() if line[:1].isalnum()]
    pins = {canonicalize_name(pin.name): pin.specifier for pin in map(Requirement, lines)}
    assert pins.keys() == WANTED.keys()
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    assert pins.pop("torch") == Requirement(torch).specifier
    for name, pin in pins.items():
        assert str(WANTED[name].specifier) == str(pin).replace("==", ">="), name


def test_the_conda_environments_have_the_pins_of_constraints_txt() -> None:
    """envs/junkdna.yaml holds all that the package depends on, and what reads GGUF files."""
    pinned = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    used = {name: yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"][-1]["pip"]
            for name in ("junkdna", "lm-eval")}  # fmt: skip
    assert [line for lines in used.values() for line in lines if line not in pinned] == ["lm-eval==0.4.13"]
    gguf = {Requirement(line).name for line in PROJECT["optional-dependencies"]["gguf"]}
    assert {Requirement(line).name for line in used["junkdna"]} == {*WANTED, *gguf}
