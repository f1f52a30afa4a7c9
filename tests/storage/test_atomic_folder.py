"""Folders are complete or do not exist."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, python_path

from junkdna.errors import UserError
from junkdna.storage.atomic_folder import atomic_folder, check_free


def test_a_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "new/out") as folder:
        (folder / "a").write_text("x")
        (folder / "a").chmod(0o600)
        assert not (tmp_path / "new/out").exists()
    assert (tmp_path / "new/out/a").read_text() == "x"
    assert (tmp_path / "new/out/a").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_an_empty_folder_is_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
    assert (tmp_path / "out/a").exists()


def test_a_failure_leaves_nothing(tmp_path):
    def fail() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "a").touch()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert not [*tmp_path.iterdir()]


def test_earlier_contents_are_replaced_at_the_end_and_only_on_request(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()
    with atomic_folder(target, replace=True) as folder:
        (folder / "new").touch()
        assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(UserError, match="the folder is not empty"), atomic_folder(target):
        pass
    with atomic_folder(tmp_path / "other", replace=True) as folder:
        (folder / "new").touch()
    assert (tmp_path / "other/new").exists()


def test_a_failure_keeps_what_was_to_be_replaced(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()

    def fail(by: BaseException | None = None) -> None:
        with atomic_folder(target, replace=True) as folder:
            (folder / "new").touch()
            if by:
                raise by

    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt())
    rename = Path.rename

    def refused(path: Path, to: Path) -> Path:
        if (path / "new").exists():
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(UserError, match="out"):
        fail()
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    code = (
        "import os, sys, pathlib\n"
        "from junkdna.storage.atomic_folder import atomic_folder\n"
        "with atomic_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'a').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": python_path(ROOT)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=False, env=environment)
    assert [path.name.startswith(".out.") for path in tmp_path.iterdir()] == [True]
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "b").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_running_writer_is_left_alone_and_the_second_is_refused(tmp_path):
    target = tmp_path / "out"

    def both() -> None:
        with atomic_folder(target) as first:
            (first / "a").touch()
            with atomic_folder(target) as second:
                (second / "b").touch()
            assert (first / "a").exists()

    with pytest.raises(UserError, match="the folder is not empty"):
        both()
    assert [path.name for path in target.iterdir()] == ["b"]


def test_full_folders_and_files_are_not_free(tmp_path):
    check_free(tmp_path / "new", "--out")
    check_free(tmp_path, "--out")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^--out .*: the folder is not empty"):
        check_free(tmp_path, "--out")
    with pytest.raises(UserError, match="is a file"):
        check_free(tmp_path / "file", "--out")
    assert Path(tmp_path / "file").exists()
