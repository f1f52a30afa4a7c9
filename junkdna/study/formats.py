"""The answer formats by name: how a question is asked and answered. Read from their files without importing torch.

A new format is one file in `junkdna/evaluate/formats/`: `FORMAT = Format(...)` with literal values, and the functions

    tokenize(rows, shots, tokenizer, settings, readable) -> list[dict]   columns of the tokens file, one dict per row
    score(settings, model, rows, device, loop, tokenizer) -> Answers
    batch(model, rows, numbers, device) -> train_outputs.Batch           the rows of an optimizer step as tensors
    outputs(model, batch) -> Tensor                                      (B, ...), with gradients
    loss(outputs, labels) -> Tensor                                      the loss of the step; no side effects

`tokenize` gets `TokenSettings`, `score` gets `CellSettings` and a function that loads the tokenizer. A format that
cannot be trained has no `batch`, `outputs` and `loss`. Formats with one loss take the last two from one module, which
they name as `loss_module`.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal, get_args

from junkdna.study.declarations import build_declarations

Kind = Literal["classify", "pair", "regress", "choice", "generate", "likelihood"]
TEXT_ANSWERS = ("generate", "likelihood")  # kinds whose gold answer is a text
ModelKind = Literal["encoder", "decoder"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """What an answer format supports and needs.

    `models` are the kinds of model it supports. It answers the task kinds `picked_for` if a protocol picks it by name
    (encoder_choice, decoder_choice), and the task kinds `default_for` without a key. `training` is none (works only
    without training), possible (with and without) or required (only with). `head`: the outputs that training adds, one
    per class or one in total. `prompt` is the task key of a decoder's question. `suffix`: whether it shows
    columns.suffix after every option. `columns` are the columns of the tokens file that it reads, and `train_columns`
    those that its training reads, if these are others. `modules` are the modules that its functions import, whose code
    is part of the fingerprint of its cells. `loss_module` is the module that defines `outputs` and `loss`, if its own
    file does not; only training imports it, and its code is part of the fingerprint of trained cells.

    `label`, `meaning` and `caption` (the part of a decoder's row that is scored) are for people.
    """

    label: str
    meaning: str
    models: tuple[str, ...]
    columns: tuple[str, ...]
    modules: tuple[str, ...]
    train_columns: tuple[str, ...] = ()
    loss_module: str = ""
    picked_for: tuple[str, ...] = ()
    default_for: tuple[str, ...] = ()
    training: Literal["none", "possible", "required"] = "none"
    head: Literal["", "classes", "one"] = ""
    prompt: Literal["", "prompt", "mcq_prompt"] = ""
    suffix: bool = True
    caption: str = ""

    def __post_init__(self) -> None:
        for name, values, valid in (
            ("models", self.models, get_args(ModelKind)),
            ("picked_for", self.picked_for, get_args(Kind)),
            ("default_for", self.default_for, get_args(Kind)),
            ("training", (self.training,), ("none", "possible", "required")),
        ):
            if wrong := [value for value in values if value not in valid]:
                raise ValueError(f"answer format {self.label!r}: {name} {wrong[0]!r} is not one of {valid}")

    def fits(self, trained: bool) -> bool:
        """Whether it can answer with training (True) or without (False)."""
        return self.training != ("none" if trained else "required")

    @property
    def is_language_model(self) -> bool:
        """Whether the language-model head answers: it reads a prompt, and training adds no head."""
        return bool(self.prompt) and not self.head


FORMATS = build_declarations("evaluate.formats", "FORMAT", lambda _, declared: Format(**declared))


def picks(model_kind: str) -> tuple[str, ...]:
    """Valid values of encoder_choice or decoder_choice."""
    return tuple(name for name, each in FORMATS.items() if model_kind in each.models and each.picked_for)


EncoderChoice = Literal[picks("encoder")]
DecoderChoice = Literal[picks("decoder")]


def format_of(kind: str, model_kind: str, picked: str, trained: bool) -> str | None:
    """Name of the format in which models of a kind answer tasks of a kind, trained or not; None if there is none.

    `picked` is the protocol's pick for this kind of model (`Protocol.picked`). Among the defaults of a trained model, a
    format that requires training goes first: a classifier is trained with a head, not as a language model. Raises
    ValueError if two formats declare the same default.
    """
    names = [name for name, each in FORMATS.items() if model_kind in each.models and kind in each.default_for]
    if kind in FORMATS[picked].picked_for:
        names = [picked]
    fitting = [name for name in names if FORMATS[name].fits(trained)]
    fitting = [name for name in fitting if FORMATS[name].training == "required"] or fitting
    if len(fitting) > 1:
        raise ValueError(f"answer formats {', '.join(fitting)} are all the default of a {model_kind} for {kind}")
    return fitting[0] if fitting else None


def tokens_format(kind: str, model_kind: str, picked: str) -> str | None:
    """Name of the format of the tokens file, which cells with and without training share."""
    return format_of(kind, model_kind, picked, trained=False) or format_of(kind, model_kind, picked, trained=True)


def kinds_answered(model_kind: str, trained: bool) -> list[str]:
    """Kinds of task that models of a kind can answer, with training or without."""
    fitting = [each for each in FORMATS.values() if model_kind in each.models and each.fits(trained)]
    return [kind for kind in get_args(Kind) if any(kind in each.picked_for + each.default_for for each in fitting)]


def format_module(name: str) -> str:
    """The name of a format's module."""
    return f"junkdna.evaluate.formats.{name}"


def load(name: str) -> ModuleType:
    """The imported module of a format."""
    return import_module(format_module(name))


def load_loss(name: str) -> ModuleType:
    """The imported module with the functions `outputs` and `loss` of a format that can be trained."""
    return import_module(FORMATS[name].loss_module or format_module(name))
