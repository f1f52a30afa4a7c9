"""Which tests of claims a figure draws, and its rows: of each its name, its place and its test."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import polars as pl

from junkdna.report.plotting import text

if TYPE_CHECKING:
    from collections.abc import Sequence

MANY = 40  # a figure with more tests draws those over several conditions instead of those of single ones
MOST = 60  # tests in a figure
WIDE = 50  # characters of a line of a name
LINE = 0.75  # height of a further line of a name, in heights of a row with one line
GROUP = ("claim", "experiment", "model", "setting")  # of tests that a test over several conditions sums up
POOLED = ("mean of", "across tasks")  # how the units of tests over several conditions begin


@dataclass(frozen=True)
class Choice:
    """The tests that are drawn, and how many are not: untestable ones, those of single conditions where a test over
    several is drawn, and those with wider intervals than the `MOST` that are drawn."""

    tests: pl.DataFrame
    untestable: int = 0
    single: int = 0
    wide: int = 0


@dataclass(frozen=True)
class Row:
    """A row of a panel: its name, its height and place in heights of a row with one line, and its test; the row that
    names a model has none."""

    name: str
    test: dict | None
    height: float = 1.0
    y: float = 0.0


def choose(tests: pl.DataFrame) -> Choice:
    """All tests if they are few, else the testable ones over several conditions, and those of single conditions where
    there are none; of too many, those with the narrowest intervals."""
    if len(tests) <= MANY:
        return Choice(tests)
    testable = tests.filter(pl.col("verdict") != "untestable")
    several = pl.any_horizontal(pl.col("unit").str.starts_with(start) for start in POOLED)
    pooled = testable.filter(several | ~several.any().over(GROUP))
    drawn = _narrowest(pooled)
    return Choice(drawn, len(tests) - len(testable), len(testable) - len(pooled), len(pooled) - len(drawn))


def _narrowest(tests: pl.DataFrame) -> pl.DataFrame:
    """At most `MOST` tests, those with the narrowest intervals: of the claims in turn, and of each claim's groups in
    turn, so that none crowds out another. Wide intervals say least, and a choice by verdict would be biased."""
    ordered = tests.with_row_index("place").sort(pl.col("high") - pl.col("low"), nulls_last=True, maintain_order=True)
    for group in (GROUP, ("claim",)):
        turn = pl.int_range(pl.len()).over(group)
        ordered = ordered.sort(turn, maintain_order=True)
    return ordered.head(MOST).sort("place").drop("place")


def rows(tests: pl.DataFrame, several: bool) -> list[Row]:
    """The rows of `named` tests of one claim from top to bottom; of `several` models those of each below its name."""
    found = []
    for (model,), own in tests.sort("model", maintain_order=True).partition_by("model", as_dict=True).items():
        found += [Row(f"Model {model}", None)] if several else []
        found += [Row(_broken(test["name"]), test) for test in own.iter_rows(named=True)]
    return _placed(found)


def named(tests: pl.DataFrame) -> pl.DataFrame:
    """The tests with a column `name`: experiment and unit, and without the model, under whose name a test stands if
    there are several. Tests of a claim that would have the same name get what differs in their settings."""
    several = tests["model"].n_unique() > 1
    listed = tests.to_dicts()
    keys = [(test["claim"], test["model"], _name(test, several)) for test in listed]
    settings: dict[tuple, list[set[str]]] = {}
    for key, test in zip(keys, listed, strict=True):
        settings.setdefault(key, []).append(set(_parts(test)))
    names = [key[-1] + _apart(test, settings[key]) for key, test in zip(keys, listed, strict=True)]
    return tests.with_columns(pl.Series("name", names, pl.String))


def _name(test: dict, several: bool) -> str:
    unit = test["unit"].replace(f" ({test['model']})", "") if several else test["unit"]
    where = text.spaced(test["experiment"])
    return unit if unit.startswith(where) else f"{where}: {unit}"  # "context: context of sciq" says it twice


def _parts(test: dict) -> list[str]:
    return (test["setting"] or "").split(", ")


def _apart(test: dict, settings: Sequence[set[str]]) -> str:
    """The parts of a test's setting that are not in all `settings`, in brackets."""
    shared = set.intersection(*settings)
    own = ", ".join(part for part in _parts(test) if part not in shared)
    return f" ({own})" if own else ""


def _broken(words: str) -> str:
    """Words in lines of at most `WIDE` characters."""
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > WIDE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def _placed(found: Sequence[Row]) -> list[Row]:
    """The rows below each other, each as high as its name needs; the middle of a first row with one line is at 0."""
    heights = [1 + LINE * row.name.count("\n") for row in found]
    ends = accumulate(heights)
    return [
        Row(row.name, row.test, height, end - height / 2 - 0.5)
        for row, height, end in zip(found, heights, ends, strict=True)
    ]
