"""Draw a `Drawing` with matplotlib. Everything that it shows comes from the drawing.

Every artist has the label `KIND|SERIES`, so that a test can compare what was drawn with the table of marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from junkdna.report.plotting import axes_text, layout, palette, theme
from junkdna.report.plotting.drawing import Drawing, Key, Mark, Panel

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

ARROW = {"y": ("v", "^"), "x": ("<", ">")}  # at the first and the second limit of an axis
LABEL_GAP_PT = 4.0


@theme.themed
def draw(drawing: Drawing) -> Figure:
    """The figure of a drawing."""
    fig = layout.empty(len(drawing.panels), drawing.columns)
    marks_of = [drawing.of_panel(at) for at in range(len(drawing.panels))]
    for ax, panel, marks in zip(fig.axes, drawing.panels, marks_of, strict=True):
        _set_up(ax, panel)
        for mark in marks:
            if mark.kind != "band":
                _MARKS[mark.kind](ax, panel, mark)
        _bands(ax, [mark for mark in marks if mark.kind == "band"])
        _lines(ax, [mark for mark in marks if mark.kind == "point" and mark.line])
    grid = axes_text.write(fig, drawing, marks_of)
    legends = [[_key(key) for key in keys] for keys in drawing.keys]
    return layout.finish(fig, drawing.title, legends, drawing.caption, grid)


def _set_up(ax: Axes, panel: Panel) -> None:
    """Set scales, limits, ticks, grid, dividers and message."""
    from matplotlib.ticker import NullLocator

    for name, axis in (("x", panel.x), ("y", panel.y)):
        if axis.log:
            ax.set(**{f"{name}scale": "log"})
        ax.set(**{f"{name}lim": axis.limits})
        line = getattr(ax, f"{name}axis")
        line.set_ticks([at for at, _ in axis.ticks], [text for _, text in axis.ticks])
        line.set_minor_locator(NullLocator())
    ax.grid(axis=panel.values, color=theme.FAINT, linewidth=0.5)
    ax.set_axisbelow(True)
    if panel.values == "x":
        ax.tick_params(axis="y", length=0)
    for at in panel.dividers:
        line = ax.axhline if panel.values == "x" else ax.axvline
        line(at, color=theme.FAINT, linewidth=0.8, zorder=0, label="divider")
    if panel.message:
        style = {"ha": "center", "va": "center", "transform": ax.transAxes, "color": theme.MUTED}
        ax.text(0.5, 0.5, panel.message, **style).set_label("message")


# ---- marks -----------------------------------------------------------------------------------------------------------


def _shifted(ax: Axes, mark: Mark) -> Transform:
    from matplotlib.transforms import ScaledTranslation

    return ax.transData + ScaledTranslation(mark.shift / 72, 0, ax.figure.dpi_scale_trans)


def _point(ax: Axes, panel: Panel, mark: Mark) -> None:
    """A marker with its interval, and arrows at the edge where the interval goes on; or an arrow alone if the point is
    beyond the edge."""
    if mark.x is None or mark.y is None:
        return
    if (edge := panel.edge(mark)) is not None:
        _cut(ax, panel, mark, edge, 5.5)
        return
    color, place = palette.color(mark.color), _shifted(ax, mark)
    if mark.low is not None and mark.high is not None:
        _interval(ax, panel, mark, color, place)
    _dot(ax, mark, color, place)


def _dot(ax: Axes, mark: Mark, color: str, place: Transform) -> None:
    style = _marker(mark.marker, color, mark.collapsed)
    ax.plot([mark.x], [mark.y], linestyle="none", label=f"point|{mark.series}", transform=place, zorder=5, **style)


def _interval(ax: Axes, panel: Panel, mark: Mark, color: str, place: Transform) -> None:
    limits = sorted(getattr(panel, panel.values).limits)
    inside = [min(max(end, limits[0]), limits[1]) for end in (mark.low, mark.high)]
    across = getattr(mark, "x" if panel.values == "y" else "y")
    flip = 1 if panel.values == "y" else -1
    bar = {"color": color, "linewidth": 1.1, "zorder": 3, "solid_capstyle": "butt", "transform": place}
    ax.plot(*[[across] * 2, inside][::flip], label=f"interval|{mark.series}", **bar)
    for end, edge in zip((mark.low, mark.high), inside, strict=True):
        if end != edge:
            _cut(ax, panel, mark, edge, 4.0)


def _cut(ax: Axes, panel: Panel, mark: Mark, edge: float, size: float) -> None:
    """An arrow at the edge of the panel, beyond which an interval, a point or a seed lies."""
    limits = getattr(panel, panel.values).limits
    arrow = ARROW[panel.values][edge == limits[1]]
    across, flip = (mark.x, 1) if panel.values == "y" else (mark.y, -1)
    head = {"marker": arrow, "markersize": size, "markeredgewidth": 0, "clip_on": False, "linestyle": "none"}
    place = {"transform": _shifted(ax, mark), "zorder": 4, "label": f"cut|{mark.series}"}
    ax.plot(*[[across], [edge]][::flip], color=palette.color(mark.color), **head, **place)


def _run(ax: Axes, panel: Panel, mark: Mark) -> None:
    """A small dot, or an arrow if the seed is beyond the edge."""
    if (edge := panel.edge(mark)) is not None:
        _cut(ax, panel, mark, edge, 3.0)
        return
    dot = {"marker": "o", "markersize": 2.4, "markeredgewidth": 0, "alpha": 0.75, "linestyle": "none"}
    place = {"transform": _shifted(ax, mark), "zorder": 4, "label": f"run|{mark.series}"}
    ax.plot([mark.x], [mark.y], color=palette.color(mark.color), **dot, **place)


def _rule(ax: Axes, panel: Panel, mark: Mark) -> None:
    """A reference line across the panel or between its ends."""
    value = mark.y if panel.values == "y" else mark.x
    style = {"color": palette.color(mark.color), "linewidth": 0.9, "linestyle": theme.line_style(mark.line)}
    style |= {"zorder": 1.5, "label": f"rule|{mark.series}"}
    if mark.low is None:
        (ax.axhline if panel.values == "y" else ax.axvline)(value, **style)
    else:
        ends = [mark.low, mark.high]
        ax.plot(*[ends, [value] * 2][:: 1 if panel.values == "y" else -1], **style)


def _span(ax: Axes, panel: Panel, mark: Mark) -> None:
    thick = {"linewidth": 2.2, "solid_capstyle": "butt", "alpha": 0.55, "zorder": 2}
    ax.plot([mark.low, mark.high], [mark.y] * 2, color=palette.color(mark.color), label=f"span|{mark.series}", **thick)


def _label(ax: Axes, panel: Panel, mark: Mark) -> None:
    """A text at a point, with a white halo so that lines do not cross it."""
    from matplotlib.patheffects import withStroke

    sides = {"start": ("left", LABEL_GAP_PT), "middle": ("center", 0.0), "end": ("right", -LABEL_GAP_PT)}
    side, gap = sides[mark.anchor]
    text = ax.annotate(
        mark.label, (mark.x, mark.y), xytext=(gap + mark.shift, 0), textcoords="offset points", ha=side, va="center",
        fontsize=theme.LABEL_PT, color=palette.text_color(mark.color), annotation_clip=False, zorder=6,
    )  # fmt: skip
    text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    text.set_label(f"label|{mark.series}")


def _bands(ax: Axes, marks: Sequence[Mark]) -> None:
    """The shaded area of each series."""
    for series in dict.fromkeys(mark.series for mark in marks):
        own = [mark for mark in marks if mark.series == series]
        x, low, high = ([getattr(mark, name) for mark in own] for name in ("x", "low", "high"))
        style = {"color": palette.color(own[0].color), "alpha": 0.16, "linewidth": 0, "zorder": 1}
        ax.fill_between(x, low, high, label=f"band|{series}", **style)


def _missing(ax: Axes, panel: Panel, mark: Mark) -> None:
    """A cross at the low end of the values."""
    cross = {"marker": "x", "markersize": 4.5, "markeredgewidth": 1.1, "linestyle": "none", "zorder": 4}
    place = {"label": f"missing|{mark.series}", "color": palette.color(mark.color)}
    edge, other = (ax.get_xaxis_transform(), mark.x) if panel.values == "y" else (ax.get_yaxis_transform(), mark.y)
    at = ([other], [0.04]) if panel.values == "y" else ([0.02], [other])
    ax.plot(*at, transform=edge, **cross, **place)


_MARKS = {"point": _point, "run": _run, "rule": _rule, "span": _span, "label": _label, "missing": _missing}


def _lines(ax: Axes, points: Sequence[Mark]) -> None:
    """Join the points of each series in order; a point without a value interrupts the line."""
    for series in dict.fromkeys(point.series for point in points):
        own = [point for point in points if point.series == series]
        for known, run in groupby(own, key=lambda point: None not in (point.x, point.y)):
            run = list(run)
            if known and len(run) > 1:
                _line(ax, run)


def _line(ax: Axes, run: Sequence[Mark]) -> None:
    """One line; ink if its points have several colors, because then x is the level."""
    colors = {point.color for point in run}
    color = palette.color(colors.pop() if len(colors) == 1 else "ink")
    style = {"color": color, "linestyle": theme.line_style(run[0].line), "linewidth": 1.1, "alpha": 0.8, "zorder": 2}
    x, y = [point.x for point in run], [point.y for point in run]
    ax.plot(x, y, label=f"line|{run[0].series}", transform=_shifted(ax, run[-1]), **style)


def _marker(name: str, color: str, collapsed: float) -> dict:
    """Properties of a marker: filled, half filled if some of the seeds collapsed, hollow if all did."""
    if name in ("", "cross", "bar"):
        return {"marker": theme.MARKERS.get(name, ""), "color": color, "markersize": 5, "markeredgewidth": 1.2}
    style = {"marker": theme.MARKERS[name], "color": color, "markersize": theme.SIZES.get(name, 4.8)}
    if name == "ring":
        return style | {"markerfacecolor": "white", "markeredgecolor": color, "markeredgewidth": 1.1}
    if not collapsed:
        return style | {"markeredgecolor": "white", "markeredgewidth": 0.5}
    face = {"fillstyle": "left", "markerfacecoloralt": "white"} if collapsed < 1 else {"markerfacecolor": "white"}
    return style | face | {"markeredgecolor": color, "markeredgewidth": 1.1}


def _key(key: Key) -> Artist:
    """An entry of the legend."""
    from matplotlib.lines import Line2D

    line = {"linestyle": theme.line_style(key.line), "linewidth": 1.1} if key.line else {"linestyle": "none"}
    style = _marker(key.marker, palette.color(key.color), key.collapsed)
    return Line2D([], [], label=key.label, **line, **style)
