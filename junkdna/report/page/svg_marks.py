"""The marks of a panel as SVG elements. Their names are those of `plotting.drawing.Mark`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from junkdna.report.page import shapes
from junkdna.report.page.scales import Scale
from junkdna.report.plotting.drawing import Mark

PIXELS_PER_POINT = 96 / 72
LINE_PX = 1.6
HALF = ' clip-path="url(#half)"'  # of a marker's left half, defined once in the page
GAP_PX = 7.0  # between a point and its label


@dataclass(frozen=True)
class Place:
    """Both scales of a panel, and the axis along which intervals lie."""

    x: Scale
    y: Scale
    values: str

    @property
    def value(self) -> Scale:
        """The scale of the values."""
        return self.y if self.values == "y" else self.x

    @property
    def other(self) -> Scale:
        """The scale across them."""
        return self.x if self.values == "y" else self.y

    def of(self, mark: Mark) -> tuple[float, float]:
        """Pixels of a mark, with its shift."""
        return round(self.x(mark.x) + mark.shift * PIXELS_PER_POINT, 2), self.y(mark.y)


def elements(place: Place, marks: Sequence[Mark]) -> str:
    """All marks of a panel: bands, rules and lines below, then points, texts on top."""
    parts = list(_bands(place, [mark for mark in marks if mark.kind == "band"]))
    parts += [_rule(place, mark) for mark in marks if mark.kind == "rule"]
    parts += [_span(place, mark) for mark in marks if mark.kind == "span"]
    parts += list(_lines(place, [mark for mark in marks if mark.kind == "point" and mark.line]))
    parts += [_missing(place, mark) for mark in marks if mark.kind == "missing"]
    parts += [_run(place, mark) for mark in marks if mark.kind == "run" and known(mark)]
    parts += [_point(place, mark) for mark in marks if mark.kind == "point" and known(mark)]
    parts += [_label(place, mark) for mark in marks if mark.kind == "label"]
    return "".join(parts)


def known(mark: Mark) -> bool:
    """Whether a mark has a position."""
    return mark.x is not None and mark.y is not None


def color_class(name: str) -> str:
    """The class of a color of the palette: `c-pruned-30`."""
    return f"c-{name.replace('.', '_')}"


def _tag(mark: Mark) -> str:
    """What the script needs to switch marks off (series, marker, line), and the shift in points."""
    shown = {"s": mark.series, "k": mark.marker, "l": mark.line, "h": f"{mark.shift:g}" if mark.shift else ""}
    return "".join(f' data-{name}="{escape(value)}"' for name, value in shown.items() if value)


def _point(place: Place, mark: Mark) -> str:
    if place.value.clamped(getattr(mark, place.values))[1]:
        return _beyond(place, mark)
    x, y = place.of(mark)
    state = "" if not mark.collapsed else " hollow" if mark.collapsed >= 1 else " half"
    state += " open" if mark.marker in shapes.OPEN else " hollow" if mark.marker == shapes.RING else ""
    half = shapes.shape(mark.marker, "hm", HALF) if " half" in state else ""
    marker = shapes.shape(mark.marker) + half
    return (
        f'<g class="pt {color_class(mark.color)}{state}"{_tag(mark)} transform="translate({x:g},{y:g})">'
        f"{_interval(place, mark)}{marker}{_title(mark)}</g>"
    )


def _beyond(place: Place, mark: Mark) -> str:
    """An arrow at the edge of the panel, beyond which a point lies."""
    edge, side = place.value.clamped(getattr(mark, place.values))
    x, y = (edge, place.of(mark)[1]) if place.values == "x" else (place.of(mark)[0], edge)
    return (
        f'<g class="pt {color_class(mark.color)}"{_tag(mark)} transform="translate({x:g},{y:g})">'
        f"{_arrow(place.values, 0.0, side, place, 'm cut')}{_title(mark)}</g>"
    )


def _interval(place: Place, mark: Mark) -> str:
    """The interval around a point at (0, 0), with an arrow at the edge of the panel where it goes on."""
    if mark.low is None or mark.high is None:
        return ""
    along = place.values
    at = place.value(getattr(mark, along))
    ends = [place.value.clamped(end) for end in (mark.low, mark.high)]
    first, last = (round(end - at, 2) for end, _ in ends)
    arrows = "".join(_arrow(along, end - at, side, place) for end, side in ends if side)
    return f'<line class="ci" {along}1="{first:g}" {along}2="{last:g}"/>{arrows}'


def _arrow(along: str, at: float, side: int, place: Place, cls: str = "cut") -> str:
    """A small triangle that points out of the panel."""
    out = 1 if (place.value.end > place.value.start) == (side > 0) else -1
    tip, base = at + 5 * out, at - 1 * out
    corners = [(0, tip), (-3.5, base), (3.5, base)] if along == "y" else [(tip, 0), (base, -3.5), (base, 3.5)]
    return f'<path class="{cls}" d="M{"L".join(f"{a:.1f},{b:.1f}" for a, b in corners)}z"/>'


def _run(place: Place, mark: Mark) -> str:
    x, y = place.of(mark)
    return f'<circle class="run {color_class(mark.color)}"{_tag(mark)} cx="{x:g}" cy="{y:g}" r="2"/>'


def _rule(place: Place, mark: Mark) -> str:
    value, outside = place.value.clamped(getattr(mark, place.values))
    other = place.other
    first, last = (other.start, other.end) if mark.low is None else (other(mark.low), other(mark.high))
    across = "x" if place.values == "y" else "y"
    ends = f'{across}1="{first:g}" {across}2="{last:g}" {place.values}1="{value:g}" {place.values}2="{value:g}"'
    hidden = ' style="display:none"' if outside else ""  # beyond the panel, as matplotlib clips it
    cls = f'class="rule {color_class(mark.color)}" data-s="{escape(mark.series)}"'
    return f"<line {cls} {ends}{_dashes(mark.line, 1.4)}{hidden}/>"


def _span(place: Place, mark: Mark) -> str:
    y = place.y(mark.y)
    ends = f'x1="{place.x(mark.low):g}" x2="{place.x(mark.high):g}" y1="{y:g}" y2="{y:g}"'
    return f'<line class="span {color_class(mark.color)}"{_tag(mark)} {ends}/>'


def _bands(place: Place, marks: Sequence[Mark]) -> Iterator[str]:
    """The shaded area of each series, cut at the edges of the panel."""
    for series in dict.fromkeys(mark.series for mark in marks):
        own = [mark for mark in marks if mark.series == series]
        ends = [(place.x(mark.x), place.y.clamped(mark.low)[0], place.y.clamped(mark.high)[0]) for mark in own]
        there = [f"{x:g},{low:g}" for x, low, _ in ends]
        back = [f"{x:g},{high:g}" for x, _, high in reversed(ends)]
        yield f'<path class="band {color_class(own[0].color)}"{_tag(own[0])} d="M{"L".join(there + back)}z"/>'


def _label(place: Place, mark: Mark) -> str:
    x, y = place.of(mark)
    gap = {"start": GAP_PX, "middle": 0.0, "end": -GAP_PX}[mark.anchor]
    return (
        f'<text class="lab halo {color_class(mark.color)}" data-s="{escape(mark.series)}" x="{x + gap:g}" '
        f'y="{y + 4:g}" text-anchor="{mark.anchor}">{escape(mark.label)}</text>'
    )


def _missing(place: Place, mark: Mark) -> str:
    """A cross at the low end of the values, for a condition without a value."""
    low = sorted((place.value.start, place.value.end))
    if place.values == "y":
        x, y = place.x(mark.x) + mark.shift * PIXELS_PER_POINT, low[1] - 8
    else:
        x, y = low[0] + 8, place.y(mark.y)
    return (
        f'<g class="pt open missing {color_class(mark.color)}"{_tag(mark)} transform="translate({x:g},{y:g})">'
        f"{shapes.shape('cross')}{_title(mark)}</g>"
    )


def _title(mark: Mark) -> str:
    """The text of a mark, which browsers show on hover; the script shows it at once, and on keys and touch too."""
    return f"<title>{escape(mark.label)}</title>" if mark.label else ""


def _lines(place: Place, points: Sequence[Mark]) -> Iterator[str]:
    """A line through the points of each series in order; a point without a value interrupts it."""
    for series in dict.fromkeys(point.series for point in points):
        own = [point for point in points if point.series == series]
        for there, run in groupby(own, key=known):
            run = list(run)
            if there and len(run) > 1:
                yield _line(place, run)


def _line(place: Place, run: Sequence[Mark]) -> str:
    """One line; ink if its points have several colors, because then x is the level."""
    colors = {point.color for point in run}
    color = colors.pop() if len(colors) == 1 else "ink"
    marker = run[0].marker if len({point.marker for point in run}) == 1 else ""
    tag = f' data-s="{escape(run[0].series)}" data-l="{escape(run[0].line)}"' + (
        f' data-k="{marker}"' if marker else ""
    )
    path = "L".join("{:g},{:g}".format(*place.of(point)) for point in run)
    return f'<path class="ln {color_class(color)}"{tag} d="M{path}"{_dashes(run[0].line, LINE_PX)}/>'


def _dashes(line: str, width: float) -> str:
    found = shapes.dashes(line, width) if line else ""
    return f' stroke-dasharray="{found}"' if found else ""
