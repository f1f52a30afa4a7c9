"""`junkdna schema` prints or writes what the package contains."""

import subprocess
from pathlib import Path

import pytest
from job_server import quick_python
from project import ROOT

from junkdna.cli.schema import schema_text, write_schema
from junkdna.errors import UserError


def schema(*words: str) -> subprocess.CompletedProcess:
    command = [quick_python(), "-m", "junkdna", "schema", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("kind", ["study", "task"])
def test_it_prints_the_schema_of_the_package(kind: str) -> None:
    done = schema(kind)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (ROOT / f"junkdna/schemas/{kind}.schema.json").read_text(encoding="utf-8")


def test_it_writes_a_file_or_says_why_not(tmp_path: Path) -> None:
    assert schema("task", str(tmp_path / "new/task.json")).returncode == 0
    written = (tmp_path / "new/task.json").read_bytes()
    assert written == (ROOT / "junkdna/schemas/task.schema.json").read_bytes()
    failed = schema("task", str(tmp_path / "new"))
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"{tmp_path / 'new'} is a folder. Name a file in it, such as")


@pytest.mark.parametrize("content", ["study: mine\n", "{}", '["a"]', "7", ""])
def test_only_an_older_schema_is_replaced(tmp_path: Path, content: str) -> None:
    """`junkdna schema study config.yaml` looks like a question about config.yaml."""
    file = tmp_path / "config.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="exists and is no JSON Schema, so it would be lost"):
        write_schema("study", file)
    assert file.read_text(encoding="utf-8") == content
    file.write_text('{"$schema": "http://json-schema.org/draft-07/schema#"}', encoding="utf-8")
    write_schema("study", file)
    assert file.read_text(encoding="utf-8") == schema_text("study")


def test_another_kind_of_file_is_refused() -> None:
    done = schema("profile")
    assert done.returncode == 2
    assert "study" in done.stderr
    assert "Traceback" not in done.stderr
