"""The key `difficulty` of a task file: a published difficulty of each question, and its bins from easy to hard."""

import math
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Annotated

from pydantic import (
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)

from junkdna.errors import short_repr
from junkdna.study.columns import compiled
from junkdna.study.strict_model import PLAIN, Line, StrictModel

BinName = Annotated[str, Field(pattern=PLAIN, min_length=1, max_length=80)]


def _finite(entry: object) -> object:
    """Checked before the kinds of an entry, because each of them would reject a number that is not finite."""
    for number in entry if isinstance(entry, list) else [entry]:
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(
                f"{short_repr(number)} is not a finite number; write a number, such as 1000 for the end of an open "
                "range, or put a word in quotes"
            )
    return entry


Entry = Annotated[StrictInt | StrictFloat | StrictStr | list[float], BeforeValidator(_finite)]
_From = create_model("_From", __base__=StrictModel, **{"from": (str, ...)})  # `from` is a keyword of Python


class Difficulty(_From):
    """A published difficulty of each question. It orders parts of a task's examples; models never see it.

    `from` is a raw column, or a template over raw columns as in `columns`. The difficulty is this text or, with
    `pattern`, the first group of its first match in it or, with `count`, the number of matches. A text without a match
    of `pattern`, and an empty text, give no difficulty.

    `bins` are listed from easy to hard. An entry of a bin is a value or a range [from, to] that includes both ends.
    Numbers are compared by value, so 3 is also "3.0". `source` says who published the difficulty.
    """

    title: Line
    source: Line
    pattern: str | None = None
    count: str | None = None
    bins: dict[BinName, Annotated[list[Entry], Field(min_length=1)]]

    @field_validator("bins", mode="before")
    @classmethod
    def _read_pairs(cls, value: object) -> object:
        """Bins as `_write_pairs` writes them."""
        pairs = isinstance(value, list) and all(isinstance(item, list) and len(item) == 2 for item in value)
        names = [name for name, _ in value] if pairs else []
        return dict(value) if names and all(isinstance(name, str) for name in names) and _distinct(names) else value

    @field_serializer("bins")
    def _write_pairs(self, bins: dict) -> list:
        """A list, because a checked study is stored as JSON with sorted keys and the order of bins has a meaning."""
        return [[name, entries] for name, entries in bins.items()]

    @model_validator(mode="after")
    def _fits_together(self) -> "Difficulty":
        if problem := next(self._problems(), ""):
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        column = getattr(self, "from")
        if not column.strip() or re.search(r"[{}]", re.sub(r"{[^{}]+}", "", self.template)):
            yield f"from {column!r} must be a column, or a template with columns in single braces"
        if self.pattern is not None and self.count is not None:
            yield "pattern and count exclude each other: one extracts the difficulty, the other counts it"
        if self.pattern is not None and not compiled("pattern", self.pattern).groups:
            yield f"pattern {self.pattern!r} has no group; write parentheses around the difficulty in it"
        if self.count is not None and compiled("count", self.count).search(""):
            yield f"count {self.count!r} also matches where there is nothing; write what is to be counted"
        yield from self._problems_of_bins()

    def _problems_of_bins(self) -> Iterator[str]:
        if len(self.bins) < 2:
            yield f"bins names only {', '.join(self.bins) or 'no bin'}; two or more bins are needed, from easy to hard"
        entries = [(name, entry) for name, each in self.bins.items() for entry in each]
        for name, entry in entries:
            if isinstance(entry, list) and len(entry) != 2:
                yield f"bins.{name}: {entry} is not a range; write [from, to], or its values without brackets"
            low, high = _span(entry) or (0, 0)
            if low > high:
                yield f"bins.{name}: the range {entry} starts above its end; write [{high:g}, {low:g}]"
            if self.count is not None and not _has_count(entry):
                where = f"a value in {entry}" if isinstance(entry, list) else f"the value {entry!r}"
                yield (
                    f"bins.{name}: count gives whole numbers from 0, so no row can have {where}; write one, such as 2, "
                    "or a range that contains one, such as [3, 9]"
                )
        for (name, one), (other, two) in combinations(entries, 2):
            if _overlap(one, two):
                where = f"twice in bin {name}" if name == other else f"in bins {name} and {other}"
                yield f"bins: {_shared(one, two)} is {where}; each value belongs to one bin"

    @property
    def template(self) -> str:
        """`from` as a template over raw columns."""
        column = getattr(self, "from")
        return column if "{" in column else f"{{{column}}}"

    def bin_of(self, value: str | None) -> str | None:
        """The bin of a difficulty as text; None if it is in no bin."""
        if value is None:
            return None
        number = _number(value)
        return next((name for name, each in self.bins.items() if any(_has(e, value, number) for e in each)), None)


def _distinct(names: list[str]) -> bool:
    return len({*names}) == len(names)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _span(entry: Entry) -> tuple[float, float] | None:
    """The lowest and highest number of an entry; None for a word."""
    if isinstance(entry, list):
        return entry[0], entry[1]
    number = _number(entry) if isinstance(entry, str) else float(entry)
    return None if number is None else (number, number)


def _has_count(entry: Entry) -> bool:
    """Whether an entry contains a whole number that is not negative."""
    span = _span(entry)
    return span is not None and max(0, math.ceil(span[0])) <= span[1]


def _has(entry: Entry, value: str, number: float | None) -> bool:
    span = _span(entry)
    if span is None:
        return entry == value
    return number is not None and span[0] <= number <= span[1]


def _overlap(one: Entry, two: Entry) -> bool:
    first, second = _span(one), _span(two)
    if first is None or second is None:
        return one == two
    return max(first[0], second[0]) <= min(first[1], second[1])


def _shared(one: Entry, two: Entry) -> str:
    """What two entries have in common, in words: a value or the start of the common range."""
    first, second = _span(one), _span(two)
    return repr(one) if first is None or second is None else f"{max(first[0], second[0]):g}"
