"""The keys of a task file on raw rows: sources, splits, limits, and how columns become the fields of an example."""

import re
from typing import ClassVar, Literal

from pydantic import Field, StrictInt, StrictStr, field_validator, model_validator

from junkdna.errors import short_repr
from junkdna.study.sources import MemberPath, Source, Text
from junkdna.study.strict_model import Name, StrictModel

Strippable = Literal["text", "text_b", "passage", "suffix", "group", "shown", "choices", "answer"]


def compiled(what: str, pattern: str) -> re.Pattern:
    """The compiled pattern. Raises ValueError, prefixed with `what`, for an invalid one."""
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:  # as for (, a{99999999999} and 1,000 nested groups
        raise ValueError(f"{what} {short_repr(pattern)} is not a regular expression: {error}") from None


class Columns(StrictModel):
    """How raw columns become the fields of an example.

    `text`, `text_b`, `passage`, `suffix`, `group`, `shown` and each entry of a `choices` list are templates over raw
    columns ("{question}"). A name may be a path into a column: "choices.text", "answers.0", "answers.*" (all items). A
    column whose name contains the dots takes precedence. docs/data.md explains how each type is read. `choices` may
    also be the name of a list column. `suffix` follows every choice and is scored instead of it (WinoGrande). Rows of
    a `group` share their shots. `shown` is the answer of a `generate` row in a shot (default: the first accepted one).

    `answer` depends on the kind. choice: the position of the right choice (an integer), or the column with the position
    or with its label in the list column `choice_labels`. classify and pair: the column of the label. regress: the
    column of the number. generate: a column (with an answer or a list of accepted ones) or a list of templates.
    likelihood: a column or a list of one template, the text to score.

    `require` excludes and counts rows in which one of these template fields or raw columns is empty: null, NaN, white
    space or an empty list. Empty choices are padding, not options. `data.usable_rows` explains which other rows are
    excluded.

    New raw columns come from `extract` (column: regular expression that must match the entire value and whose named
    groups are the new columns), then `map` (column: {value: text}), then `fill` (column: column of numbers that replace
    number0, number1, ... in its text). `shuffle` puts choices in a hash order, because in some data sets the right one
    always comes first; false keeps the order of the data set.

    White space in the data is kept, because it changes what a model reads. `strip` lists fields from which it is
    removed at both ends ("choices": each choice, "answer": each accepted answer of a `generate` row).
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
    strip: list[Strippable] = []
    shuffle: bool = True
    extract: dict[str, str] = {}
    map: dict[str, dict[str, str]] = {}
    fill: dict[str, str] = {}

    @field_validator("text", "text_b", "passage", "suffix", "group", "shown", "choices", "answer")
    @classmethod
    def _check_braces(cls, value: object) -> object:
        for template in value if isinstance(value, list) else [value]:
            if isinstance(template, str) and ("{{" in template or "}}" in template):
                raise ValueError(f"{template!r} has double braces; write column names in single braces: {{question}}")
        return value

    @field_validator("text", "text_b", "passage")
    @classmethod
    def _check_template(cls, value: str | None) -> str | None:
        if value is not None and not re.search(r"{[^{}]+}", value):
            raise ValueError(f"template {value!r} has no column, so all rows would be the same; write {{COLUMN}}")
        return value

    @field_validator("map", "fill")
    @classmethod
    def _check_column_names(cls, value: dict) -> dict:
        for column in value:
            if "." in column:
                raise ValueError(
                    f"{column!r} is a path into a column, but map and fill replace entire columns. If the dot is "
                    f"part of its name, copy the column first: extract: {{{column}: '(?P<name>.*)'}}"
                )
        return value

    @field_validator("extract")
    @classmethod
    def _check_extract(cls, value: dict[str, str]) -> dict[str, str]:
        for column, pattern in value.items():
            if not compiled(f"extract {column}:", pattern).groupindex:
                raise ValueError(f"extract {column}: {pattern!r} has no named group; write (?P<name>...)")
        return value

    @model_validator(mode="after")
    def _check_answer(self) -> "Columns":
        last = len(self.choices) - 1 if isinstance(self.choices, list) else 1000
        if isinstance(self.answer, int) and not 0 <= self.answer <= last:
            raise ValueError(f"answer {self.answer} must be the position of a choice, 0 to {last}")
        return self


class TaskSource(Source):
    """The source of raw rows: exactly one of a pinned wheel, a local folder or a Hub data set.

    `splits` maps the task's split names to a folder or file in the wheel (`*` matches within one name), a file in the
    local folder, or a split name of the Hub data set. `columns` replaces the task's columns if this source names them
    differently.
    """

    KINDS: ClassVar = {"wheel": (), "local": (), "hub": ("config", "revision")}

    config: Text | None = None
    splits: dict[Name, MemberPath] = Field(min_length=1)
    columns: Columns | None = None


class HashSplit(StrictModel):
    """Divides a raw split by a hash of each row's text: the first `train` rows in hash order are train rows, the next
    `evaluate` rows are evaluated. Rows with equal text are never on both sides."""

    of: Name
    train: int = Field(ge=1, le=10**9)
    evaluate: int = Field(ge=1, le=10**9)


class Shots(StrictModel):
    """In-context examples: the first `count` rows (of each group, if rows have one) of the raw split `of`, in source
    order. If that split is evaluated, these rows are excluded from it, whatever the number of shots is."""

    of: Name
    count: int = Field(5, ge=1, le=1000)


class Limits(StrictModel):
    """Maximum number of rows of a role, taken in hash order, so a larger limit keeps all rows of a smaller one."""

    train: int | None = Field(None, ge=1, le=10**9)
    evaluate: int | None = Field(None, ge=1, le=10**9)

    @model_validator(mode="before")
    @classmethod
    def _reject_commas(cls, value: object) -> object:
        """In YAML, {train: 1,000} has two keys, `train` and 0, and 1,000 on its own line is a text."""
        if isinstance(value, dict):
            texts = [item for item in value.values() if isinstance(item, str) and re.fullmatch(r"\d+(,\d+)+", item)]
            if texts or any(re.fullmatch(r"\d+", str(key)) for key in value):
                raise ValueError("numbers must not have commas: write 1000, not 1,000")
        return value
