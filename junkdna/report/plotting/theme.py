"""Colors, markers, line styles and sizes of all figures.

Figures use the object API of matplotlib with the Agg backend, without pyplot or global state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

INK, GREY, FAINT = "#222222", "#6B6B6B", "#D9D9D9"
NOTE_INK, NOTE_BAND = "#8C1D18", "#FBE3DF"  # of the note on an incomplete figure
# The Okabe-Ito palette without black (dense, text) and yellow (too pale for thin lines), plus one purple.
CONDITION_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195")
CONDITION_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
# Modes and levels use other colors than conditions, so that a color has one meaning in a report.
MODE_STYLES = {  # mode of fine-tuning -> color, marker, label
    "sparse": ("#882255", "o", "sparse (mask fixed)"),
    "sparse_to_dense": ("#117733", "s", "sparse to dense (mask released)"),
    "dense_freeze": ("#332288", "^", "dense, small weights frozen"),
}
LEVEL_COLORS = ("#F2A65A", "#C8553D", "#8C2F5B", "#2D1E4F")  # light to dark, also in grayscale
SPARE_DASHES = (
    (0, (6, 4)), (0, (7, 2, 1.2, 2, 1.2, 2)), (0, (3, 1, 3, 3)), (0, (1.2, 1.2, 1.2, 3.5)), (0, (10, 2)),
    (0, (10, 2, 3, 2)), (0, (1, 1)), (0, (2, 1, 2, 1, 6, 2)), (0, (5, 1, 1, 4)),
)  # fmt: skip
RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # labels may contain dollar signs
    "xtick.color": GREY,
    "ytick.color": GREY,
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
DOTTED = {"color": GREY, "linewidth": 0.9, "linestyle": (0, (1, 2))}
FILLED = {"markeredgecolor": "white", "markeredgewidth": 0.5}
OPEN = {"markerfacecolor": "white", "markeredgewidth": 1.2}
INTERVAL = "95 % intervals"
WIDTH_IN, LEFT_IN, RIGHT_IN, GAP_IN, XLABEL_IN = 7.2, 0.62, 0.14, 0.8, 0.46


def tuned_modes(present: Collection[str]) -> list[str]:
    """The modes of `present` that fine-tune a compressed model: known modes in a fixed order, then others by name."""
    return [mode for mode in MODE_STYLES if mode in present] + sorted({*present} - {"none", "dense", *MODE_STYLES})


def mode_style(mode: str) -> tuple[str, str, str]:
    """Color, marker and label of a transfer mode. The label of an unknown mode is its name."""
    return MODE_STYLES.get(mode, (INK, "X", "no fine-tuning" if mode == "none" else mode))


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
