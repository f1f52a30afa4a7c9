"""Draw all figures of a study from its drops table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from junkdna.errors import UserError
from junkdna.report.catalog import FIGURES, figure_names, outlines
from junkdna.report.plotting import layout
from junkdna.storage.tables import read_frame


def draw_all(drops: Path, folder: Path, note: Callable[[str], str] | None = None) -> list[Path]:
    """Write every figure of the table at `drops` into `folder` as PDF, SVG and PNG; returns the files.

    `note`, where given, returns the text for the top of a figure, by the name of its experiment ("" for a figure of the
    study). Raises UserError when the table is empty. An experiment with nothing to draw, such as a dense one, has no
    figure.
    """
    import polars as pl

    table = read_frame(drops, "table of drops").cast({pl.Null: pl.Float64})  # a column of nulls alone has no type yet
    if table.is_empty():
        raise UserError(
            f"{drops}: nothing to draw, the table has no rows. Run cells of the study and collect them first."
        )
    figures = {}
    for stem in figure_names(outlines(table)):
        name, _, experiment = stem.partition("_")
        figures[stem] = FIGURES[name].load().draw(table, *([experiment] if experiment else []))
        if note is not None:
            layout.head_note(figures[stem], note(experiment))
    return [path for stem, figure in figures.items() for path in layout.save(figure, Path(folder) / stem)]
