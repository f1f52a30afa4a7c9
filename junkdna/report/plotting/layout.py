"""Layout of a figure in inches: panels, title, legends and footer, and the height that they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.report.plotting import theme
from junkdna.report.plotting.theme import WIDTH_IN, themed
from junkdna.storage.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(rows: int, columns: int, share_y: bool = False) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with a grid of axes. `finish` sets its size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(
        figsize=(WIDTH_IN, 4), dpi=theme.RC["savefig.dpi"]
    )  # the dpi of the saved file, so that text measures are exact
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, squeeze=False, sharey=share_y)
    for ax in axes.flat:
        ax.grid(axis="y", color=theme.FAINT, linewidth=0.5)
        ax.set_axisbelow(True)
    return fig, [list(line) for line in axes]


def wrap(fig: Figure, text: str, size: float, width_in: float) -> str:
    """Break `text` into lines of at most `width_in` inches."""
    lines: list[str] = [""]
    for word in text.split():
        trial = f"{lines[-1]} {word}".strip()
        if lines[-1] and measure(fig, trial, size)[0] > width_in:
            lines.append(word)
        else:
            lines[-1] = trial
    return "\n".join(lines)


def heading(fig: Figure, text: str, width_in: float) -> str:
    """A panel's title, broken into lines."""
    return wrap(fig, text, theme.RC["axes.titlesize"], width_in)


def measure(fig: Figure, text: str, size: float, **properties: object) -> tuple[float, float]:
    """Width and height of `text` in inches."""
    artist = fig.text(0, 0, text, fontsize=size, **properties)
    box = artist.get_window_extent(fig.canvas.get_renderer())
    artist.remove()
    return box.width / fig.dpi, box.height / fig.dpi


@dataclass(frozen=True)
class Room:
    """Sizes in inches: height of a panel, of the heading above (for all rows or for each) and of the x label below,
    gap between columns, left and right margins."""

    panel_in: float
    head_in: float | tuple[float, ...] = 0.22
    foot_in: float = theme.XLABEL_IN
    gap_in: float = theme.GAP_IN
    left_in: float = theme.LEFT_IN
    right_in: float = theme.RIGHT_IN

    def heads_in(self, rows: int) -> tuple[float, ...]:
        """Height of the heading of each row of panels."""
        return self.head_in if isinstance(self.head_in, tuple) else (self.head_in,) * rows

    def panel_wide_in(self, columns: int) -> float:
        """Width of a panel if there are `columns` of them."""
        return (WIDTH_IN - self.left_in - self.right_in - self.gap_in * (columns - 1)) / columns


def finish(fig: Figure, title: str, legends: Sequence[Sequence[Artist]], footer: str, room: Room) -> Figure:
    """Position panels, title, legends and footer, and set the height of the figure."""
    grid = fig.axes[0].get_subplotspec().get_gridspec()
    wide = WIDTH_IN - 0.3
    title, footer = wrap(fig, title, 10.5, wide), wrap(fig, footer, 6.8, wide)
    title_in = measure(fig, title, 10.5, fontweight="bold")[1]
    footer_in = measure(fig, footer, 6.8, linespacing=1.35)[1]
    drawn = [_legend(fig, handles, wide) for handles in legends if handles]
    heights = [legend.get_window_extent(fig.canvas.get_renderer()).height / fig.dpi for legend in drawn]
    below = room.foot_in + sum(heights) + 0.06 * len(heights) + 0.1 + footer_in + 0.1
    heads = room.heads_in(grid.nrows)
    above = 0.12 + title_in + 0.1
    height = above + sum(heads) + grid.nrows * room.panel_in + (grid.nrows - 1) * room.foot_in + below
    fig.set_size_inches(WIDTH_IN, height)
    for ax in fig.axes:
        spec = ax.get_subplotspec()
        row, column = spec.rowspan.start, spec.colspan.start
        wide_in = room.panel_wide_in(grid.ncols)
        left = room.left_in + column * (wide_in + room.gap_in)
        foot = height - above - sum(heads[: row + 1]) - room.panel_in - row * (room.panel_in + room.foot_in)
        ax.set_position((left / WIDTH_IN, foot / height, wide_in / WIDTH_IN, room.panel_in / height))
    fig.text(0.12 / WIDTH_IN, 1 - 0.12 / height, title, fontsize=10.5, fontweight="bold", va="top")
    top = below - room.foot_in
    for legend, tall in zip(drawn, heights, strict=True):
        legend.set_bbox_to_anchor((0.12 / WIDTH_IN, top / height), transform=fig.transFigure)
        top -= tall + 0.06
    fig.text(0.12 / WIDTH_IN, 0.1 / height, footer, fontsize=6.8, color=theme.GREY, va="bottom", linespacing=1.35)
    return fig


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
    """Legend of `handles` with as many columns as fit into `wide_in` inches, at most 5."""
    for columns in range(min(len(handles), 5), 0, -1):
        sizes = {"borderpad": 0, "borderaxespad": 0, "columnspacing": 1.4, "handlelength": 2.6, "labelspacing": 0.4}
        position = {"loc": "upper left", "bbox_to_anchor": (0, 1), "ncols": columns}
        legend = fig.legend(handles=list(handles), **position, **sizes)
        if columns == 1 or legend.get_window_extent(fig.canvas.get_renderer()).width / fig.dpi <= wide_in:
            return legend
        legend.remove()
    raise AssertionError("a legend has at least one column")


@themed
def save(fig: Figure, stem: Path) -> list[Path]:
    """Write `stem`.pdf, .svg and .png atomically. They contain no date, so equal figures have equal bytes."""
    metadata = {
        "pdf": {"CreationDate": None, "Creator": "junkdna", "Producer": None},
        "svg": {"Date": None, "Creator": "junkdna"},
        "png": {"Software": None},
    }
    written = []
    for kind, fields in metadata.items():
        path = Path(stem).with_name(f"{Path(stem).name}.{kind}")
        with atomic_write(path) as unfinished:
            fig.savefig(unfinished, format=kind, metadata=fields)
        written.append(path)
    return written
