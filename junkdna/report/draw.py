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
    """Write every figure of the table at `drops` to `folder` as PDF, SVG and PNG, and return the files.

    `note` maps the name of an experiment ("" for the study) to a note for the top of its figures. Experiments with
    nothing to draw, such as those with dense cells only, have no figures. Raises UserError if the table is empty.
    """
    table = read_frame(drops, "table of drops")
    if table.is_empty():
        raise UserError(
            f"{drops}: the table has no rows, so there is nothing to draw. Run and collect cells of the study first."
        )
    figures = {name: draw_figure(table, name) for name in figure_names(outlines(table))}
    if note is not None:
        for name, figure in figures.items():
            layout.head_note(figure, note(name.partition("_")[2]))
    return [path for name, figure in figures.items() for path in layout.save(figure, Path(folder) / name)]


def draw_figure(drops: pl.DataFrame, name: str) -> matplotlib.figure.Figure:
    """Draw the figure with a name from `catalog.figure_names`."""
    import polars as pl

    table = drops.cast({pl.Null: pl.Float64})  # a column of nulls only has no type
    figure, _, experiment = name.partition("_")
    return import_module(MODULES[figure]).draw(table, *([experiment] if experiment else []))
