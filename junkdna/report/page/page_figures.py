"""The figures of the page: SVG from the same drawings as the figures for papers, in every view, with their legends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

from junkdna.report.catalog import named
from junkdna.report.page import shapes
from junkdna.report.page.captions import without_marks
from junkdna.report.page.sections import slug
from junkdna.report.page.svg_marks import HALF, color_class
from junkdna.report.page.svg_panel import panel_svg
from junkdna.report.page.words import capitalized
from junkdna.report.plotting import palette
from junkdna.report.plotting.text import spaced
from junkdna.report.plotting.views import VIEWS

if TYPE_CHECKING:
    from junkdna.report.plotting.drawing import Drawing, Key, Mark, Panel

WIDE, NARROW = 660.0, 358.0  # pixels of a panel that is alone in its row, on a screen and on a phone
SEVERAL = {2: 408.0, 3: 268.0}  # of panels side by side
OTHER_VIEWS = {
    "lost": "Share lost", "flips": "Answers changed", "kl": "KL divergence", "loss": "At equal loss",
    "bits": "At equal bits",
}  # fmt: skip
MOST_PANELS = 12  # of a view; the files next to the page have all
READ_ALOUD = 12  # most points that the text of a panel lists


@dataclass(frozen=True)
class PagePanel:
    """A panel: its title, its drawings for the widths it has, names that only numbers stand for in the last, and
    whether this is so only on a phone."""

    title: str
    svgs: list[str]
    listed: list[str]
    narrow: bool = False


@dataclass(frozen=True)
class PageView:
    """One view of a figure: the name of the view, its title, the stem of its files, its panels, how many more there
    are, legends and facts."""

    name: str
    label: str
    title: str
    stem: str
    panels: list[PagePanel]
    more: int
    keys: list[list[tuple[str, str, str]]]
    facts: str


@dataclass(frozen=True)
class PageFigure:
    """A figure in all its views. `columns` is the number of panels side by side, at most three. `again` if an earlier
    figure of the page has the same caption, which is then printed once; `empty` if it says why it shows nothing."""

    id: str
    title: str
    caption: str
    columns: int
    views: list[PageView]
    again: bool = False
    empty: bool = False

    @property
    def how_to_read(self) -> str:
        """The caption as the page shows it."""
        return without_marks(self.caption)


def page_figures(stems: Iterable[str], draw: Callable[[str], Drawing]) -> dict[str, PageFigure]:
    """The figures with these stems, those of the views of one figure together, by the first stem of each.

    `draw` gives the drawing of a stem.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for stem in stems:
        figure, _, experiment = named(stem)
        groups.setdefault((figure.name, experiment), []).append(stem)
    found: dict[str, PageFigure] = {}
    for (name, _), group in groups.items():
        drawings = {stem: draw(stem) for stem in group}
        found[group[0]] = _figure(group, drawings, any(named(stem)[0].name == name for stem in found))
    return found


def _figure(stems: Sequence[str], drawings: Mapping[str, Drawing], again: bool) -> PageFigure:
    figure, _, experiment = named(stems[0])
    drawings = {stem: _untitled(drawing, experiment) for stem, drawing in drawings.items()}
    first = drawings[stems[0]]
    columns = max(1, min(3, first.columns, len(first.panels)))
    views = [_view(stem, drawings[stem], columns) for stem in stems]
    empty = not any(drawing.marks for drawing in drawings.values())
    return PageFigure(f"figure-{slug(stems[0])}", first.title, figure.caption, columns, views, again, empty)


def _untitled(drawing: Drawing, experiment: str) -> Drawing:
    """The drawing without the experiment in its title: the section of the page names it."""
    return replace(drawing, title=drawing.title.removesuffix(f": {spaced(experiment)}"))


def _view(stem: str, drawing: Drawing, columns: int) -> PageView:
    _, view, _ = named(stem)
    label = VIEWS[view].title if view in VIEWS else OTHER_VIEWS.get(view, capitalized(view))
    return page_view(view, label, stem, drawing, columns)


def page_view(view: str, label: str, stem: str, drawing: Drawing, columns: int) -> PageView:
    """A view of a figure with its panels as SVG. `stem` is the name of its files."""
    named_rows = _with_rows(drawing.panels)
    panels = [
        _panel(panel, drawing.of_panel(at), drawing, columns) for at, panel in enumerate(named_rows[:MOST_PANELS])
    ]
    keys = [[(_glyph(key), key.label, _switch(key, group, drawing)) for key in group] for group in drawing.keys]
    more = len(named_rows) - len(panels)
    return PageView(view, label, drawing.title, stem, panels, more, [group for group in keys if group], drawing.caption)


def _with_rows(panels: Sequence[Panel]) -> list[Panel]:
    """The panels, where one that shares the rows of the panel before it repeats their names: on a phone the two are
    one below the other."""
    found: list[Panel] = []
    for panel in panels:
        before = found[-1] if found else None
        shares = before and panel.values == before.values == "x" and panel.y.limits == before.y.limits
        unnamed = not any(text for _, text in panel.y.ticks)
        found.append(replace(panel, y=replace(panel.y, ticks=before.y.ticks)) if shares and unnamed else panel)
    return found


def _panel(panel: Panel, marks: Sequence[Mark], drawing: Drawing, columns: int) -> PagePanel:
    text = f'role="img" aria-label="{escape(_read_aloud(panel, marks, drawing))}"'
    widths = {"": SEVERAL[columns]} if columns in SEVERAL else {" wide": WIDE, " narrow": NARROW}
    drawn = [panel_svg(panel, marks, wide, f'class="fig{cls}" {text}') for cls, wide in widths.items()]
    listed = drawn[-1][1]
    return PagePanel(panel.title, [svg for svg, _ in drawn], listed, narrow=bool(listed) and not drawn[0][1])


def _read_aloud(panel: Panel, marks: Sequence[Mark], drawing: Drawing) -> str:
    """What a panel shows, for those who do not see it: its title and the texts of its points."""
    points = [mark.label.replace("\n", ", ") for mark in marks if mark.kind in ("point", "missing") and mark.label]
    more = f"; and {len(points) - READ_ALOUD} more" if len(points) > READ_ALOUD else ""
    title = f"{drawing.title}{f', {panel.title}' if panel.title else ''}"
    axes = " against ".join(label.split("\n")[0] for label in (panel.y.label, panel.x.label) if label)
    return f"{title}: {axes}. {'; '.join(points[:READ_ALOUD])}{more}.".replace("\n", " ")


def _glyph(key: Key) -> str:
    """The line and marker of an entry of the legend, as SVG."""
    dashes = shapes.dashes(key.line, 1.6) if key.line else ""
    pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
    line = f'<path class="ln" d="M1,7H29"{pattern}/>' if key.line else ""
    state = "" if not key.collapsed else " hollow" if key.collapsed >= 1 else " half"
    state += " open" if key.marker in shapes.OPEN else " hollow" if key.marker == shapes.RING else ""
    half = shapes.shape(key.marker, "hm", HALF) if " half" in state else ""
    shape = shapes.shape(key.marker)
    marker = f'<g class="pt{state}" transform="translate(15,7)">{shape}{half}</g>' if shape else ""
    box = "0 0 30 14" if line else "7 0 16 14"  # a marker alone needs no room for a line
    return f'<svg class="{color_class(key.color)}" viewBox="{box}" aria-hidden="true">{line}{marker}</svg>'


def _switch(key: Key, group: Sequence[Key], drawing: Drawing) -> str:
    """What an entry of the legend can switch off, as a selector: marks of its color if the colors of its group differ,
    else of its marker, else of its line; empty if no mark is meant or all are. An entry
    without a marker means a line; the rules across a panel, such as the baseline, stay."""
    points = [mark for mark in drawing.marks if mark.kind in ("point", "run", "span")]
    rules = {mark.series for mark in drawing.marks if mark.kind == "rule"}
    if key.collapsed or not points or key.label in rules:
        return ""
    for name, attribute in (("color", "c"), ("marker", "k"), ("line", "l"))[0 if key.marker else 2 :]:
        value = getattr(key, name)
        if not value or len({getattr(each, name) for each in group}) == 1:
            continue
        meant = sum(getattr(mark, name) == value for mark in points)
        if 0 < meant < len(points):
            return f".{color_class(value)}" if attribute == "c" else f'[data-{attribute}="{value}"]'
    return ""


def color_rules(figures: Iterable[PageFigure]) -> str:
    """CSS rules for the colors that the figures use, on white, on a dark ground and in print."""
    text = " ".join(svg for figure in figures for view in figure.views for panel in view.panels for svg in panel.svgs)
    names = sorted(palette_names(text) | set(palette.PLAIN))
    light, dark = ("".join(_rule(name, side) for name in names) for side in (False, True))
    return f"{light}\n@media screen and (prefers-color-scheme:dark){{{dark}}}\n"


def palette_names(text: str) -> set[str]:
    """The names of colors whose classes a text contains."""
    return {name.replace("_", ".") for name in re.findall(r"\bc-([a-z]+(?:-[0-9_]+)?)\b", text)}


def _rule(name: str, dark: bool) -> str:
    return f".{color_class(name)}{{--c:{palette.color(name, dark)};--ct:{palette.text_color(name, dark)}}}"
