"""One panel of a figure as SVG: margins, axes, names above positions, and the marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from itertools import pairwise
from textwrap import wrap

from junkdna.report.page.scales import CHARACTER, FONT, Scale, name_width, tiers, width
from junkdna.report.page.svg_marks import Place, elements
from junkdna.report.plotting.drawing import Axis, Mark, Panel

LINE = 14.0  # height of a line of text
PX_PER_IN = 96.0
ROW = 22.0  # least height of a category on a vertical axis
WIDEST_TEXTS = 0.45  # of the texts of the vertical axis, as a share of the panel
MOST_TIERS = 6  # rows of names above a panel; with more, numbers stand for them and a list below has the names
Name = tuple[float, float, int, str]  # above a panel: position, middle of the text, row from below, text
WIDEST_NAME = 0.6  # of a name above a panel, as a share of the panel; with a wider one, numbers stand for all


def panel_svg(panel: Panel, marks: Sequence[Mark], wide: float, attributes: str) -> tuple[str, list[str]]:
    """The SVG of a panel `wide` pixels wide, and the names that only numbers stand for.

    `attributes` are those of the element: its class, role and text for those who do not see it.
    """
    left = _left(panel, wide)
    panel = replace(panel, x=_labeled(panel.x, wide), y=_labeled(_wrapped(panel.y, left - 10), wide))
    right = wide - _right(panel, marks, wide, left)
    x = Scale(panel.x, left, right)
    names, listed = _names(panel, x, wide)
    top = _top(panel.y.label, names)
    tall = _plot_height(panel)
    y = Scale(panel.y, top + tall, top)
    place = Place(x, y, panel.values)
    parts = [_grid(place, panel), _axes(place, panel, wide), _names_above(names, place), elements(place, marks)]
    parts.append(_message(panel.message, place))
    height = top + tall + _bottom(panel.x)
    ends = f'data-x="{x.start:g},{x.end:g}" data-y="{y.start:g},{y.end:g}"'
    svg = f'<svg {attributes} {ends} viewBox="0 0 {wide:g} {height:g}">{"".join(parts)}</svg>'
    return svg, listed


def _wrapped(axis: Axis, room: float) -> Axis:
    """The axis with its texts broken into lines that fit into `room` pixels."""
    most = max(4, int(room / (CHARACTER * FONT)))
    return replace(axis, ticks=tuple((at, _broken(_whole(text, most), most)) for at, text in axis.ticks))


def _whole(text: str, most: int) -> str:
    """A text that does not fit, with all lines but the last joined: they were broken for a wider place."""
    *lines, last = text.split("\n")
    fits = not lines or max(map(len, (*lines, last))) <= most + 1
    return text if fits else f"{' '.join(lines)}\n{last}"


def _labeled(axis: Axis, room: float) -> Axis:
    """The axis with its label broken into lines that fit into `room` pixels."""
    return replace(axis, label=_broken(" ".join(axis.label.split(" ")), int(room / (CHARACTER * FONT))))


def _broken(text: str, most: int) -> str:
    lines = text.split("\n")
    return "\n".join(part for line in lines for part in (wrap(line, most) if len(line) > most + 1 else [line]))


def _plot_height(panel: Panel) -> float:
    rows = _rows_height(panel.y) if panel.values == "x" else 0.0
    return round(max(panel.height_in * PX_PER_IN * 0.9, rows), 1)


def _rows_height(axis: Axis) -> float:
    """The least height at which no text of a category touches the next; at most that of rows all as high as the
    highest."""
    ticks = sorted((at, len(text.split("\n"))) for at, text in axis.ticks)
    most = len(ticks) * (ROW + LINE * (max((lines for _, lines in ticks), default=1) - 1))
    apart = [(ROW + LINE * ((a + b) / 2 - 1)) / (y - x) for (x, a), (y, b) in pairwise(ticks)]
    return min(most, max(apart) * abs(axis.limits[1] - axis.limits[0])) if apart else most


def _left(panel: Panel, wide: float) -> float:
    """Room for the texts of the vertical axis, at most 45 % of the panel."""
    texts = max((width(text) for _, text in panel.y.ticks), default=0.0)
    return round(min(texts + 10, WIDEST_TEXTS * wide), 1)


def _right(panel: Panel, marks: Sequence[Mark], wide: float, left: float) -> float:
    """Room at the right for texts that stand there and for half of the last tick."""
    scale = Scale(panel.x, left, wide)
    ends = [scale(mark.x) + width(mark.label) + 10 for mark in marks if mark.kind == "label" and mark.anchor == "start"]
    return round(min(max([12.0, *(end - wide for end in ends)]), 0.3 * wide), 1)


def _title_height(label: str) -> float:
    return LINE * len(label.split("\n")) + 8 if label else 8.0


def _top(label: str, names: Sequence[Name]) -> float:
    """Room above the panel for the names and the label of the vertical axis, side by side if no name is below it."""
    height, end = _title_height(label), width(label) + 8
    heights = _row_heights(names)
    below = [row for _, middle, row, text in names if middle - name_width(text) / 2 < end]
    return max([height, sum(heights) + 6, *(height + sum(heights[: row + 1]) + 6 for row in below)])


def _bottom(axis: Axis) -> float:
    """Room for the ticks and the label of the horizontal axis."""
    return _ticks_height(axis) + (LINE * len(axis.label.split("\n")) + 4 if axis.label else 0)


def _ticks_height(axis: Axis) -> float:
    return 6 + LINE * max((len(text.split("\n")) for _, text in axis.ticks), default=1)


def _names(panel: Panel, x: Scale, wide: float) -> tuple[list[Name], list[str]]:
    """The names above the panel, and the list of names if numbers stand for them."""
    names = sorted((x(at), text) for at, text in panel.names)
    if not names:
        return [], []
    placed = tiers(names, 0, wide)
    listed: list[str] = []
    if max(row for row, _ in placed) >= MOST_TIERS or max(width(text) for _, text in names) > WIDEST_NAME * wide:
        listed = [text.replace("\n", ", ") for _, text in names]
        names = [(at, str(number)) for number, (at, _) in enumerate(names, 1)]
        placed = tiers(names, 0, wide)
    return [(at, middle, row, text) for (at, text), (row, middle) in zip(names, placed, strict=True)], listed


def _row_heights(names: Sequence[Name]) -> list[float]:
    """The height of each row of names, from the bottom."""
    rows = max((row for _, _, row, _ in names), default=-1) + 1
    lines = [max(len(text.split("\n")) for *_, row, text in names if row == at) for at in range(rows)]
    return [LINE * n + 4 for n in lines]


def _names_above(names: Sequence[Name], place: Place) -> str:
    """Each name with a thin line down through the panel."""
    if not names:
        return ""
    heights = _row_heights(names)
    guides, texts = [], []
    for at, middle, row, text in names:
        bottom = place.y.end - 6 - sum(heights[:row])
        guides.append(f'<line class="guide" x1="{at:g}" x2="{at:g}" y1="{bottom + 2:g}" y2="{place.y.start:g}"/>')
        texts.append(_lines(text, middle, bottom - 3, "middle", "halo", bold=True))
    return "".join([*guides, *texts])  # a line of one name must not cross the text of another


def _lines(text: str, x: float, bottom: float, anchor: str, cls: str, bold: bool = False) -> str:
    """A text of several lines whose last line is at `bottom`; the first is bold if asked for."""
    lines = text.split("\n")
    start = bottom - LINE * (len(lines) - 1)
    return "".join(
        f'<text class="{cls}{" b" if bold and at == 0 else ""}" x="{x:g}" y="{start + LINE * at:g}" '
        f'text-anchor="{anchor}">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )


def _grid(place: Place, panel: Panel) -> str:
    """Lines across the panel at the ticks of the values, and dividers between groups."""
    across = "x" if place.values == "y" else "y"
    ends = f'{across}1="{place.other.start:g}" {across}2="{place.other.end:g}"'
    ticks = panel.y.ticks if place.values == "y" else panel.x.ticks
    lines = [_at(place, ends, value, "grid") for value, _ in ticks]
    along = f'{place.values}1="{place.value.start:g}" {place.values}2="{place.value.end:g}"'
    for at in panel.dividers:
        pixel = place.other(at)
        lines.append(f'<line class="guide" {along} {across}1="{pixel:g}" {across}2="{pixel:g}"/>')
    return "".join(lines)


def _at(place: Place, ends: str, value: float, cls: str) -> str:
    pixel = place.value(value)
    return f'<line class="{cls}" {ends} {place.values}1="{pixel:g}" {place.values}2="{pixel:g}"/>'


def _axes(place: Place, panel: Panel, wide: float) -> str:
    """Texts of both axes: ticks, and labels that stand above (y) and below (x) the panel, never turned."""
    bottom = place.y.start
    parts = [_tick_x(place.x(at), bottom + 16, text) for at, text in _legible(place.x, panel.x)]
    parts += [_tick_y(place.x.start - 6, place.y(at), text) for at, text in panel.y.ticks]
    parts.append(_lines(panel.y.label, 0, _title_height(panel.y.label) - 12, "start", "al") if panel.y.label else "")
    if panel.x.label:
        last = bottom + _ticks_height(panel.x) + LINE * len(panel.x.label.split("\n")) - 2
        parts.append(_lines(panel.x.label, wide, last, "end", "al"))
    return "".join(parts)


def _legible(scale: Scale, axis: Axis) -> list[tuple[float, str]]:
    """The ticks whose texts do not overlap, from the first on."""
    shown: list[tuple[float, str]] = []
    end = float("-inf")
    for at, text in sorted(axis.ticks, key=lambda tick: scale(tick[0])):
        if scale(at) - width(text) / 2 > end + 3:
            shown.append((at, text))
            end = scale(at) + width(text) / 2
    return shown


def _tick_x(x: float, y: float, text: str) -> str:
    return _lines(text, x, y + LINE * (len(text.split("\n")) - 1), "middle", "t")


def _tick_y(x: float, y: float, text: str) -> str:
    lines = text.split("\n")
    return _lines(text, x, y + 4 + LINE * (len(lines) - 1) / 2, "end", "t")


def _message(text: str, place: Place) -> str:
    if not text:
        return ""
    x, y = (place.x.start + place.x.end) / 2, (place.y.start + place.y.end) / 2
    return _lines(text, x, y + FONT * len(text.split("\n")) / 2, "middle", "t")
