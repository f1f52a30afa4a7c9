"""`junkdna drops`: rows that differ in one name only can be told apart."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import toy_run

from junkdna.cli import tables
from junkdna.storage.tables import write_frame

TABLES = Path("results/studies/toy/tables")


@pytest.fixture
def complete(ten_cells_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """The table of drops of a finished study, in a copy of its world."""
    monkeypatch.chdir(shutil.copytree(ten_cells_once, tmp_path / "world"))
    return pl.read_parquet("complete.parquet")


def printed(drops: pl.DataFrame) -> list[str]:
    write_frame(drops, TABLES / "drops.parquet")
    return list(tables.drops(toy_run.read(), "modes"))


def test_rows_of_other_protocols_name_them(complete: pl.DataFrame) -> None:
    sparse = complete.filter(experiment="modes", transfer="sparse")
    longer = sparse.with_columns(protocol=pl.lit("default-x3"))
    header, one, other = [line for line in printed(pl.concat([sparse, longer])) if line.startswith("  ")]
    column = slice(header.index("transfer"), header.index("score"))
    assert one[column].strip() == "sparse"
    assert other[column].strip() == "sparse, default-x3"
    assert one.split() == other.replace("sparse, default-x3", "sparse").split()
