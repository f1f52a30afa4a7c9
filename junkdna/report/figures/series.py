"""Levels where a figure gives each its own color: which are drawn, and in what colors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from junkdna.report.figures import marks, text
from junkdna.report.figures.style import LEVEL_COLORS, METHOD_DASHES, SPARE_DASHES
from junkdna.study.cell import parse_compression
from junkdna.study.levels import parse_level
from junkdna.study.methods import METHODS
from junkdna.study.options import option_values

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist

PRUNING, PLAIN = ("sparsity", "keep_of"), ("bits", "rank")  # kinds of level: on a sparsity axis, and without a sparsity


@dataclass(frozen=True)
class Line:
    """What compressions have in common that one line may join: method, options, kind of level (`levels.LEVEL_KINDS`).

    `of` is the m of keep n of m, else 0: 2 of 4 and 4 of 8 prune the same share and are two lines. Levels of kind band
    are places among the weights and no amounts, so nothing joins them.
    """

    method: str
    kind: str
    of: int
    options: tuple[tuple[str, str], ...]

    @property
    def place(self) -> tuple:
        """Sort key: what prunes to a sparsity first, there magnitude first; of a method, sparsities and the fewest
        options first."""
        kind = (*PRUNING, *PLAIN, "band").index(self.kind)
        family = max(kind, len(PRUNING) - 1)
        return (family, self.method != "magnitude", self.method, kind, len(self.options), text.natural(self.key))

    @property
    def key(self) -> str:
        """Short text that tells the lines of a figure apart."""
        named = [f"{name}={value}" for name, value in self.options]
        return ",".join([self.method + (f" of {self.of}" if self.of else ""), *named])


@cache
def line_of(tag: str) -> Line | None:
    """The line that a compression (its tag in the drops table) stands on; None for dense."""
    compression = parse_compression(tag)
    if not compression.level:
        return None
    kind, value = parse_level(compression.level)
    return Line(compression.method, kind, value[1] if kind == "keep_of" else 0, compression.options)


def present(rows: pl.DataFrame) -> list[Line]:
    """The lines of `rows`, in the order of their places."""
    return in_order(line for tag in rows["compression"].unique() if (line := line_of(tag)))


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Lines once each, in the order of their places; where only one can be shown it is the first."""
    return sorted(set(lines), key=lambda line: line.place)


def on(rows: pl.DataFrame, wanted: Iterable[Line]) -> pl.DataFrame:
    """The rows of some lines; dense is on none."""
    wanted = set(wanted)
    return rows.filter([line_of(tag) in wanted for tag in rows["compression"]])


def with_dense(rows: pl.DataFrame, wanted: Iterable[Line]) -> pl.DataFrame:
    """The rows of some lines, and the dense ones."""
    return on(rows, [None, *wanted])


@cache
def strength(tag: str) -> float:
    """A number that rises along a line from weak to strong; for a band where it starts."""
    line, value = line_of(tag), parse_compression(tag).value
    if line.kind == "keep_of":
        return 1 - value[0] / value[1]
    if line.kind == "band":
        return value[0]
    return -value if line.kind in PLAIN else value


# ---- names -----------------------------------------------------------------------------------------------------------


def names(lines: Iterable[Line]) -> dict[Line, str]:
    """A name for each line of a figure, with the options in which lines that have them differ."""
    lines = list(lines)
    differ = {name for name, values in _values(lines).items() if len(values) > 1}
    return {line: ", ".join([_method(line), *_options(line, differ)]) for line in lines}


def in_common(lines: Iterable[Line], shown: Iterable[Line] | None = None) -> str:
    """Footer sentence on the options that `names` leaves out, as all lines that have them share one value; only those
    of the lines that are `shown` (all)."""
    lines = list(lines)
    has = _values(lines if shown is None else shown)
    shared = {name: values for name, values in _values(lines).items() if len(values) == 1 and name in has}
    said = [_OPTION_WORDS[name](value) for name, (value,) in shared.items() if value or name == "group"]
    return f"Options, where a method has them: {'; '.join(said)}." if said else ""


def compression(tag: str) -> str:
    """Words for one compression: `Wanda 50 %, calibrated on c4`, `keep 2 of 4`, `RTN 4 bits, groups of 64`."""
    line = line_of(tag)
    if line is None:
        return "dense"
    defaults = METHODS[line.method].options
    shown = {name for name, _ in line.options} | ({"group"} & set(defaults))
    head = level(tag) if line.method == "nm" else f"{text.short_method(line.method)} {level(tag)}"
    return ", ".join([head, *_options(line, shown)])


def level(tag: str) -> str:
    """Words for a level: `50 %`, `keep 2 of 4`, `20 to 30 %`, `4 bits`, `rank 0.25`."""
    value = parse_compression(tag).value
    return {
        "sparsity": lambda: f"{100 * value:g} %",
        "keep_of": lambda: f"keep {value[0]} of {value[1]}",
        "band": lambda: f"{100 * value[0]:g} to {100 * value[1]:g} %",
        "bits": lambda: f"{value} bits",
        "rank": lambda: f"rank {value:g}",
    }[line_of(tag).kind]()


def level_text(tag: str) -> str:
    """The level as it stands in names: `0.5`, `keep2of4`, `4bit`."""
    return parse_compression(tag).level


def _method(line: Line) -> str:
    if line.kind != "keep_of":
        return text.method(line.method)
    kept = f"keep n of {line.of}"
    return kept if line.method == "nm" else f"{text.method(line.method)}, {kept}"


def _values(lines: Iterable[Line]) -> dict[str, set]:
    """Each option that a line has, with its values over all that have it."""
    found: dict[str, set] = {}
    for line in lines:
        for name, value in option_values(line.method, line.options).items():
            found.setdefault(name, set()).add(tuple(value) if isinstance(value, list) else value)
    return found


def _options(line: Line, shown: set[str]) -> list[str]:
    values = option_values(line.method, line.options)
    return [_OPTION_WORDS[name](value) for name, value in values.items() if name in shown]


_OPTION_WORDS = {
    "group": lambda value: f"groups of {value}" if value else "one group a row",
    "symmetric": lambda value: "symmetric grid" if value else "grid with zero point",
    "act_order": lambda value: "ordered by activation" if value else "in column order",
    "reference_ties": lambda value: "all ties pruned" if value else "exact count",
    "embeddings": lambda value: "embeddings too" if value else "without embeddings",
    "layers": lambda value: f"only {' + '.join(value)}" if value else "all layers",
    "calibration": lambda value: f"calibrated on {value}",
}


# ---- line styles -----------------------------------------------------------------------------------------------------


def dashes(lines: Iterable[Line]) -> dict[Line, object]:
    """Line style of each line: that of its method for the first of a method, spare ones for its others."""
    spare = iter(SPARE_DASHES * (1 + len(lines := in_order(lines))))
    found: dict[Line, object] = {}
    for line in lines:
        first = line.method not in {other.method for other in found}
        found[line] = METHOD_DASHES[line.method] if first and line.method in METHOD_DASHES else next(spare)
    return found


PREFERRED = (0.3, 0.5, 0.7, 0.9)


def pick(tags: Iterable[str]) -> list[str]:
    """At most four compressions of one line, weak to strong: all of them, else those at 30, 50, 70, 90 % as far as
    present, else four spread over the range."""
    found = sorted(set(tags), key=strength)
    if len(found) <= 4:
        return found
    liked = [tag for tag in found if any(abs(strength(tag) - want) < 1e-6 for want in PREFERRED)]
    if len(liked) >= 2:
        return liked
    return [found[round(at * (len(found) - 1) / 3)] for at in range(4)]


def colors(tags: list[str]) -> dict[str, str]:
    """Sequential colors, light to dark, the darkest for the strongest compression."""
    return dict(zip(tags, LEVEL_COLORS[len(LEVEL_COLORS) - len(tags) :], strict=True))


def keys(tags: list[str]) -> list[Artist]:
    """Legend entries of the levels."""
    look = {"marker": "s", "linestyle": "none", "markersize": 6}
    return [marks.key(words(tag), color=color, **look) for tag, color in colors(tags).items()]


def words(tag: str) -> str:
    """Words for the level of a compression that stand alone: `50 % pruned`, `keep 2 of 4`, `4 bits`."""
    return level(tag) + (" pruned" if line_of(tag).kind == "sparsity" else "")
