"""Markers, line styles and sizes of all figures; `palette.py` has the colors.

A marker tells the method or the transfer mode, a color the level. Lines are ink where x is the level. Figures use the
object API of matplotlib with the Agg backend, without pyplot or global state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from itertools import cycle
from typing import ParamSpec, TypeVar

from junkdna.report.plotting import palette
from junkdna.study.methods import METHODS

P = ParamSpec("P")
R = TypeVar("R")

INK, MUTED, FAINT = (palette.color(name) for name in ("ink", "muted", "faint"))
NOTE_INK, NOTE_BAND = "#8C1D18", "#FBE3DF"  # of the note on an incomplete figure
METHOD_MARKERS: Mapping[str, str] = {  # method -> name of its marker
    "dense": "circle",
    "magnitude": "circle",
    "random": "triangle",
    "largest": "square",
    "magnitude_layer": "hexagon",
    "nm": "pentagon",
    "wanda": "triangle_left",
    "sparsegpt": "triangle_right",
    "rtn": "cross_filled",
    "gptq": "star",
    "svd": "diamond_thin",
    "band": "circle",
}
MODE_STYLES: Mapping[str, tuple[str, str, str]] = {  # mode of fine-tuning -> marker, line, label
    "sparse": ("diamond", "solid", "sparse (mask fixed)"),
    "sparse_to_dense": ("triangle_down", "5 2.2", "sparse to dense (mask released)"),
    "dense_freeze": ("plus", "1.2 1.8", "dense, small weights frozen"),
}
MARKERS: Mapping[str, str] = {  # name -> marker of matplotlib
    "circle": "o",
    "triangle": "^",
    "square": "s",
    "diamond": "D",
    "triangle_down": "v",
    "plus": "P",
    "hexagon": "h",
    "pentagon": "p",
    "triangle_left": "<",
    "triangle_right": ">",
    "cross_filled": "X",
    "star": "*",
    "diamond_thin": "d",
    "ring": "o",
    "cross": "x",
    "bar": "|",
}
SIZES: Mapping[str, float] = {  # of markers that look small, in points
    "triangle": 5.8,
    "triangle_down": 5.8,
    "triangle_left": 5.8,
    "triangle_right": 5.8,
    "plus": 6.4,
    "cross_filled": 6.0,
    "star": 7.5,
    "diamond_thin": 6.0,
    "pentagon": 5.6,
    "hexagon": 5.6,
}
SPARE_LINES = (
    "6 4", "7 2 1.2 2 1.2 2", "3 1 3 3", "1.2 1.2 1.2 3.5", "10 2", "10 2 3 2", "1 1", "2 1 2 1 6 2", "5 1 1 4",
)  # fmt: skip
LINES: Mapping[str, object] = {"solid": "-", "dashed": (0, (4.5, 2.5)), "dotted": (0, (1, 2))}
RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # labels may contain dollar signs
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "svg.hashsalt": "junkdna",
    "svg.fonttype": "path",  # outlines, which need no installed font
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}
INTERVAL = "95 % intervals"
WIDTH_IN = 7.2
TITLE_PT, CAPTION_PT, LABEL_PT = 10.5, 7.0, 7.0


def tuned_modes(present: Collection[str]) -> list[str]:
    """The modes of `present` that fine-tune a compressed model: known modes in a fixed order, then others by name."""
    return [mode for mode in MODE_STYLES if mode in present] + sorted({*present} - {"none", "dense", *MODE_STYLES})


def mode_style(mode: str) -> tuple[str, str, str]:
    """Marker, line and label of a transfer mode. The label of an unknown mode is its name."""
    return MODE_STYLES.get(mode, ("circle", "solid", "no fine-tuning" if mode == "none" else mode.replace("_", " ")))


def method_marker(method: str) -> str:
    """The marker of a method; methods without their own share those of the others, in order."""
    others = [name for name in METHODS if name not in METHOD_MARKERS]
    return METHOD_MARKERS.get(method) or dict(zip(others, cycle(METHOD_MARKERS.values()), strict=False))[method]


def line_style(name: str) -> object:
    """The line of a name in matplotlib: of `LINES`, or lengths of dashes and gaps in line widths, such as `5 2.2`."""
    return LINES[name] if name in LINES else (0, tuple(map(float, name.split())))


def method_line(method: str) -> str:
    """The name of a method's line."""
    style = METHODS[method].line_style
    return "solid" if style == "-" else " ".join(f"{length:g}" for length in style[1])


def themed(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` with the settings `RC`, independent of the caller's matplotlib settings."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(RC)
            return function(*args, **kwargs)

    return wrapper
