"""A finished toy study with every kind of answer, and its archive, made once."""

import shutil
from pathlib import Path

import pytest
import toy_archive

from junkdna.analysis.archive_sources import open_source
from junkdna.report.archive import write_archive


@pytest.fixture(scope="session")
def kinds_once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the results (results/studies/kinds) of a finished study, beside its cell files."""
    world = tmp_path_factory.mktemp("kinds") / "world"
    shutil.copytree(toy_world_once, world)
    return toy_archive.make(world)


@pytest.fixture(scope="session")
def archive_once(kinds_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its archive. Tests must not change it."""
    folder = tmp_path_factory.mktemp("archive") / "kinds"
    write_archive([open_source(kinds_once)], folder, "the test")
    return folder


@pytest.fixture
def archive(archive_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the archive, alone in the working directory."""
    shutil.copytree(archive_once, tmp_path / "docs/findings")
    monkeypatch.chdir(tmp_path)
    return Path("docs/findings")
