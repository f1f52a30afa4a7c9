"""The models of a task file. Read at validation time, so imports nothing heavy."""

import re
from collections.abc import Iterator
from string import Formatter
from typing import Literal, get_args

from pydantic import Field, model_validator

from junkdna.errors import unknown_name
from junkdna.study.columns import Columns, HashSplit, Limits, Shots, Strippable, TaskSource
from junkdna.study.difficulty import Difficulty
from junkdna.study.formats import DecoderChoice, EncoderChoice, Kind
from junkdna.study.generation import Generate
from junkdna.study.metrics import METRIC_KINDS
from junkdna.study.strict_model import KnobValue, Line, Name, StrictModel

TEXT_ANSWERS = ("generate", "likelihood")  # kinds whose gold answer is a text
PROMPT_FIELDS = ("passage", "text", "text_b", "choices", "group")


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
        if problem := next(self._problems(), ""):
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """How keys contradict each other. Only the first is reported, so each check relies on those before it."""
        for columns in [self.columns, *(s.columns for s in self.sources.values() if s.columns)]:
            yield from self._problems_of_kind(columns)
        if self.metric not in METRIC_KINDS:
            yield str(unknown_name("metric", self.metric, METRIC_KINDS))
        if self.kind not in METRIC_KINDS[self.metric]:
            fitting = [name for name, kinds in METRIC_KINDS.items() if self.kind in kinds]
            if "metric" not in self.model_fields_set:
                yield f"kind {self.kind} needs a metric: {' or '.join(fitting)}"
            yield f"metric {self.metric} does not fit kind {self.kind}; use {' or '.join(fitting)}"
        if self.metric == "f1" and len(self.class_names()) != 2:
            yield f"metric f1 needs two classes, but there are {len(self.class_names())}"
        if self.metric == "token_f1" and self.generate.match == "number":
            yield "metric token_f1 compares words; with generate.match number, use exact_match"
        names = self.class_names()
        if len({*names}) < len(names):
            yield f"labels {self.labels} contain a class twice"
        if self.verbalizers is not None and not len({*self.verbalizers}) == len(self.verbalizers) == len(names):
            yield f"verbalizers {self.verbalizers} must be one distinct word for each class of {names}"
        yield from self._problems_of_classes()
        yield from self._problems_of_splits()
        yield from self._problems_of_knobs()
        yield from self._problems_of_prompts()

    def _problems_of_kind(self, columns: Columns) -> Iterator[str]:
        labeled = self.kind in ("classify", "pair")
        if self.kind == "choice" and columns.choices is None:
            yield "kind choice needs columns.choices"
        if labeled and not (self.labels or self.label_groups):
            yield f"kind {self.kind} needs labels (in class order) or label_groups"
        if not labeled and (self.labels or self.label_groups or self.verbalizers):
            yield f"labels, label_groups and verbalizers are for kinds classify and pair, not {self.kind}"
        if self.kind == "pair" and columns.text_b is None:
            yield "kind pair needs columns.text_b"
        if columns.text_b is not None and columns.passage is not None:
            yield "columns.text_b and columns.passage exclude each other, because an encoder reads only two segments"
        if (self.kind == "generate") != (self.generate is not None):
            yield "kind generate and the key generate go together"
        if isinstance(columns.answer, list) and self.kind not in TEXT_ANSWERS:
            yield f"columns.answer as a list is for kinds {' and '.join(TEXT_ANSWERS)}"
        if isinstance(columns.answer, list) and self.kind == "likelihood" and len(columns.answer) != 1:
            yield f"kind likelihood scores one text, but columns.answer has {len(columns.answer)} templates"
        if isinstance(columns.answer, int) and self.kind != "choice":
            yield f"columns.answer as a number is for kind choice; kind {self.kind} needs the name of a column"
        yield from self._problems_of_unread(columns)

    def _problems_of_unread(self, columns: Columns) -> Iterator[str]:
        """Keys of `columns` that this kind does not read."""
        if self.kind != "choice" and (columns.choices is not None or columns.choice_labels is not None):
            yield f"columns.choices and columns.choice_labels are for kind choice, not {self.kind}"
        texts = {name for name in get_args(Strippable) if getattr(columns, name) is not None}
        texts -= {"answer"} if self.kind not in TEXT_ANSWERS else set()
        if unused := [name for name in columns.strip if name not in texts]:
            yield f"columns.strip: {unused[0]} is not a text of this task (valid: {', '.join(sorted(texts))})"
        if isinstance(columns.answer, str) and re.search(r"[{}]", columns.answer):
            hint = " or a list of templates" if self.kind in TEXT_ANSWERS else ""
            yield f"columns.answer {columns.answer!r} has braces; write the name of a column without braces{hint}"

    def _problems_of_classes(self) -> Iterator[str]:
        if self.kind not in ("classify", "pair"):
            return
        if self.labels and self.label_groups:
            yield "labels and label_groups exclude each other; both name the classes"
        groups = self.label_groups or {}
        if empty := [name for name, members in groups.items() if not members]:
            yield f"label_groups: class {empty[0]!r} has no values, so no row can belong to it"
        members = [member for values in groups.values() for member in values]
        if twice := [member for member in members if members.count(member) > 1]:
            yield f"label_groups contain the value {twice[0]!r} twice; each value must belong to one class"
        if len(self.class_names()) < 2:
            yield f"the only class is {self.class_names()[0]!r}; kind {self.kind} needs at least two"
        if any(not word.strip() for word in [*self.class_names(), *(self.verbalizers or [])]):
            yield "the name or verbalizer of a class is empty, so a model could not answer with it"

    def _problems_of_splits(self) -> Iterator[str]:
        if (self.hash_split is None) == (self.evaluate_split is None):
            yield "set either evaluate_split (and train_split) or hash_split"
        if self.hash_split is not None and self.train_split is not None:
            yield "train_split goes with evaluate_split, because hash_split already selects train rows"
        if self.train_split is not None and self.train_split == self.evaluate_split:
            yield f"train_split and evaluate_split are both {self.train_split!r}; use hash_split to divide one split"
        for kind, source in self.sources.items():
            if getattr(source, kind) is None:
                yield f"sources.{kind} needs the key {kind!r}"
            needed = self.split_of("evaluate")
            if needed not in source.splits:
                yield f"sources.{kind}.splits lacks {needed!r} (has {', '.join(source.splits)})"
        for split in self.raw_splits():
            if not any(split in source.splits for source in self.sources.values()):
                yield f"no source has the split {split!r}"

    def _problems_of_knobs(self) -> Iterator[str]:
        if "context" in self.knobs:
            if self.columns.passage is None:
                yield "knob context needs columns.passage"
            values = self.knobs["context"].values
            if other := [value for value in values if value not in ("none", "passage") and not self._is_window(value)]:
                valid = f"none, passage{' and numbers of tokens from 1' if self.has_answer_span else ''}"
                yield f"knob context of kind {self.kind} takes {valid} (given: {other})"
        if "options" in self.knobs:
            if self.kind != "choice":
                yield "knob options needs kind choice"
            most = len(self.columns.choices) if isinstance(self.columns.choices, list) else None
            for value in self.knobs["options"].values:
                if not isinstance(value, int) or value < 2 or (most is not None and value > most):
                    yield f"knob options: {value!r} must be 2 to {most or 'the number of choices'}"

    def _problems_of_prompts(self) -> Iterator[str]:
        _check_fields("description", self.description, ("group",))
        columns = [self.columns_of(source) for source in self.sources]
        needed = {"text"} | {field for field in ("text_b", "passage") for each in columns if getattr(each, field)}
        if self.reads_texts_alone:
            read = {"description": self.description, "shots": self.shots, "columns.passage": "passage" in needed}
            if unread := [key for key, value in {**read, "columns.text_b": "text_b" in needed}.items() if value]:
                yield f"prompt is empty, so the text of columns.answer is scored alone; remove {unread[0]}"
            return
        prompts = {"prompt": needed}
        if self.kind == "choice":
            prompts["mcq_prompt"] = needed | {"choices"}
        for name, needed in prompts.items():
            if lacks := sorted(needed - _check_fields(name, getattr(self, name), PROMPT_FIELDS)):
                yield f"{name} lacks {{{lacks[0]}}}, so a decoder would not see it"

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
        return value in self.knobs[knob].values or (knob == "context" and self._is_window(value))

    def _is_window(self, value: object) -> bool:
        return self.has_answer_span and _positive(value)


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_fields(name: str, prompt: str, valid: tuple[str, ...]) -> set[str]:
    """The fields of a prompt template. Raises ValueError for a field that is not `valid`."""
    try:
        fields = [parsed[1:] for parsed in Formatter().parse(prompt) if parsed[1] is not None]
    except ValueError as error:
        raise ValueError(f"{name} {prompt!r}: {error}; write {{{{ and }}}} for literal braces") from None
    for field, form, conversion in fields:
        if field not in valid or form or conversion:
            text = field if field not in valid else f"{field}!{conversion}:{form}"
            raise unknown_name("field", text, valid, name)
    return {field for field, _, _ in fields}
