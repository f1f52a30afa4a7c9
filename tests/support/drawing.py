"""Figures of which only the SVG is drawn: the fonts of PDF files take most of the time, and no page shows them."""

from collections.abc import Callable
from pathlib import Path


def svg_savefig() -> Callable:
    """In place of `Figure.savefig`: draws an SVG, and leaves every other file empty."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    def savefig(figure: Figure, path: Path, *, format: str, **more: object) -> None:
        if format == "svg":
            save(figure, path, format=format, **more)
        else:
            Path(path).touch()

    return savefig


def svg_alone() -> None:
    """For the rest of this process."""
    from matplotlib.figure import Figure

    Figure.savefig = svg_savefig()
