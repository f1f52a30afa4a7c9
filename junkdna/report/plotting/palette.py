"""Colors of all figures and of the page, by name: one color per level of compression, everywhere.

A name is `pruned-30` (percent of weights pruned), `bits-4`, `rank-0.25`, or one of `PLAIN`. Pruning has a warm ramp,
bits and ranks have cool ones. On white, lightness falls as the compression gets stronger. Every color has at least 3 :
1 contrast with the ground, and the levels that figures show together stay apart for color-blind readers
(tests/report/plotting/test_palette.py).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache
from math import log2

from junkdna.analysis.series import series_of
from junkdna.study.cell import parse_compression
from junkdna.study.number_formats import NUMBER_FORMATS

Ramp = Sequence[tuple[float, str, str]]  # position, color on white, color on a dark ground

RAMPS: Mapping[str, Ramp] = {
    "pruned": (
        (10, "#b8851f", "#f7d774"),
        (20, "#c47c1c", "#f9c55f"),
        (30, "#cc7018", "#fbb04c"),
        (40, "#d1603c", "#fb9361"),
        (50, "#c9455a", "#f87d83"),
        (60, "#b03474", "#ec72b0"),
        (70, "#8f2a88", "#d977d9"),
        (80, "#652482", "#b687ee"),
        (90, "#361a6e", "#9a95fb"),
        (100, "#1b0b40", "#8486ff"),
    ),
    "bits": (  # by how far below 16 bits, in octaves
        (1, "#3f9db0", "#9be7f0"),
        (2, "#1f74a8", "#6cc4f2"),
        (2.415, "#1b4d92", "#7aa5f5"),
        (3, "#1a2468", "#8b8ff7"),
        (4, "#0f0c36", "#a39cff"),
    ),
    "rank": (  # in octaves below the full rank
        (0, "#6a9a2c", "#cdeb9a"),
        (1, "#2c7f46", "#8fdca0"),
        (2, "#0e5c59", "#5cc7ac"),
        (3, "#0b3743", "#58b3b8"),
        (5, "#07202b", "#7aa9bd"),
    ),
}
PLAIN: Mapping[str, tuple[str, str]] = {  # on white, on dark
    "ink": ("#1b232c", "#e8ecf0"),
    "muted": ("#55606b", "#a7b1bb"),
    "faint": ("#d9dde1", "#323a43"),
    "good": ("#0b6b5c", "#4cc7ae"),
    "bad": ("#a3341c", "#f08a72"),
    "unknown": ("#5c6670", "#a7b1bb"),
}
GROUNDS = ("#ffffff", "#12171d")
TEXT_CONTRAST = 4.5


def level_color(tag: str) -> str:
    """The name of the color of a compression, by its tag; `ink` for dense, `unknown` for external ones. Number formats
    have the color of their bits."""
    series = series_of(tag)
    if series is None:
        return "ink"
    value = parse_compression(tag).value
    share = {
        "sparsity": lambda: value,
        "keep_of": lambda: 1 - value[0] / value[1],
        "band": lambda: value[1] - value[0],
    }
    if series.kind in share:
        return f"pruned-{100 * share[series.kind]():.4g}"
    if series.kind == "external":
        return "unknown"
    return f"bits-{NUMBER_FORMATS[value].usual_bits:g}" if series.kind == "format" else f"{series.kind}-{value:g}"


@cache
def color(name: str, dark: bool = False) -> str:
    """The color `#rrggbb` of a name, on white or on a dark ground. Raises KeyError for an unknown name."""
    ramp, _, text = name.partition("-")
    if not text:
        return PLAIN[ramp][dark]
    value = float(text)
    at = {"pruned": lambda: value, "bits": lambda: 4 - log2(value), "rank": lambda: -log2(value)}[ramp]()
    return _between(RAMPS[ramp], at, 1 + dark)


@cache
def text_color(name: str, dark: bool = False) -> str:
    """The color of text next to a mark: the mark's, darker (lighter on dark) until the text has enough contrast."""
    ground, ink, start = GROUNDS[dark], PLAIN["ink"][dark], color(name, dark)
    mixed = (_mix(start, ink, step / 20) for step in range(21))
    return next(each for each in mixed if contrast(each, ground) >= TEXT_CONTRAST)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colors `#rrggbb`, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _between(ramp: Ramp, at: float, column: int) -> str:
    """The color of a ramp at a position: between two steps mixed, beyond an end that of the end."""
    places = [step[0] for step in ramp]
    above = bisect_left(places, at)
    if above in (0, len(ramp)):
        return ramp[min(above, len(ramp) - 1)][column]
    low, high = ramp[above - 1], ramp[above]
    return _mix(low[column], high[column], (at - low[0]) / (high[0] - low[0]))


def _mix(one: str, other: str, share: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(255 * (a + share * (b - a))):02x}" for a, b in pairs)


def _channels(color: str) -> list[float]:
    return [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def _luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(color)]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
