"""Figures of which only some formats are drawn, or none: the layout of text and the fonts of PDF files take most of the
time, and the report draws its own figures. The tables of marks are always those of the figures.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def savefig_of(*kinds: str) -> Callable:
    """In place of `Figure.savefig`: draws files of these formats, and leaves every other file empty."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    def savefig(figure: Figure, path: Path, *, format: str, **more: object) -> None:
        if format in kinds:
            save(figure, path, format=format, **more)
        else:
            Path(path).touch()

    return savefig


def svg_savefig() -> Callable:
    """`savefig_of` SVG alone."""
    return savefig_of("svg")


def only(*kinds: str) -> None:
    """Draw these formats alone for the rest of this process."""
    from matplotlib.figure import Figure

    Figure.savefig = savefig_of(*kinds)


def empty_figure(drawn: object) -> "Figure":
    """In place of `draw.render`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    return figure


def none() -> None:
    """Leave the files of all figures empty for the rest of this process."""
    from junkdna.report import draw

    draw.render = empty_figure
    only()


def svg_alone() -> None:
    """For the rest of this process."""
    only("svg")
