"""Tables of results are written as Parquet and as CSV, and only if they follow their schema."""

from pathlib import Path

import polars as pl
import pytest

from junkdna.analysis.claims_table import SCHEMA
from junkdna.analysis.result_columns import DROPS, RESULTS, check_columns
from junkdna.cli.table_jobs import write_table
from junkdna.storage.tables import read_frame
from junkdna.study.paths import TABLES

TYPES = {
    "text": pl.String, "number": pl.Float64, "whole number": pl.Int64, "true or false": pl.Boolean,
    "list of numbers": pl.List(pl.Float64),
}  # fmt: skip


@pytest.fixture
def drops() -> pl.DataFrame:
    """One row in which every number is a third, or 3."""
    values = {"text": "a", "number": 1 / 3, "whole number": 3, "true or false": True, "list of numbers": [1 / 3, 0.5]}
    schema = {column.name: TYPES[column.type] for column in DROPS.columns}
    return pl.DataFrame({column.name: [values[column.type]] for column in DROPS.columns}, schema=schema)


def test_every_table_has_a_schema() -> None:
    assert {*TABLES} < {*RESULTS}
    check_columns("claims", pl.DataFrame(schema=SCHEMA))


def test_a_table_is_written_twice(drops: pl.DataFrame, tmp_path: Path) -> None:
    write_table(drops, tmp_path / "drops.parquet")
    assert read_frame(tmp_path / "drops.parquet", "table of drops").equals(drops)
    text = pl.read_csv(tmp_path / "drops.csv")
    assert text.columns == drops.columns
    assert text["score_seeds"].to_list() == ["0.333333 0.5"]
    assert text["score"].to_list() == [1 / 3]


def test_an_incomplete_table_may_say_so(drops: pl.DataFrame, tmp_path: Path) -> None:
    marked = drops.select(pl.lit("1 of 2").alias("incomplete"), pl.all())
    write_table(marked.insert_column(16, pl.Series("seeds_missing", [1])), tmp_path / "drops.parquet")
    assert (tmp_path / "drops.csv").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda table: table.with_columns(more=pl.lit(1)), r"\[\('more', 'whole number'\)\]"),
        (lambda table: table.drop("retention_low"), r"\[\('retention_low', 'number'\)\]"),
        (lambda table: table.with_columns(pl.col("n_seeds").cast(pl.Float64)), r"\('n_seeds', 'number'\)"),
        (lambda table: table.with_columns(score_seeds=pl.lit("0.5")), r"\('score_seeds', 'text'\)"),
        (lambda table: table.with_columns(collapsed=pl.lit(True)), r"\('collapsed', 'true or false'\)"),
        (lambda table: table.select(pl.col("drop"), pl.exclude("drop")), "other order"),
    ],
)
def test_a_table_that_does_not_follow_its_schema_is_not_written(drops, tmp_path, change, named: str) -> None:
    with pytest.raises(AssertionError, match=f"table drops does not follow its schema: .*{named}"):
        write_table(change(drops), tmp_path / "drops.parquet")
    assert list(tmp_path.iterdir()) == []
