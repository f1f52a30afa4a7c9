"""The models of a task file. Read at validation time, so imports nothing heavy."""

import re
from typing import Literal

from pydantic import Field, model_validator

from junkdna.study.columns import Columns, HashSplit, Limits, Shots, TaskSource
from junkdna.study.difficulty import Difficulty
from junkdna.study.formats import DecoderChoice, EncoderChoice, Kind
from junkdna.study.generation import Generate
from junkdna.study.strict_model import KnobValue, Line, Name, StrictModel
from junkdna.study.task_checks import problems


class Knob(StrictModel):
    """The values of a knob that a task supports, and its default.

    `options`: numbers of options. `context`: "none", "passage" (the complete passage) and numbers of tokens. For kinds
    choice and generate, any number of tokens is valid, listed or not, because a window can be cut around the answer.
    """

    values: list[KnobValue] = Field(min_length=1)
    default: KnobValue

    @model_validator(mode="after")
    def _check_values(self) -> "Knob":
        if self.default not in self.values:
            raise ValueError(f"default {self.default!r} is not among values {self.values}")
        for value in self.values:
            if not re.fullmatch(r"[0-9]+|[A-Za-z][A-Za-z0-9_.]*", str(value)):
                raise ValueError(f"value {value!r} must be a whole number or a word that starts with a letter")
        return self


class Human(StrictModel):
    """Human performance on the task in the task's metric (a fraction, not percent), and the paper that reports it."""

    value: float = Field(ge=-1, le=1)
    source: str


class Baselines(StrictModel):
    """Baseline scores on all evaluated rows: uniform guessing, and the best constant answer.

    For readers only; each cell computes its baselines from the rows it scored.
    """

    chance: float = Field(ge=0, le=1)
    majority: float = Field(ge=0, le=1)


class ProtocolOverrides(StrictModel):
    """Settings of the protocol that a task, or a study's entry of it, overrides; see `study.study.Protocol`."""

    max_length: int | None = Field(None, ge=8, le=131072)
    epochs: int | None = Field(None, ge=1, le=100_000)
    batch_size: int | None = Field(None, ge=1, le=100_000)
    learning_rate: float | None = Field(None, gt=0, lt=1)
    encoder_choice: EncoderChoice | None = None
    decoder_choice: DecoderChoice | None = None
    length_normalization: Literal["none", "token", "character"] | None = None


class Task(StrictModel):
    """A task: the sources of its rows, their meaning, and how they are scored.

    Kinds: `classify` a text, classify a `pair` of texts, `regress` a number on two texts, `choice` among options,
    `generate` the answer, and the `likelihood` of the answer, or with an empty prompt of a text. The first of `sources`
    is used unless the study names another. `rows` (number of stored rows of each raw split) and `baselines` are for
    readers; tests check them if the data is available.
    """

    name: Name
    title: Line
    kind: Kind
    metric: str = "accuracy"
    sources: dict[Literal["wheel", "local", "hub"], TaskSource] = Field(min_length=1)
    columns: Columns
    labels: list[str] | None = None
    label_groups: dict[str, list[str]] | None = None
    verbalizers: list[str] | None = None
    train_split: Name | None = None
    evaluate_split: Name | None = None
    hash_split: HashSplit | None = None
    shots: Shots | None = None
    limits: Limits = Limits()
    knobs: dict[Literal["context", "options"], Knob] = {}
    description: str = ""
    prompt: str = "{passage}Question: {text}\nAnswer:"
    mcq_prompt: str = "{passage}{text}\n{choices}\nAnswer:"
    generate: Generate | None = None
    human: Human | None = None
    difficulty: Difficulty | None = None
    rows: dict[Name, int] = {}
    baselines: Baselines | None = None
    license: str
    deviations: str = ""
    notes: str = ""
    protocol: ProtocolOverrides = ProtocolOverrides()

    @model_validator(mode="after")
    def _fits_together(self) -> "Task":
        if problem := next(problems(self), ""):
            raise ValueError(problem)
        return self

    def columns_of(self, source: str) -> Columns:
        """The columns of a source, by default those of the task."""
        return self.sources[source].columns or self.columns

    def split_of(self, role: str) -> str | None:
        """The raw split with the rows of a role (train, evaluate, shots); None if the task has no such rows."""
        if role == "shots":
            return self.shots.of if self.shots else None
        if self.hash_split:
            return self.hash_split.of
        return self.train_split if role == "train" else self.evaluate_split

    def raw_splits(self) -> list[str]:
        """Names of the raw splits that the roles of the task read."""
        return list(dict.fromkeys(filter(None, map(self.split_of, ("train", "evaluate", "shots")))))

    @property
    def trains(self) -> bool:
        """Whether the task has rows to fine-tune on."""
        return self.split_of("train") is not None

    @property
    def reads_texts_alone(self) -> bool:
        """Whether a language model reads the texts without a question: kind likelihood with an empty prompt."""
        return self.kind == "likelihood" and not self.prompt

    @property
    def has_answer_span(self) -> bool:
        """Whether the gold answer is a text that may occur in the passage, so a window can be cut around it."""
        return self.kind in ("choice", "generate")

    def class_names(self) -> list[str]:
        """Class names of a `classify` or `pair` task by class id; empty for other kinds."""
        return sorted(self.label_groups) if self.label_groups else list(self.labels or [])

    def knob_defaults(self) -> dict[str, int | str]:
        """Every knob of the task with its default."""
        defaults = {name: knob.default for name, knob in self.knobs.items()}
        defaults |= {"answer_span": "kept"} if "context" in self.knobs and self.has_answer_span else {}
        defaults |= {"data_fraction": 100} if self.trains else {}
        defaults |= {"shots": 0} if self.shots else {}
        return dict(sorted(defaults.items()))

    def knob_words(self, knob: str) -> list[str]:
        """Valid values of a knob of the task, in words."""
        values = [str(value) for value in self.knobs[knob].values] if knob in self.knobs else []
        return {
            "context": [*values, *(["any number of tokens"] if self.has_answer_span else [])],
            "options": values,
            "answer_span": ["kept", "masked"],
            "data_fraction": ["1 to 100 (percent)"],
            "shots": [f"0 to {self.shots.count}" if self.shots else ""],
        }[knob]

    def serves(self, knob: str, value: int | str) -> bool:
        """Whether a knob of the task supports `value`."""
        if knob == "answer_span":
            return value in ("kept", "masked")
        if knob == "data_fraction":
            return _positive(value) and value <= 100
        if knob == "shots":
            return value == 0 or (_positive(value) and value <= self.shots.count)
        return value in self.knobs[knob].values or (knob == "context" and self.is_window(value))

    def is_window(self, value: object) -> bool:
        """Whether `value` is a number of tokens of the passage around the answer, for knob `context` of this task."""
        return self.has_answer_span and _positive(value)


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
