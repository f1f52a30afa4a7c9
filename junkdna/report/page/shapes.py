"""The markers of the figures as SVG paths, by their names in `plotting.theme`, and lines as dashes."""

from __future__ import annotations

from math import cos, pi, sin

from junkdna.report.plotting.theme import LINES, MARKERS


def _polygon(corners: int, radius: float, turn: float = 0.0, inner: float = 0.0) -> str:
    """A regular polygon, or a star with corners at `inner` between those at `radius`; the first corner points up."""
    steps = 2 * corners if inner else corners
    radii = [inner if inner and at % 2 else radius for at in range(steps)]
    angles = [turn - pi / 2 + 2 * pi * at / steps for at in range(steps)]
    points = [f"{r * cos(a):.2f},{r * sin(a):.2f}" for r, a in zip(radii, angles, strict=True)]
    return f"M{'L'.join(points)}z"


RADII = {"circle": 4.4, "ring": 4.0}
PATHS = {
    "triangle": "M0,-5.6L5.2,3.8L-5.2,3.8z",
    "square": "M-4.1,-4.1h8.2v8.2h-8.2z",
    "diamond": "M0,-5.9L5.7,0L0,5.9L-5.7,0z",
    "triangle_down": "M0,5.6L5.2,-3.8L-5.2,-3.8z",
    "plus": "M-1.7,-5.2h3.4v3.5h3.5v3.4h-3.5v3.5h-3.4v-3.5h-3.5v-3.4h3.5z",
    "hexagon": _polygon(6, 5.2),
    "pentagon": _polygon(5, 5.4),
    "triangle_left": "M-5.6,0L3.8,-5.2L3.8,5.2z",
    "triangle_right": "M5.6,0L-3.8,-5.2L-3.8,5.2z",
    "cross_filled": "M-5,-2.6L-2.6,-5L0,-2.4L2.6,-5L5,-2.6L2.4,0L5,2.6L2.6,5L0,2.4L-2.6,5L-5,2.6L-2.4,0z",
    "star": _polygon(5, 6.2, inner=2.6),
    "diamond_thin": "M0,-6.4L3.7,0L0,6.4L-3.7,0z",
    "cross": "M-4,-4L4,4M-4,4L4,-4",
    "bar": "M0,-5V5",
}
OPEN = ("cross", "bar")  # lines without an area
RING = "ring"  # always hollow
assert PATHS.keys() | RADII.keys() == MARKERS.keys(), "every marker of the theme has a path"


def shape(marker: str, cls: str = "m", more: str = "") -> str:
    """The element of a marker around (0, 0) with a class; empty for no marker. `more` are further attributes."""
    if marker in RADII:
        return f'<circle class="{cls}" r="{RADII[marker]:g}"{more}/>'
    return f'<path class="{cls}" d="{PATHS[marker]}"{more}/>' if marker else ""


def dashes(line: str, width: float) -> str:
    """The value of `stroke-dasharray` for a line of the theme; empty for a solid one.

    Lengths of the theme are in line widths, as in matplotlib.
    """
    lengths = LINES[line] if line in LINES else (0, tuple(map(float, line.split())))
    return "" if lengths == "-" else " ".join(f"{width * length:.3g}" for length in lengths[1])
