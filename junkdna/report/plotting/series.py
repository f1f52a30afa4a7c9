"""Series: the compressions of one method that one line may join. Which there are, their labels, styles and colors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING

from junkdna.report.plotting import marks
from junkdna.report.plotting.text import natural
from junkdna.report.plotting.theme import GREY, LEVEL_COLORS, SPARE_DASHES
from junkdna.study.cell import parse_compression
from junkdna.study.levels import parse_level
from junkdna.study.methods import METHODS
from junkdna.study.options import option_values

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist

KEEP = "keep n of m"  # in the caption of a method: replaced by the level
PRUNING, PLAIN = ("sparsity", "keep_of"), ("bits", "rank")  # kinds of level: on a sparsity axis, and without a sparsity


@dataclass(frozen=True)
class Series:
    """What compressions have in common that one line may join: method, options, kind of level (`levels.LEVEL_KINDS`).

    `of` is the m of keep n of m, else 0: 2 of 4 and 4 of 8 prune the same share and are two series. Levels of kind band
    are places among the weights and no amounts, so no line joins them.
    """

    method: str
    kind: str
    of: int
    options: tuple[tuple[str, str], ...]

    @property
    def order(self) -> tuple:
        """Sort key: what prunes to a sparsity first, there magnitude first; of a method, sparsities and the fewest
        options first."""
        kind = (*PRUNING, *PLAIN, "band").index(self.kind)
        family = max(kind, len(PRUNING) - 1)
        return (family, self.method != "magnitude", self.method, kind, len(self.options), natural(self.key))

    @property
    def key(self) -> str:
        """Short text that tells the series of a figure apart."""
        options = [f"{name}={value}" for name, value in self.options]
        return ",".join([self.method + (f" of {self.of}" if self.of else ""), *options])


@cache
def series_of(tag: str) -> Series | None:
    """The series of a compression (its tag in the drops table); None for dense."""
    compression = parse_compression(tag)
    if not compression.level:
        return None
    kind, value = parse_level(compression.level)
    return Series(compression.method, kind, value[1] if kind == "keep_of" else 0, compression.options)


def present(rows: pl.DataFrame) -> list[Series]:
    """The series of `rows` in order; where only one can be shown it is the first."""
    several = {series for tag in rows["compression"].unique() if (series := series_of(tag))}
    return sorted(several, key=lambda series: series.order)


def select(rows: pl.DataFrame, wanted: Iterable[Series | None]) -> pl.DataFrame:
    """The rows of some series; None selects the dense rows."""
    wanted = set(wanted)
    return rows.filter([series_of(tag) in wanted for tag in rows["compression"]])


@cache
def strength(tag: str) -> float:
    """A number that rises from weak to strong compressions of a series; for a band where it starts."""
    kind, value = series_of(tag).kind, parse_compression(tag).value
    if kind == "keep_of":
        return 1 - value[0] / value[1]
    if kind == "band":
        return value[0]
    return -value if kind in PLAIN else value


# ---- labels ----------------------------------------------------------------------------------------------------------


def labels(several: Iterable[Series]) -> dict[Series, str]:
    """A label for each series of a figure, with the options in which those that have them differ."""
    several = list(several)
    differ = {name for name, values in _values(several).items() if len(values) > 1}
    return {series: ", ".join([_caption(series), *_option_labels(series, differ)]) for series in several}


def shared_options(several: Iterable[Series], shown: Iterable[Series] | None = None) -> list[str]:
    """Footer sentence on the options that `labels` leaves out, as all series that have them share one value; only
    those of the series that are `shown` (all). Flags that are off and empty lists are not worth a word."""
    several = list(several)
    has = _values(several if shown is None else shown)
    shared = {name: values for name, values in _values(several).items() if len(values) == 1 and name in has}
    words = [_option_label(method, name, value) for name, ((value, method),) in shared.items() if _is_set(value)]
    return [f"Options, where a method has them: {'; '.join(words)}."] if words else []


def compression_label(tag: str) -> str:
    """Label of one compression: `Wanda 50 %, calibrated on c4`, `RTN 4 bits, groups of 64`.

    Numbers among the options are always there, flags only where they are given.
    """
    series = series_of(tag)
    if series is None:
        return "dense"
    method = METHODS[series.method]
    shown = {name for name, _ in series.options}
    shown |= {name for name, option in method.options.items() if type(option.default) in (int, float)}
    level = level_label(tag)
    head = method.caption.replace(KEEP, level) if KEEP in method.caption else f"{method.label} {level}"
    return ", ".join([head, *_option_labels(series, shown)])


def level_label(tag: str) -> str:
    """Label of a level: `50 %`, `keep 2 of 4`, `20 to 30 %`, `4 bits`, `rank 0.25`."""
    value = parse_compression(tag).value
    return {
        "sparsity": lambda: f"{100 * value:g} %",
        "keep_of": lambda: f"keep {value[0]} of {value[1]}",
        "band": lambda: f"{100 * value[0]:g} to {100 * value[1]:g} %",
        "bits": lambda: f"{value} bits",
        "rank": lambda: f"rank {value:g}",
    }[series_of(tag).kind]()


def full_level_label(tag: str) -> str:
    """Label of a level without its method: `50 % pruned`, `keep 2 of 4`, `4 bits`."""
    return level_label(tag) + (" pruned" if series_of(tag).kind == "sparsity" else "")


def level_text(tag: str) -> str:
    """The level as it is written in names: `0.5`, `keep2of4`, `4bit`."""
    return parse_compression(tag).level


def _caption(series: Series) -> str:
    caption, kept = METHODS[series.method].caption, f"keep n of {series.of}"
    if series.kind != "keep_of":
        return caption
    return caption.replace(KEEP, kept) if KEEP in caption else f"{caption}, {kept}"


def _values(several: Iterable[Series]) -> dict[str, list[tuple]]:
    """Each option that a series has: its values over all that have it, each with a method that has it."""
    values: dict[str, dict] = {}
    for series in several:
        for name, value in option_values(series.method, series.options).items():
            values.setdefault(name, {})[tuple(value) if isinstance(value, list) else value] = series.method
    return {name: list(methods.items()) for name, methods in values.items()}


def _is_set(value: object) -> bool:
    return value is not False and value != ()


def _option_labels(series: Series, shown: set[str]) -> list[str]:
    values = option_values(series.method, series.options)
    return [_option_label(series.method, name, value) for name, value in values.items() if name in shown]


def _option_label(method: str, name: str, value: object) -> str:
    """What the method's declaration says of a value, else the name of the option and the value."""
    labels = METHODS[method].options[name].label
    value = tuple(value) if isinstance(value, list) else value
    text = " + ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else value
    return labels.get(value, labels.get("*", f"{name.replace('_', ' ')} {{}}")).format(text)


# ---- line styles and colors ------------------------------------------------------------------------------------------


def dashes(several: Iterable[Series]) -> dict[Series, object]:
    """Line style of each series, in order: that of its method for the first of a method, spare ones for the others."""
    spare = cycle(SPARE_DASHES)
    styles: dict[Series, object] = {}
    for series in several:
        first = series.method not in {other.method for other in styles}
        styles[series] = METHODS[series.method].line_style if first else next(spare)
    return styles


def dash_keys(dashes: dict[Series, object]) -> list[Artist]:
    """Legend entries of the series, where there are several."""
    if len(dashes) == 1:
        return []
    return [marks.key(label, linestyle=dashes[series], color=GREY) for series, label in labels(dashes).items()]


PREFERRED = (0.3, 0.5, 0.7, 0.9)


def pick(tags: Iterable[str]) -> list[str]:
    """At most four compressions of one series, weak to strong: all of them, else those at 30, 50, 70, 90 % as far as
    present, else four spread over the range."""
    tags = sorted(set(tags), key=strength)
    if len(tags) <= 4:
        return tags
    liked = [tag for tag in tags if any(abs(strength(tag) - want) < 1e-6 for want in PREFERRED)]
    if len(liked) >= 2:
        return liked
    return [tags[round(at * (len(tags) - 1) / 3)] for at in range(4)]


def colors(tags: list[str]) -> dict[str, str]:
    """Sequential colors, light to dark, the darkest for the strongest compression."""
    return dict(zip(tags, LEVEL_COLORS[len(LEVEL_COLORS) - len(tags) :], strict=True))


def level_keys(tags: list[str]) -> list[Artist]:
    """Legend entries of the levels."""
    square = {"marker": "s", "linestyle": "none", "markersize": 6}
    return [marks.key(full_level_label(tag), color=color, **square) for tag, color in colors(tags).items()]
