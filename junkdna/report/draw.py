"""Draw the figures of a study from its drops table."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.report.catalog import MODULES, figure_names, outlines
from junkdna.report.plotting import layout
from junkdna.storage.tables import read_frame

if TYPE_CHECKING:
    import matplotlib.figure
    import polars as pl


def draw_all(drops: Path, folder: Path, note: Callable[[str], str] | None = None) -> list[Path]:
    """Write every figure of the table at `drops` into `folder` as PDF, SVG and PNG; returns the files.

    `note`, where given, returns the text for the top of a figure, by the name of its experiment ("" for a figure of the
    study). Raises UserError when the table is empty. An experiment with nothing to draw, such as a dense one, has no
    figure.
    """
    table = read_frame(drops, "table of drops")
    if table.is_empty():
        raise UserError(
            f"{drops}: nothing to draw, the table has no rows. Run cells of the study and collect them first."
        )
    figures = {name: draw_figure(table, name) for name in figure_names(outlines(table))}
    if note is not None:
        for name, figure in figures.items():
            layout.head_note(figure, note(name.partition("_")[2]))
    return [path for name, figure in figures.items() for path in layout.save(figure, Path(folder) / name)]


def draw_figure(drops: pl.DataFrame, name: str) -> matplotlib.figure.Figure:
    """Draw one figure of a table of drops, by a name of `figure_names`."""
    import polars as pl

    table = drops.cast({pl.Null: pl.Float64})  # a column of nulls alone has no type yet
    figure, _, experiment = name.partition("_")
    return import_module(MODULES[figure]).draw(table, *([experiment] if experiment else []))
