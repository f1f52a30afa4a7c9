"""Series of compressions that a line may join: their labels, line styles and colors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

from junkdna.analysis.series import PRUNING, Series, series_of, strength
from junkdna.report.plotting import palette
from junkdna.report.plotting.drawing import Key
from junkdna.report.plotting.theme import MARKERS, SPARE_LINES, method_line, method_marker
from junkdna.study.cell import parse_compression
from junkdna.study.methods import METHODS, SCOPE_OPTIONS
from junkdna.study.number_formats import NUMBER_FORMATS
from junkdna.study.options import option_values

LISTED = 8  # numbers of a list that a label names

if TYPE_CHECKING:
    import polars as pl


def present(rows: pl.DataFrame) -> list[Series]:
    """The series of `rows` in order. Figures that can show only one show the first."""
    unique = {series for tag in rows["compression"].unique() if (series := series_of(tag))}
    return sorted(unique, key=lambda series: series.order)


def select(rows: pl.DataFrame, several: Iterable[Series | None]) -> pl.DataFrame:
    """The rows of several series; None selects the dense rows."""
    selected = set(several)
    return rows.filter([series_of(tag) in selected for tag in rows["compression"]])


# ---- labels ----------------------------------------------------------------------------------------------------------


def labels(several: Iterable[Series]) -> dict[Series, str]:
    """A label for each series of a figure, with the options whose values differ between the series."""
    several = list(several)
    differ = {name for name, values in _values(several).items() if len(values) > 1}
    texts = {}
    for series in several:
        kept = [f"N of {series.of} kept"] if series.kind == "keep_of" else [series.name] if series.name else []
        caption = f"{METHODS[series.method].caption} {_format_label(series)}".rstrip()
        texts[series] = ", ".join([caption, *kept, *_option_labels(series, differ)])
    return texts


def shared_options(several: Iterable[Series], drawn: Iterable[Series] | None = None) -> list[str]:
    """Footer sentence on the options that `labels` omits because all series with the option share its value.

    Only options of the series `drawn` (by default all) are named. Flags that are off are omitted, and options on the
    scope at their defaults.
    """
    several = list(several)
    names = _values(several if drawn is None else drawn)
    shared = {name: values[0] for name, values in _values(several).items() if len(values) == 1 and name in names}
    texts = [
        _option_label(method, name, value)
        for name, (value, method) in shared.items()
        if value is not False and not (name in SCOPE_OPTIONS and value == SCOPE_OPTIONS[name].default)
    ]
    texts = [*filter(None, texts)]
    return [f"Shared options (where applicable): {'; '.join(texts)}."] if texts else []


def compression_label(tag: str) -> str:
    """Label of one compression: `Wanda 50 %, calibrated on c4`, `RTN 4 bits, groups of 64`, `RTN NVFP4`.

    It always includes numeric options that apply, and the others if the compression sets them.
    """
    series = series_of(tag)
    if series is None:
        return "dense"
    method = METHODS[series.method]
    names = {name for name, _ in series.options}
    names |= {name for name, option in method.function_options.items() if type(option.default) in (int, float)}
    separator = ", " if series.kind == "keep_of" else " "
    return ", ".join([f"{method.label}{separator}{level_label(tag)}", *_option_labels(series, names)])


def level_label(tag: str) -> str:
    """Label of a level: `50 %`, `2 of 4 kept`, `20 to 30 %`, `4 bits`, `NVFP4`, `rank 0.25`."""
    value = parse_compression(tag).value
    return {
        "sparsity": lambda: f"{100 * value:g} %",
        "keep_of": lambda: f"{value[0]} of {value[1]} kept",
        "band": lambda: f"{100 * value[0]:g} to {100 * value[1]:g} %",
        "bits": lambda: f"{value} bits",
        "format": lambda: NUMBER_FORMATS[value].label,
        "rank": lambda: f"rank {value:g}",
        "external": lambda: value,
    }[series_of(tag).kind]()


def full_level_label(tag: str) -> str:
    """Label of a level without its method: `50 % pruned`, `2 of 4 kept`, `4 bits`."""
    return level_label(tag) + (" pruned" if series_of(tag).kind == "sparsity" else "")


def _values(several: Iterable[Series]) -> dict[str, list[tuple]]:
    """Values of every option over the series that have it, each with a method that uses the value."""
    values: dict[str, dict] = {}
    for series in several:
        for name, value in option_values(series.method, series.options, series.family).items():
            values.setdefault(name, {})[tuple(value) if isinstance(value, list) else value] = series.method
    return {name: list(methods.items()) for name, methods in values.items()}


def _format_label(series: Series) -> str:
    return NUMBER_FORMATS[series.format].label if series.format else ""


def _option_labels(series: Series, names: set[str]) -> list[str]:
    values = option_values(series.method, series.options, series.family)
    return [
        *filter(None, (_option_label(series.method, name, value) for name, value in values.items() if name in names))
    ]


def _option_label(method: str, name: str, value: object) -> str:
    """The label that the method declares for a value, else the option's name and the value."""
    labels = METHODS[method].options[name].label
    value = tuple(value) if isinstance(value, list) else value
    text = _list_text(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else value
    return labels.get(value, labels.get("*", f"{name.replace('_', ' ')} {{}}")).format(text)


def _list_text(values: tuple) -> str:
    """Names joined by +, or numbers by colons; of more than `LISTED` numbers the first and the last."""
    if not values or isinstance(values[0], str):
        return " + ".join(values)
    texts = [f"{value:g}" for value in values]
    return ":".join(texts if len(texts) <= LISTED else [*texts[: LISTED - 2], "...", texts[-1]])


# ---- what is drawn ---------------------------------------------------------------------------------------------------


PREFERRED = (0.3, 0.5, 0.7, 0.9)


def pick(tags: Iterable[str]) -> list[str]:
    """At most four compressions of one series, weak to strong.

    If there are more than four, those at 30, 50, 70 and 90 % that are present are chosen, or, with fewer than two of
    these, four spread over the range.
    """
    tags = sorted(set(tags), key=strength)
    if len(tags) <= 4:
        return tags
    preferred = [tag for tag in tags if any(abs(strength(tag) - level) < 1e-6 for level in PREFERRED)]
    if len(preferred) >= 2:
        return preferred
    return [tags[round(at * (len(tags) - 1) / 3)] for at in range(4)]


def left_out(tags: Iterable[str], drawn: Iterable[str]) -> list[str]:
    """Caption sentence: the levels of these compressions that `pick` left out, if any."""
    levels = [level_label(tag) for tag in sorted({*tags} - {*drawn}, key=strength)]
    return [f"Levels not drawn: {', '.join(dict.fromkeys(levels))}."] if levels else []


def markers(several: Iterable[Series]) -> dict[Series, str]:
    """Marker of each series: for the first series of a method that of the method, else a spare one."""
    taken: dict[Series, str] = {}
    for series in several:
        spare = (name for name in MARKERS if name not in (*taken.values(), "ring", "cross", "bar"))
        own = method_marker(series.method)
        taken[series] = own if own not in taken.values() else next(spare, own)
    return taken


def lines(several: Iterable[Series]) -> dict[Series, str]:
    """Line of each series: for the first series of a method that of the method, else a spare one; solid if alone."""
    spare = cycle(SPARE_LINES)
    several = list(several)
    if len(several) == 1:  # nothing to tell apart, and a dotted line is the easiest condition
        return {several[0]: "solid"}
    styles: dict[Series, str] = {}
    for series in several:
        first = series.method not in {other.method for other in styles}
        styles[series] = method_line(series.method) if first else next(spare)
    return styles


def marker_keys(several: Iterable[Series]) -> list[Key]:
    """Entries of the legend for the markers of the series if there are several."""
    return [replace(key, line="") for key in series_keys(several)]


def series_keys(several: Iterable[Series]) -> list[Key]:
    """Entries of the legend for the markers and lines of the series if there are several."""
    several = list(several)
    marker, line = markers(several), lines(several)
    keys = [Key(label=label, marker=marker[item], line=line[item]) for item, label in labels(several).items()]
    return keys if len(keys) > 1 else []


def level_keys(tags: Iterable[str]) -> list[Key]:
    """Entries of the legend for the levels, weak to strong; one per color, which names all its number formats."""
    names: dict[str, list[str]] = {}
    for tag in sorted(set(tags), key=_place):
        own = names.setdefault(palette.level_color(tag), [])
        if series_of(tag).kind != "format":
            own.clear()  # N:M sparsity comes before the share that it prunes, which is the better name
        own.append(full_level_label(tag))
    return [
        Key(label=", ".join(dict.fromkeys(labels)), color=color, marker="circle") for color, labels in names.items()
    ]


def _place(tag: str) -> tuple:
    kind = series_of(tag).kind
    return (*series_of(tag).order[:1], "" if kind in PRUNING else kind, strength(tag), kind, tag)
