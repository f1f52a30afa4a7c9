"""What a method declares counts for its own cells alone; what it says to people counts for none."""

import shutil
from pathlib import Path

import pytest
import toy

from junkdna.storage import fingerprint
from junkdna.study import settings_from_study
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve
from junkdna.study.study import Resolved


@pytest.fixture
def methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the methods in a copy of the package that fingerprints are taken of, to be edited."""
    package = tmp_path / "junkdna"
    shutil.copytree(fingerprint.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "PACKAGE", package)
    forget()
    yield package / "compress" / "methods"
    monkeypatch.undo()
    forget()


@pytest.fixture
def resolved(world: Path) -> Resolved:
    return resolve(toy.METHODS, "study")


def forget() -> None:
    for cached in (fingerprint.code_fingerprint, fingerprint._read):
        cached.cache_clear()


def moved_by(file: Path, old: str, new: str, resolved: Resolved) -> set[str]:
    """The methods whose cells get other settings when a file is edited."""

    def texts() -> dict:
        forget()
        return {cell: settings_from_study.settings_text(cell, resolved) for cell in all_cells(resolved)}

    before, text = texts(), file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    after = texts()
    return {cell.compression.method for cell in before if before[cell] != after[cell]}


@pytest.mark.parametrize(
    ("method", "old", "new"),
    [
        ("wanda", 'statistics="square_sums"', 'statistics="gram"'),
        ("sparsegpt", 'guarantee="matrix"', 'guarantee="row"'),
        ("nm", 'over="matrix"', 'over="model"'),
        ("rtn", '"default": 128', '"default": 64'),
        ("gptq", '"default": 128', '"default": 64'),
        ("magnitude", '"prunes_more": True', '"prunes_more": False'),
        ("largest", 'scope=("embeddings",)', "scope=()"),
        ("random", "random=True", "random=False"),
    ],
)
def test_a_declaration_moves_the_cells_of_its_method_alone(methods, resolved, method, old, new):
    assert moved_by(methods / f"{method}.py", old, new, resolved) == {method}


@pytest.mark.parametrize(
    ("method", "old", "new"),
    [
        ("wanda", 'label="Wanda"', 'label="WANDA"'),
        ("random", 'caption="random weights', 'caption="any weights'),
        ("gptq", "line_style=(0, (6.5, 1.2", 'line_style=("other", (6.5, 1.2'),
        ("magnitude", 'meaning="prune', 'meaning="remove'),
        ("svd", 'source="Eckart', 'source="C. Eckart'),
        ("rtn", '"meaning": "consecutive inputs', '"meaning": "inputs side by side'),
        ("rtn", '{0: "one group per row"', '{0: "a group for each row"'),
    ],
)
def test_words_and_looks_move_no_cell(methods, resolved, method, old, new):
    assert moved_by(methods / f"{method}.py", old, new, resolved) == set()
