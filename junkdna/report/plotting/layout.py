"""Layout of a figure in inches: panels, title, legends and caption, and the height that they need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.report.plotting import theme
from junkdna.report.plotting.theme import CAPTION_PT, TITLE_PT, WIDTH_IN, themed
from junkdna.storage.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

EDGE_IN = 0.12


def empty(panels: int, columns: int) -> Figure:
    """An empty figure with `panels` axes in reading order. `finish` sets its size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # the dpi of the saved file, so that text measures are exact
    fig = Figure(figsize=(WIDTH_IN, 4), dpi=theme.RC["savefig.dpi"])
    FigureCanvasAgg(fig)
    grid = fig.add_gridspec(-(-panels // columns), columns)
    for at in range(panels):
        fig.add_subplot(grid[at // columns, at % columns])
    return fig


def wrap(fig: Figure, text: str, size: float, width_in: float, **properties: object) -> str:
    """Break `text` into lines of at most `width_in` inches; line breaks in it stay, and so do numbers and their "%"
    and what is on both sides of "="."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines.append("")
        for word in re.split(r"(?<!=)\s+(?![%=])", paragraph.strip()):
            trial = f"{lines[-1]} {word}".strip()
            if lines[-1] and measure(fig, trial, size, **properties)[0] > width_in:
                lines.append(word)
            else:
                lines[-1] = trial
    return "\n".join(lines)


def measure(fig: Figure, text: str, size: float, **properties: object) -> tuple[float, float]:
    """Width and height of `text` in inches."""
    artist = fig.text(0, 0, text, fontsize=size, **properties)
    box = artist.get_window_extent(fig.canvas.get_renderer())
    artist.remove()
    return box.width / fig.dpi, box.height / fig.dpi


@dataclass(frozen=True)
class Grid:
    """Sizes in inches of a grid of panels: of each row the head, panel and foot, and of each column the room left and
    right of its panels, which are all equally wide."""

    heads: tuple[float, ...]
    heights: tuple[float, ...]
    feet: tuple[float, ...]
    lefts: tuple[float, ...]
    rights: tuple[float, ...]

    @property
    def wide(self) -> float:
        """Width of a panel."""
        return (WIDTH_IN - sum(self.lefts) - sum(self.rights)) / len(self.lefts)

    @property
    def tall(self) -> float:
        """Height of all rows."""
        return sum(self.heads) + sum(self.heights) + sum(self.feet)

    def place(self, at: int) -> tuple[float, float, float]:
        """Left edge of a panel, and its distance from the top of the grid to its lower edge, and its height."""
        row, column = divmod(at, len(self.lefts))
        left = sum(self.lefts[: column + 1]) + sum(self.rights[:column]) + column * self.wide
        down = sum(self.heads[: row + 1]) + sum(self.heights[: row + 1]) + sum(self.feet[:row])
        return left, down, self.heights[row]


def finish(fig: Figure, title: str, legends: Sequence[Sequence[Artist]], caption: str, grid: Grid) -> Figure:
    """Position panels, title, legends and caption, and set the height of the figure."""
    wide = WIDTH_IN - 2 * EDGE_IN
    title = wrap(fig, title, TITLE_PT, wide, fontweight="bold")
    caption = wrap(fig, caption, CAPTION_PT, wide)
    caption_in = measure(fig, caption, CAPTION_PT, linespacing=1.35)[1]
    drawn = [_legend(fig, handles, wide) for handles in legends if handles]
    heights = [legend.get_window_extent(fig.canvas.get_renderer()).height / fig.dpi for legend in drawn]
    below = sum(heights) + 0.06 * len(heights) + 0.1 + caption_in + 0.1
    above = EDGE_IN + measure(fig, title, TITLE_PT, fontweight="bold")[1] + 0.1
    height = above + grid.tall + below
    fig.set_size_inches(WIDTH_IN, height)
    for at, ax in enumerate(fig.axes):
        left, down, tall = grid.place(at)
        ax.set_position((left / WIDTH_IN, (height - above - down) / height, grid.wide / WIDTH_IN, tall / height))
    left = EDGE_IN / WIDTH_IN
    fig.text(left, 1 - EDGE_IN / height, title, fontsize=TITLE_PT, fontweight="bold", va="top")
    for legend, top in zip(drawn, _tops(heights, below), strict=True):
        legend.set_bbox_to_anchor((left, top / height), transform=fig.transFigure)
    fig.text(left, 0.1 / height, caption, fontsize=CAPTION_PT, color=theme.MUTED, va="bottom", linespacing=1.35)
    return fig


def _tops(heights: Sequence[float], top: float) -> list[float]:
    """Upper edges in inches of legends below each other."""
    return [top - sum(heights[:at]) - 0.06 * at for at in range(len(heights))]


@themed
def head_note(fig: Figure, text: str) -> None:
    """Add a band with `text` at the top of a figure after `finish`. The figure grows by the height of the band."""
    from matplotlib.patches import Rectangle

    size = 7.5
    text = wrap(fig, text, size, WIDTH_IN - 0.3)
    band_in = measure(fig, text, size, linespacing=1.3)[1] + 0.16
    legends = [(legend, legend.get_bbox_to_anchor().transformed(fig.transFigure.inverted())) for legend in fig.legends]
    height = fig.get_figheight() + band_in
    share = 1 - band_in / height
    fig.set_size_inches(fig.get_figwidth(), height)
    for ax in fig.axes:
        box = ax.get_position()
        ax.set_position((box.x0, box.y0 * share, box.width, box.height * share))
    for label in fig.texts:
        label.set_y(label.get_position()[1] * share)
    for legend, box in legends:
        legend.set_bbox_to_anchor((box.x0, box.y0 * share), transform=fig.transFigure)
    fig.add_artist(Rectangle((0, share), 1, 1 - share, transform=fig.transFigure, color=theme.NOTE_BAND, zorder=-1))
    at = 0.12 / fig.get_figwidth(), 1 - 0.08 / height
    fig.text(*at, text, fontsize=size, color=theme.NOTE_INK, va="top", linespacing=1.3)


def _legend(fig: Figure, handles: Sequence[Artist], wide_in: float) -> Artist:
    """Legend of `handles` with as many columns as fit into `wide_in` inches, at most 6."""
    for columns in range(min(len(handles), 6), 0, -1):
        sizes = {"borderpad": 0, "borderaxespad": 0, "columnspacing": 1.4, "handlelength": 2.4, "labelspacing": 0.4}
        position = {"loc": "upper left", "bbox_to_anchor": (0, 1), "ncols": columns}
        legend = fig.legend(handles=_by_rows(handles, columns), **position, **sizes)
        if columns == 1 or legend.get_window_extent(fig.canvas.get_renderer()).width / fig.dpi <= wide_in:
            return legend
        legend.remove()
    raise AssertionError("a legend has at least one column")


def _by_rows(handles: Sequence[Artist], columns: int) -> list[Artist]:
    """The handles in the order in which matplotlib, which fills columns, shows them row by row."""
    return [handle for column in range(columns) for handle in handles[column::columns]]


METADATA = {  # without dates, so equal figures have equal bytes
    "pdf": {"CreationDate": None, "Creator": "junkdna", "Producer": None},
    "svg": {"Date": None, "Creator": "junkdna"},
    "png": {"Software": None},
}


@themed
def save(fig: Figure, stem: Path) -> list[Path]:
    """Write `stem`.pdf, .svg and .png atomically. They contain no date, so equal figures have equal bytes."""
    return [save_as(fig, Path(stem).with_name(f"{Path(stem).name}.{kind}")) for kind in METADATA]


@themed
def save_as(fig: Figure, path: Path) -> Path:
    """Write one file atomically, in the format of its suffix."""
    kind = path.suffix[1:]
    with atomic_write(path) as unfinished:
        fig.savefig(unfinished, format=kind, metadata=METADATA[kind])
    return path
