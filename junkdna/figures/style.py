"""One style for every figure: colours, conditions and their looks, layout, and files that are the same bytes each time.

matplotlib is imported inside functions and used through its object API on the Agg backend: no pyplot, no global state.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

INK, GREY, FAINT = "#222222", "#6B6B6B", "#D9D9D9"
# Okabe and Ito without black (dense, text) and without yellow (too pale for a thin line on white).
CONDITION_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195")
CONDITION_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
# Modes and levels never borrow a condition's colour, so a colour has one meaning in a report.
MODE_LOOKS = {
    "sparse": ("#882255", "o", "sparse (mask held)"),
    "sparse_to_dense": ("#117733", "s", "sparse to dense (mask released)"),
    "dense_freeze": ("#332288", "^", "dense, small weights frozen"),
}
LEVEL_COLOURS = ("#F2A65A", "#C8553D", "#8C2F5B", "#2D1E4F")  # light to dark: prints in order without colour, too
METHOD_DASHES = {
    "magnitude": "-",
    "random": (0, (1.2, 1.4)),
    "largest": (0, (5, 2)),
    "nm": (0, (5, 1.5, 1.2, 1.5)),
    "magnitude_layer": (0, (3, 1.2)),
    "band": (0, (7, 2, 1.2, 2, 1.2, 2)),
}
SPARE_DASHES = ((0, (2, 2)), (0, (8, 1.5)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 3)))
METHOD_WORDS = {
    "magnitude": "smallest weights pruned (magnitude)",
    "random": "random weights pruned",
    "largest": "largest weights pruned",
    "nm": "keep n of m",
    "magnitude_layer": "smallest weights of each layer pruned",
}
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
    "text.parse_math": False,  # a label is a label, dollar signs included
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
    "svg.fonttype": "path",  # outlines: the page looks the same on a machine without the font
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}
DOTS = (0, (1, 2))
FILLED = {"markeredgecolor": "white", "markeredgewidth": 0.5}
OPEN = {"markerfacecolor": "white", "markeredgewidth": 1.2}
INTERVAL = "95 % bootstrap intervals"
WIDTH_IN, LEFT_IN, RIGHT_IN, GAP_IN, XLABEL_IN = 7.2, 0.62, 0.14, 0.8, 0.46


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` under this module's matplotlib settings, whatever the caller's are."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(RC)
            return function(*args, **kwargs)

    return inside


# ---- conditions -----------------------------------------------------------------------------------------------------

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Look:
    """How one condition (task x knobs) is named and drawn, the same in every figure of a study."""

    label: str
    colour: str
    marker: str


@dataclass
class Looks:
    """Looks of all conditions of a drops table; a protocol is part of a condition only where two share its place."""

    of: dict[Key, Look] = field(default_factory=dict)
    ambiguous: set[tuple[str, str]] = field(default_factory=set)

    def key(self, row: dict) -> Key:
        """Name the condition of `row`: task, knobs, and the protocol where several would share a curve."""
        pair = (row["task"], row["knobs"])
        return (*pair, row["protocol"] if pair in self.ambiguous else "")

    def __getitem__(self, row: dict) -> Look:
        """Look of the condition that `row` belongs to."""
        return self.of[self.key(row)]


def natural(text: str) -> tuple:
    """Sort key that puts `options=10` behind `options=2`."""
    return tuple((0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in _parts(text))


def _parts(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?|\D+", text)


def looks(drops: pl.DataFrame) -> Looks:
    """Give every condition of `drops` a label, a colour and a marker.

    Conditions of one experiment get different colours while there are enough of them, and always another pair of colour
    and marker. The same table gives the same looks, in whatever order its rows stand.
    """
    place = ["model", "task", "knobs", "transfer"]
    protocols = drops.select([*place, "protocol"]).unique().group_by(place).len()
    found = Looks(ambiguous={(r["task"], r["knobs"]) for r in protocols.iter_rows(named=True) if r["len"] > 1})
    homes: dict[Key, set[str]] = {}
    labels: dict[Key, str] = {}
    for row in drops.sort(["experiment", "label"]).iter_rows(named=True):
        key = found.key(row)
        homes.setdefault(key, set()).add(row["experiment"])
        labels.setdefault(key, plain_label(row))
    taken: dict[Key, tuple[str, str]] = {}
    for key in sorted(homes, key=lambda k: tuple(map(natural, k))):
        near = [look for other, look in taken.items() if homes[other] & homes[key]]
        colour = min(CONDITION_COLOURS, key=lambda c: (_count(near, 0, c), _count(taken.values(), 0, c)))
        marker = min(CONDITION_MARKERS, key=lambda m: ((colour, m) in near, _count(near, 1, m)))
        taken[key] = (colour, marker)
        found.of[key] = Look(_full_label(key, labels), colour, marker)
    return found


def numbers(values: pl.Series) -> list[float]:
    """Values as floats, null as not-a-number, which matplotlib leaves out."""
    return [float("nan") if value is None else float(value) for value in values]


def plain_label(row: dict) -> str:
    """Label of a row without the model, which the figures name themselves."""
    return row["label"].removesuffix(f" ({row['model']})") or row["task"]


def _count(looks_so_far: Iterable[tuple[str, str]], part: int, value: str) -> int:
    return sum(look[part] == value for look in looks_so_far)


def _full_label(key: Key, labels: dict[Key, str]) -> str:
    """Label of a condition, with its knobs (or task) and protocol where the label alone would name two conditions."""
    label = labels[key]
    if sum(other == label for other in labels.values()) > 1:
        label = f"{label} [{', '.join(part for part in key if part)}]"
    return label


def shorten(label: str, length: int = 44) -> str:
    """Cut a label to `length` characters; never empty, never starting with the underscore matplotlib hides."""
    text = " ".join(label.split()) or "(no label)"
    text = text if len(text) <= length else text[: length - 1] + "…"
    return " " + text if text.startswith("_") else text


def dashes(methods: Iterable[str]) -> dict[str, object]:
    """Line style of each method; methods without a fixed one get spare ones in the order of their names."""
    named = sorted(set(methods))
    spare = iter(SPARE_DASHES * len(named))
    return {method: METHOD_DASHES[method] if method in METHOD_DASHES else next(spare) for method in named}


# ---- words of the footer --------------------------------------------------------------------------------------------


def span(values: Iterable[float | int], form: str = "{:,}") -> str:
    """`1,000` or `500 to 1,000`."""
    low, high = min(values := list(values)), max(values)
    return form.format(low) if low == high else f"{form.format(low)} to {form.format(high)}"


def facts(rows: pl.DataFrame, mark: str) -> str:
    """Footer sentence: models, metric, n, seeds, kind of interval. `mark` says what shows the interval ("Bands")."""
    seeds = rows["n_seeds"]
    models = ", ".join(sorted(rows["model"].unique()))
    metric = ", ".join(sorted(rows["metric"].unique()))
    unit = "seed" if seeds.max() == 1 else "seeds (mean shown)"
    over = "examples only, as there is one seed" if seeds.max() == 1 else "seeds and examples"
    text = (
        f"{'Model' if rows['model'].n_unique() == 1 else 'Models'}: {models}. Metric: {metric}. "
        f"n = {span(rows['n_examples'])} examples; {span(seeds)} {unit}. "
        f"{mark}: {INTERVAL} over {over}; those against dense are paired with it."
    )
    cut = rows["truncated"].drop_nulls()
    if len(cut) and cut.max() > 0:
        text += f" Texts cut at the length limit: up to {100 * cut.max():.1f} % of a condition."
    return text


# ---- layout, measured in inches -------------------------------------------------------------------------------------


def panels(rows: int, columns: int, share_y: bool = False) -> tuple[Figure, list[list[Axes]]]:
    """Make an empty figure with a grid of axes; `finish` gives it its size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(WIDTH_IN, 4), dpi=RC["savefig.dpi"])  # measured as it is saved
    FigureCanvasAgg(fig)
    axes = fig.subplots(rows, columns, squeeze=False, sharey=share_y)
    for ax in axes.flat:
        ax.grid(axis="y", color=FAINT, linewidth=0.5)
        ax.set_axisbelow(True)
    return fig, [list(line) for line in axes]


def key(text: str, **look: object) -> Artist:
    """Legend entry: a line or marker with `look`, labelled `text`."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=shorten(text, 70), **look)


def collapsed_key() -> Artist:
    """Legend entry of the open marker."""
    return key("open: a seed predicts one class only", color=GREY, marker="o", linestyle="none", **OPEN)


def points(
    ax: Axes,
    x: Sequence[float],
    y: Sequence[float],
    collapsed: Sequence[int],
    colour: str,
    marker: str,
    **more: object,
) -> None:
    """Draw markers, open where `collapsed` is above 0; the line's label ends in `|points` or `|collapsed`."""
    label = more.pop("label")
    for is_open, name, face in ((False, "points", FILLED), (True, "collapsed", OPEN | {"markeredgecolor": colour})):
        at = [i for i, count in enumerate(collapsed) if (count > 0) == is_open]
        if at:
            look = {"color": colour, "marker": marker, "linestyle": "none", "zorder": 4} | face | more
            ax.plot([x[i] for i in at], [y[i] for i in at], label=f"{label}|{name}", **look)


def wrap(fig: Figure, text: str, size: float, width_in: float) -> str:
    """Break `text` into lines no wider than `width_in`, measured with the font it is drawn in."""
    lines: list[str] = [""]
    for word in text.split():
        trial = f"{lines[-1]} {word}".strip()
        if lines[-1] and measure(fig, trial, size)[0] > width_in:
            lines.append(word)
        else:
            lines[-1] = trial
    return "\n".join(lines)


def measure(fig: Figure, text: str, size: float, **look: object) -> tuple[float, float]:
    """Width and height of `text` in inches."""
    artist = fig.text(0, 0, text, fontsize=size, **look)
    box = artist.get_window_extent(fig.canvas.get_renderer())
    artist.remove()
    return box.width / fig.dpi, box.height / fig.dpi


@dataclass(frozen=True)
class Room:
    """Sizes in inches: height of a row of panels, heading above it, gaps and margins."""

    panel_in: float
    head_in: float = 0.22
    row_gap_in: float = 0.72
    gap_in: float = GAP_IN
    left_in: float = LEFT_IN
    right_in: float = RIGHT_IN


def finish(
    fig: Figure,
    title: str,
    legends: Sequence[Sequence[Artist]],
    footer: str,
    room: Room,
) -> Figure:
    """Place title, legends and footer around the panels and give the figure the height that all of it needs."""
    grid = fig.axes[0].get_subplotspec().get_gridspec()
    wide = WIDTH_IN - 0.3
    title, footer = wrap(fig, title, 10.5, wide), wrap(fig, footer, 6.8, wide)
    title_in = measure(fig, title, 10.5, fontweight="bold")[1]
    footer_in = measure(fig, footer, 6.8, linespacing=1.35)[1]
    drawn = [_legend(fig, handles, wide) for handles in legends if handles]
    heights = [legend.get_window_extent(fig.canvas.get_renderer()).height / fig.dpi for legend in drawn]
    below = XLABEL_IN + sum(heights) + 0.06 * len(heights) + 0.1 + footer_in + 0.1
    above = 0.12 + title_in + 0.1 + room.head_in
    height = above + grid.nrows * room.panel_in + (grid.nrows - 1) * room.row_gap_in + below
    fig.set_size_inches(WIDTH_IN, height)
    panel_wide = (WIDTH_IN - room.left_in - room.right_in - room.gap_in * (grid.ncols - 1)) / grid.ncols
    fig.subplots_adjust(
        left=room.left_in / WIDTH_IN,
        right=1 - room.right_in / WIDTH_IN,
        top=1 - above / height,
        bottom=below / height,
        wspace=room.gap_in / panel_wide,
        hspace=room.row_gap_in / room.panel_in,
    )
    fig.text(0.12 / WIDTH_IN, 1 - 0.12 / height, title, fontsize=10.5, fontweight="bold", va="top")
    top = below - XLABEL_IN
    for legend, tall in zip(drawn, heights, strict=True):
        legend.set_bbox_to_anchor((0.12 / WIDTH_IN, top / height), transform=fig.transFigure)
        top -= tall + 0.06
    fig.text(0.12 / WIDTH_IN, 0.1 / height, footer, fontsize=6.8, color=GREY, va="bottom", linespacing=1.35)
    return fig


def _legend(fig: Figure, handles: Sequence[Artist], wide_in: float) -> Artist:
    """Legend of `handles` with as many columns as fit into `wide_in`."""
    for columns in range(min(len(handles), 5), 0, -1):
        legend = fig.legend(
            handles=list(handles),
            loc="upper left",
            bbox_to_anchor=(0, 1),
            ncols=columns,
            borderpad=0,
            borderaxespad=0,
            columnspacing=1.4,
            handlelength=2.6,
            labelspacing=0.4,
        )
        if columns == 1 or legend.get_window_extent(fig.canvas.get_renderer()).width / fig.dpi <= wide_in:
            return legend
        legend.remove()
    raise AssertionError("a legend has at least one column")


def sparsity_axis(ax: Axes, highest: float) -> None:
    """Percent of weights pruned on x, from dense to the highest level of the data."""
    top = max(100 * highest, 10)
    ax.set_xlim(-0.03 * top, 1.04 * top)
    ax.set_xticks(range(0, int(top) + 1, 10 if top <= 60 else 20))
    ax.set_xlabel("weights pruned, %")


# ---- files ----------------------------------------------------------------------------------------------------------


@styled
def save(fig: Figure, stem: Path) -> list[Path]:
    """Write `stem`.pdf, .svg and .png, each whole or not at all; no date inside, so equal figures are equal bytes."""
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "pdf": {"CreationDate": None, "Creator": "junkdna", "Producer": None},
        "svg": {"Date": None, "Creator": "junkdna"},
        "png": {"Software": None},
    }
    written = []
    for kind, about in metadata.items():
        path = stem.with_name(f"{stem.name}.{kind}")
        unfinished = stem.with_name(f".{stem.name}.{os.getpid()}.{kind}")
        try:
            fig.savefig(unfinished, format=kind, metadata=about)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        written.append(path)
    return written
