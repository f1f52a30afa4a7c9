"""Contents of a drawn figure: lines by label, footer text, and texts that extend beyond the page."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D


def lines(ax: Axes) -> dict[str, Line2D]:
    """Lines of a panel by label; of several with one label the last."""
    return {line.get_label(): line for line in ax.get_lines()}


def footer(fig: Figure) -> str:
    """All text of the page outside the panels and legends, line breaks as spaces."""
    return " ".join(text.get_text().replace("\n", " ") for text in fig.texts)


def legend(fig: Figure) -> list[str]:
    """Entries of all legends."""
    return [text.get_text() for legend in fig.legends for text in legend.get_texts()]


def outside(fig: Figure) -> list[str]:
    """Texts of the page, of its legends and of its visible panels that reach over the page's edge."""
    fig.draw_without_rendering()
    found = [*fig.texts, *(text for legend in fig.legends for text in legend.get_texts())]
    for ax in (ax for ax in fig.axes if ax.get_visible()):
        found += [*ax.texts, ax._left_title, ax.xaxis.label, ax.yaxis.label]
        low, high = ax.get_xlim()
        ticks = zip(
            ax.get_xticks(), ax.get_xticklabels(), strict=True
        )  # some stand outside the panel and are not drawn
        found += [text for x, text in ticks if low <= x <= high]
    width, height = fig.canvas.get_width_height()
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    return [text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
