"""Trainings of the toy model that several files of tests look at."""

from pathlib import Path

import pytest
from finetune_runs import MODES, Run
from toy_training import NAMES, training


@pytest.fixture(scope="session")
def folder(toy_world_once: Path) -> Path:
    return toy_world_once / "model"


@pytest.fixture(scope="session")
def runs(folder: Path) -> dict[str, Run]:
    return {mode: Run(folder, mode) for mode in MODES}


@pytest.fixture(scope="session", params=NAMES)
def format_runs(folder: Path, request) -> dict[str, Run]:
    return {mode: Run(folder, mode, data=training(request.param)) for mode in MODES}
