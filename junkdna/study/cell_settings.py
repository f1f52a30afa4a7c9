"""Types of the settings of the jobs `tokenize` and `cell`; `settings_from_study` fills them."""

from dataclasses import dataclass
from typing import Any, Literal

from junkdna.study.formats import ModelKind
from junkdna.study.settings_base import Settings


@dataclass(frozen=True)
class TokenSettings(Settings):
    """Everything that a tokens file depends on. `inputs` are fingerprints of the settings of its input files.

    The keys from `description` on are for decoders, which read a prompt. `verbalizers` are the words that stand for the
    classes, and `new_tokens` is the number of tokens to generate after the prompt.
    """

    version: int
    task: str
    role: str
    kind: str
    model_kind: ModelKind
    format: str
    knobs: list
    knob_defaults: dict[str, Any]
    max_length: int
    inputs: dict[str, str]
    code: str
    description: str = ""
    prompt: str = ""
    mcq_prompt: str = ""
    verbalizers: list[str] | None = None
    chat_template: bool = False
    new_tokens: int = 0

    @property
    def knob_values(self) -> dict[str, Any]:
        """The value of every knob of the task."""
        return {**self.knob_defaults, **dict(self.knobs)}


@dataclass(frozen=True)
class GenerateSettings(Settings):
    """How text is generated and matched (`study.generation.Generate`)."""

    max_new_tokens: int
    stop: list[str]
    match: Literal["text", "number"]
    extract: str | None = None
    exact: dict[str, Any] | None = None


@dataclass(frozen=True)
class ScoringSettings(Settings):
    """The settings of the protocol (`study.study.Protocol`) that scoring depends on, without training or with a trained
    language model, which is scored in float32."""

    length_normalization: Literal["none", "token", "character"]
    dtype: Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """The settings of the protocol that a cell with training depends on.

    `subset` and `match` are set only with the knob data_fraction. `stack` is a number or "auto" (`study.stack_size`).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_fraction: float
    weight_decay: float
    prune_head: bool
    stack: int | str
    precision: Literal["float32", "bfloat16"]
    subset: Literal["random", "first"] | None = None
    match: Literal["epochs", "steps"] | None = None


@dataclass(frozen=True)
class CellSettings(Settings):
    """Everything that a cell's numbers depend on. `inputs` are fingerprints of the settings of its input files.

    `training` is set with training, `scoring` without it and for trained language models; `generate` is set if the
    model writes text.
    """

    version: int
    cell: str
    kind: str
    metric: str
    classes: list[str]
    format: str
    model_kind: ModelKind
    model_dtype: str
    options: dict[str, Any]
    inputs: dict[str, str]
    code: str
    scoring: ScoringSettings | None = None
    training: TrainingSettings | None = None
    generate: GenerateSettings | None = None
