"""A finished study with stored compressions, made once for the tests of what re-runs and of stored compressions."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy
from toy_studies import STORED_STUDY
from workflow_run import snakemake

FILLER_BYTES = 1_500_000  # Snakemake alone compares dates only of files above 1 MB


@pytest.fixture(scope="session")
def stored_once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of a language model, with stored compressions, whose weights and data are over 1 MB."""
    from safetensors.numpy import load_file, save_file

    folder = tmp_path_factory.mktemp("stored") / "world"
    shutil.copytree(toy_world_once, folder)
    filler = "x" * FILLER_BYTES
    weights = folder / "decoder/model.safetensors"
    save_file(load_file(weights), weights, metadata={"format": "pt", "filler": filler})
    for file in folder.glob("data/hues*.parquet"):
        pq.write_table(pq.read_table(file).replace_schema_metadata({"filler": filler}), file)
    toy.write_yaml(folder / "config.yaml", STORED_STUDY)
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout
    assert min(weights.stat().st_size, (folder / "data/hues.parquet").stat().st_size) > 1_000_000
    return folder


@pytest.fixture
def stored(stored_once: Path, tmp_path: Path) -> Path:
    """A copy of that world, modification times and Snakemake's records included."""
    return Path(shutil.copytree(stored_once, tmp_path / "world"))
