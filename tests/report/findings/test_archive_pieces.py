"""Pieces of one study: what hangs together comes from the piece that has most of it, whatever their order."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from toy_archive import piece

from junkdna.analysis.archive_files import read_archive
from junkdna.analysis.archive_sources import open_source
from junkdna.analysis.connectivity import SCHEMA
from junkdna.report.archive import write_archive
from junkdna.report.archive_merge import fullest
from junkdna.storage.tables import write_frame


def test_all_rows_of_a_condition_come_from_the_fullest_table() -> None:
    one = pl.DataFrame({"task": ["a", "a", "b", "c"], "id": [1, 2, 1, 1], "of": "one"})
    two = pl.DataFrame({"task": ["a", "a", "b", "d"], "id": [2, 3, 1, 1], "of": "two"})
    sizes = [pl.DataFrame({"task": ["a", "b", last], "size": [at, 3, 1]}) for last, at in (("c", 2), ("d", 5))]
    found = fullest([one, two], sizes, ["task"])
    assert found.sort("task", "id").rows() == [
        ("a", 2, "two"), ("a", 3, "two"), ("b", 1, "one"), ("c", 1, "one"), ("d", 1, "two"),
    ]  # fmt: skip


def lines(n_seeds: int, score: float) -> pl.DataFrame:
    """A table of connectivity with one line of three points."""
    row = {"experiment": "trained", "model": "tiny", "task": "alike", "knobs": "", "compression": "magnitude-0.5",
           "transfer": "sparse", "protocol": "default", "n_seeds": n_seeds, "score": score}  # fmt: skip
    return pl.DataFrame([row | {"alpha": alpha} for alpha in (0.0, 0.5, 1.0)], schema_overrides=SCHEMA).select(
        *(pl.col(name) if name in {*row, "alpha"} else pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items())
    )


@pytest.mark.parametrize("first", ["less", "more"])
def test_margins_and_lines_are_those_of_the_piece_with_most_levels_and_seeds(
    kinds_once: Path, tmp_path: Path, first: str
) -> None:
    """One piece lacks a level and a seed; its margins rest on the other level, and its lines on one seed. It was made
    by an earlier version, whose incomplete results have no notes on rows."""
    studies = kinds_once.parent
    less = piece(kinds_once, studies / "piece-less", ["graded"], "magnitude-0.5")
    more = piece(kinds_once, studies / "piece-more", ["graded"])
    try:
        table = less / "tables/cells.parquet"
        write_frame(pl.read_parquet(table).drop("rows_note"), table)
        write_frame(lines(1, 0.1), less / "tables/connectivity.parquet")
        write_frame(lines(2, 0.2), more / "tables/connectivity.parquet")
        order = [less, more] if first == "less" else [more, less]
        write_archive([open_source(folder) for folder in order], tmp_path / "both", "the test")
        wanted, lacking = (pl.read_parquet(folder / "tables/margins.parquet") for folder in (more, less))
    finally:
        for folder in (less, more):
            shutil.rmtree(folder)
    assert set(lacking["compression"]) == {"random-0.5"}
    assert set(wanted["compression"]) == {"magnitude-0.5"}
    found = read_archive(tmp_path / "both")
    assert_frame_equal(found.table("margins"), wanted, check_exact=True)
    assert found.table("connectivity").select("n_seeds", "score").rows() == [(2, 0.2)] * 3
