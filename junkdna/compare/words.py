"""Words of a comparison: its measures, the names of its studies, and a pair in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.report.page.words import compression, condition, interval, number
from junkdna.report.plotting import text

if TYPE_CHECKING:
    from junkdna.compare.side import Side


@dataclass(frozen=True)
class Measure:
    """What is compared: the name of its view, its column, its title and axis, and whether its unit is the metric."""

    view: str
    column: str
    title: str
    axis: str
    by_metric: bool


MEASURES = (
    Measure("drop", "drop", "Drop", "drop = dense − score", True),
    Measure("lost", "share_lost", "Share lost", "share of skill lost", False),
)


def pair_label(side: Side) -> str:
    """`A: default`."""
    return f"{side.letter}: {side.name}"


def halves(row: dict) -> tuple[dict, dict]:
    """The row of differences as a row of A and a row of B, without the endings of the columns."""
    found = []
    for own, other in (("_a", "_b"), ("_b", "_a")):
        kept = {name: value for name, value in row.items() if not name.endswith(other)}
        found.append({name.removesuffix(own): value for name, value in kept.items()})
    return found[0], found[1]


def compressions(row: dict) -> str:
    """Compression and transfer mode in words; `A / B` if they are not the same."""
    return _same_or_both(*map(compression, halves(row)))


def place(row: dict, protocols: bool) -> str:
    """The condition in words, with the models if they differ."""
    one, two = halves(row)
    where = condition(one, protocols)
    return where if one["model"] == two["model"] else f"{where} ({one['model']} / {two['model']})"


def _same_or_both(one: str, two: str) -> str:
    return one if one == two else f"{one} / {two}"


def difference(row: dict, measure: Measure, digits: int = 3) -> str:
    """`+0.031 (0.012 to 0.050)`."""
    value, low, high = (row[f"{measure.column}_difference{end}"] for end in ("", "_low", "_high"))
    return f"{number(value, digits, sign=True)} ({interval(low, high, digits)})"


def hundredths(row: dict, measure: Measure) -> str:
    """`+3.1 (1.2 to 5.0)`: 100 times the difference, which for shares is in percentage points."""
    value, low, high = (row[f"{measure.column}_difference{end}"] for end in ("", "_low", "_high"))
    low, high = (None if end is None else 100 * end for end in (low, high))
    return f"{number(100 * value, 1, sign=True)} ({interval(low, high, 1)})"


def few_seeds(row: dict) -> bool:
    """Whether A or B has two seeds, over which an interval says nothing: figures draw none."""
    return text.FEW_SEEDS in [len(row[f"seeds_{part}"].split()) for part in "ab"]


def described(row: dict, measure: Measure) -> str:
    """A pair in words, for those who point at it."""
    values = ", ".join(f"{part.upper()} {number(row[f'{measure.column}_{part}'], 3)}" for part in "ab")
    what = measure.title.lower()
    return f"{row['label']}, {compressions(row)}: {what} {values}, B − A {difference(row, measure)}, {row['interval']}"
