"""Declarations are read from the text of a file, never by importing it."""

from pathlib import Path

import pytest

from junkdna.study import declarations


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the package `things`, which declarations are read from."""
    monkeypatch.setattr(declarations, "PACKAGE", tmp_path)
    (tmp_path / "things").mkdir()
    return tmp_path / "things"


def test_each_file_gives_its_literals_and_is_not_imported(folder):
    (folder / "__init__.py").write_text("")
    (folder / "b.py").write_text(
        '"""B."""\n\nimport no_such_module\n\nTHING = Thing(label="B", levels=("x",), most=-1)\n'
    )
    (folder / "a.py").write_text("THING = Thing(options={'group': {'default': 0}})\n")
    found = declarations.build_declarations("things", "THING", lambda _, declared: declared)
    assert found == {"a": {"options": {"group": {"default": 0}}}, "b": {"label": "B", "levels": ("x",), "most": -1}}
    assert [*found] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"a\.py: no declaration; the file must start with THING = Thing\("),
        ("\nTHING = 3\n", r"a\.py:2: THING must be a call with keyword arguments only"),
        ("THING = Thing('a')\n", r"a\.py:1: THING must be a call with keyword arguments only"),
        ("THING = Thing(**more)\n", r"a\.py:1: THING must be a call with keyword arguments only"),
        ("THING = Thing(\n    label=name)\n", r"a\.py:2: label must be a literal"),
    ],
)
def test_a_file_that_declares_nothing_is_named_with_its_line(folder, text, message):
    (folder / "a.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        declarations.build_declarations("things", "THING", lambda _, declared: declared)
