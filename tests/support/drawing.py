"""Figures of which only some formats are drawn: the fonts of PDF files take most of the time, and no page has them."""

from collections.abc import Callable
from pathlib import Path


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


def svg_alone() -> None:
    """For the rest of this process."""
    only("svg")
