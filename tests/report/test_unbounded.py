"""Figures of a table in which the data set no limits to retention: points without intervals, and no failure."""

from pathlib import Path

import polars as pl
import pytest
from figure_tables import drops_table, study
from other_tables import write_tables

from junkdna.report import draw
from junkdna.report.catalog import figure_names, outlines


@pytest.mark.usefixtures("svg_alone")
def test_all_figures_are_drawn_without_limits(tmp_path: Path) -> None:
    drops = drops_table(study())
    limits = ("retention_low", "retention_high", "relative_score_low", "relative_score_high")
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in limits}
    write_tables(drops.with_columns(**nothing), tmp_path / "drops.parquet")
    draw.draw_all(tmp_path / "drops.parquet", tmp_path / "figures")
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == {*figure_names(outlines(drops))}
