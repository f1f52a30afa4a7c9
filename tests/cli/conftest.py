"""A finished study, computed once for `junkdna partial` and `junkdna status`."""

import os
import shutil
from pathlib import Path

import pytest
import toy
import toy_run
from toy_studies import TEN_CELLS

from junkdna.analysis.collect import collect
from junkdna.analysis.study_tables import study_tables


@pytest.fixture(scope="session")
def ten_cells_once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy world in which every cell of `TEN_CELLS` is done, joined and compared."""
    folder = tmp_path_factory.mktemp("finished") / "world"
    shutil.copytree(toy_world_once, folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        toy.write_yaml(folder / "config.yaml", TEN_CELLS)
        resolved = toy_run.read()
        toy_run.run_all(resolved)
        study_tables(resolved, collect(resolved))["drops"].write_parquet("complete.parquet")
    finally:
        os.chdir(before)
    return folder
