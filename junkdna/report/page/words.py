"""Numbers, lists and names as the page writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from junkdna.analysis.interval_words import between
from junkdna.report.plotting import series

MODES = {
    "none": "no training",
    "dense": "dense",
    "sparse": "sparse",
    "sparse_to_dense": "sparse to dense",
    "dense_freeze": "dense (frozen)",
}
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A number with `digits` decimals and a true minus sign; a dash if it is unknown or infinite."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    zero = float(text) == 0
    return ("−" if value < 0 and not zero else "+" if sign and not zero else "") + text


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """`0.10 to 0.26`; `at least 0.10` or `at most 0.26` with one limit, `unbounded` with none."""
    return between(low, high, lambda value: number(value, digits))


def probability(value: float | None) -> str:
    """A p-value or q-value: two significant digits, `< 0.001` below that."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def listed(items: Iterable[str], most: int = 12) -> str:
    """`a, b and c`, with the rest counted if there are more than `most`."""
    items = list(dict.fromkeys(items))
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def count(n: int, noun: str, plural: str = "") -> str:
    """`one cell`, `3 cells`: words up to ten, then digits."""
    words = COUNTS[n] if 0 <= n < len(COUNTS) else f"{n:,}"
    return f"{words} {noun if n == 1 else plural or noun + 's'}"


def capitalized(text: str) -> str:
    """The text with a capital first letter; the other letters stay."""
    return text[:1].upper() + text[1:]


def span(values: Sequence[float | int], digits: int = 0) -> str:
    """`400 to 650`, or one number."""
    low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return low if low == high else f"{low} to {high}"


def condition(row: dict, protocols: bool) -> str:
    """The label of a condition; with its protocol if there are several and it is not the default one."""
    named = protocols and row["protocol"] != "default"
    return f"{row['label']} [{row['protocol']}]" if named else row["label"]


def mode(name: str) -> str:
    """A transfer mode in words."""
    return MODES.get(name, name.replace("_", " "))


def compression(row: dict) -> str:
    """Compression and transfer mode of a row in words: `magnitude 50 %, sparse to dense`."""
    trained = "" if row["transfer"] in ("none", "dense") else f", {mode(row['transfer'])}"
    return series.compression_label(row["compression"]) + trained


def duration(seconds: float) -> str:
    """`9.0 minutes`, in the largest unit of which there are at least two."""
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
