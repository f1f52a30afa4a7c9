"""The study: one YAML that names models, tasks, experiments, protocols and seeds, read into frozen models.

Imports neither torch nor transformers: validation and `snakemake -n` must stay quick.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from junkdna.compress.registry import METHODS
from junkdna.errors import UserError, unknown_name
from junkdna.source_spec import MemberPath, Text, WheelPin, load_wheel_pins
from junkdna.tasks.schema import EmptyAsDict, Frozen, Limits, Name, ProtocolOverrides, Task, load_task
from junkdna.yaml_files import read_yaml, validated

TransferMode = Literal["none", "dense", "sparse", "sparse_to_dense", "dense_freeze"]


class Model(Frozen):
    """A pre-trained model: exactly one of a wheel's folder or GGUF file, a local folder, a Hub repository.

    `kind` says how it scores a choice without training: `encoder` by cosine similarity of mean-pooled
    embeddings, `decoder` by log-likelihood of the options.
    """

    kind: Literal["encoder", "decoder"]
    wheel: Text | None = None
    path: MemberPath | None = None
    local: Text | None = None
    hub: Text | None = None
    revision: Text = "main"

    @model_validator(mode="after")
    def _one_place(self) -> "Model":
        given = [kind for kind in ("wheel", "local", "hub") if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of wheel, local, hub (given: {', '.join(given) or 'none'})")
        if (self.wheel is None) != (self.path is None):
            raise ValueError("wheel and path go together: path is the folder or .gguf file inside the wheel")
        return self


class Protocol(Frozen):
    """How cells are trained and scored; one object, recorded in every cell, equal along every curve.

    Learning rate falls linearly to 0 after a linear warm-up over `warmup_fraction` of all steps (AdamW,
    no gradient clipping). `max_length` is in tokens of the model, special tokens included. `normalise`
    divides an option's log-likelihood (decoders only) by nothing or by its length in characters.
    """

    max_length: int = Field(128, ge=8, le=131072)
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(2e-5, gt=0, lt=1)
    warmup_fraction: float = Field(0.06, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    prune_head: bool = False
    normalise: Literal["none", "characters"] = "none"


class TaskEntry(Frozen):
    """A study's use of one task: which of its sources, and what it changes."""

    file: Text | None = None
    source: Literal["wheel", "local", "hub"] | None = None
    folder: Text | None = None
    limits: Limits | None = None
    protocol: ProtocolOverrides = ProtocolOverrides()


class TaskUse(Frozen):
    """One task of an experiment, with knob values fixed for it ("sciq" alone means all defaults)."""

    task: Name
    context: int | str | None = None
    options: int | None = None


class CompressionGrid(Frozen):
    """One method at one or several levels: `sparsity` (fraction pruned) or `keep` of `of` weights."""

    method: str
    sparsity: list[float] | None = None
    keep: list[int] | None = None
    of: int | None = Field(None, ge=1, le=1024)

    @field_validator("sparsity", "keep", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return value if isinstance(value, list) or value is None else [value]

    @model_validator(mode="after")
    def _levels_fit_method(self) -> "CompressionGrid":
        if self.method not in METHODS:
            raise ValueError(str(unknown_name("compression method", self.method, [*METHODS])))
        if METHODS[self.method].level_kind == "sparsity":
            self._check_sparsity()
        elif not self.keep or self.of is None or self.sparsity is not None:
            raise ValueError(f"method {self.method} takes keep (a list) and of, e.g. keep: [2], of: 4")
        elif any(not 0 <= keep <= self.of for keep in self.keep):
            raise ValueError(f"keep {self.keep} must lie in 0..{self.of} (of)")
        return self

    def _check_sparsity(self) -> None:
        if not self.sparsity or self.keep is not None or self.of is not None:
            raise ValueError(f"method {self.method} takes sparsity (a list of fractions), e.g. sparsity: [0.3, 0.5]")
        for value in self.sparsity:
            if not 0 <= value <= 1:
                hint = f"; did you mean {value / 100:g}?" if 1 < value <= 100 else ""
                raise ValueError(f"sparsity {value:g} must lie in 0..1 (the fraction of weights pruned){hint}")
            if float(f"{value:.6g}") != value:
                raise ValueError(f"sparsity {value!r} has more than six digits: the file name could not hold it")


class Experiment(Frozen):
    """One question (one figure): the product of its models, tasks, knobs, compressions, modes and seeds.

    The dense reference of every cell is added by itself. An experiment with `on_request: true` runs only
    when the study's `run` (or `--config experiments=[...]`) names it.
    """

    title: str
    models: list[Name] = Field(min_length=1)
    tasks: list[TaskUse] = Field(min_length=1)
    knobs: dict[Literal["context", "options"], Annotated[list[int | str], Field(min_length=1)]] = Field({})
    compressions: list[CompressionGrid] = Field(min_length=1)
    transfer: list[TransferMode] = Field(["none"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field([0], min_length=1)
    protocol: Name = "default"
    on_request: bool = False

    @field_validator("tasks", mode="before")
    @classmethod
    def _names_are_uses(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return [{"task": item} if isinstance(item, str) else item for item in value]

    @model_validator(mode="after")
    def _has_cells(self) -> "Experiment":
        prunes = any(any(grid.sparsity or [k < grid.of for k in grid.keep]) for grid in self.compressions)
        if not prunes and {"none", "dense"}.isdisjoint(self.transfer):
            raise ValueError(f"transfer {self.transfer} needs a level that prunes; these compressions are all dense")
        return self


class Study(Frozen):
    """Everything one study names. `run` picks experiments; without it all run that are not `on_request`."""

    study: Name
    models: dict[Name, Model] = Field(min_length=1)
    tasks: dict[Name, Annotated[TaskEntry, EmptyAsDict]] = Field(min_length=1)
    experiments: dict[Name, Experiment] = Field(min_length=1)
    protocols: dict[Name, Annotated[Protocol, EmptyAsDict]] = Field({})
    wheels: dict[Name, WheelPin] = Field({})
    run: list[str] | None = None
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
            return {name: exp for name, exp in self.experiments.items() if not exp.on_request}
        return {name: self.experiments[name] for name in dict.fromkeys(self.run)}

    def pins(self) -> dict[str, WheelPin]:
        """Wheel pins that come with the package, and the study's own."""
        return {**load_wheel_pins(), **self.wheels}


class Resolved:
    """A checked study with its task files: what the grid and every stage work from."""

    def __init__(self, study: Study, tasks: dict[str, Task]) -> None:
        self.study = study
        self.tasks = tasks


def load_study(path: Path, overrides: dict | None = None) -> Resolved:
    """Read and check a study and the task files it names.

    `overrides` are top-level keys that replace the file's (Snakemake's `--config`); `experiments` as a list
    selects which experiments run. Raises UserError that names every wrong key before any job starts.
    """
    return resolve(read_yaml(path), str(path), overrides)


def resolve(data: dict, where: str, overrides: dict | None = None) -> Resolved:
    """Like `load_study`, for a study that is already a mapping."""
    data = dict(data)
    for key, value in (overrides or {}).items():
        if key == "experiments" and not isinstance(value, dict):
            data["run"] = [value] if isinstance(value, str) else value
        else:
            data[key] = value
    study = validated(Study, data, where)
    tasks = {
        name: load_task(name, Path(entry.file) if entry.file else None, f"{where}: tasks.{name}")
        for name, entry in study.tasks.items()
    }
    _check_names(study, tasks, where)
    return Resolved(study, tasks)


def _check_names(study: Study, tasks: dict[str, Task], where: str) -> None:
    for name in study.run or []:
        if name not in study.experiments:
            raise unknown_name("experiment", name, study.experiments, f"{where}: run")
    if not study.active():
        raise UserError(f"{where}: no experiment is on; name one in run, or take on_request off.")
    _check_sources(study, tasks, where)
    for name, experiment in study.experiments.items():
        _check_experiment(name, experiment, study, tasks, where)


def _check_sources(study: Study, tasks: dict[str, Task], where: str) -> None:
    pins = study.pins()
    for name, model in study.models.items():
        if model.wheel is not None and model.wheel not in pins:
            raise unknown_name("wheel", model.wheel, pins, f"{where}: models.{name}")
    for name, task in tasks.items():
        source = study.tasks[name].source or next(iter(task.sources))
        if source not in task.sources:
            raise unknown_name("source", source, task.sources, f"{where}: tasks.{name}")
        if study.tasks[name].folder is not None and source != "local":
            raise UserError(f"{where}: tasks.{name}: folder is for source local, but the source is {source}.")
        for wheel in (s.wheel for s in task.sources.values() if s.wheel is not None):
            if wheel not in pins:
                raise unknown_name("wheel", wheel, pins, f"task {name}: sources.wheel")


def _check_experiment(name: str, exp: Experiment, study: Study, tasks: dict[str, Task], where: str) -> None:
    place = f"{where}: experiments.{name}"
    for model in exp.models:
        if model not in study.models:
            raise unknown_name("model", model, study.models, f"{place}.models")
    if exp.protocol != "default" and exp.protocol not in study.protocols:
        raise unknown_name("protocol", exp.protocol, {"default", *study.protocols}, f"{place}.protocol")
    trained = [mode for mode in exp.transfer if mode != "none"]
    for use in exp.tasks:
        if use.task not in study.tasks:
            raise unknown_name("task", use.task, study.tasks, f"{place}.tasks")
        task = tasks[use.task]
        if task.kind == "classify" and "none" in exp.transfer:
            raise UserError(
                f"{place}: task {task.name} is of kind classify, which needs a trained head; transfer none has none. "
                f"Use transfer: [dense, sparse, sparse_to_dense, dense_freeze]."
            )
        if task.kind == "choice" and trained:
            raise UserError(
                f"{place}: task {task.name} is of kind choice, which is scored without training; "
                f"transfer {trained} needs a task of kind classify. Use transfer: [none]."
            )
        if trained and not task.trains:
            raise UserError(f"{place}: task {task.name} has no rows to train on; give it train_split or hash_split.")
        _check_knobs(use, exp, task, place)


def _check_knobs(use: TaskUse, exp: Experiment, task: Task, place: str) -> None:
    fixed = use.model_dump(exclude={"task"}, exclude_none=True)
    for knob, values in {**exp.knobs, **{knob: [value] for knob, value in fixed.items()}}.items():
        if knob not in task.knobs:
            raise unknown_name("knob", knob, task.knobs or ["(none)"], f"{place}: task {task.name}")
        for value in values:
            legal = task.knobs[knob].values
            if value not in legal:
                raise unknown_name(f"value of knob {knob}", value, map(str, legal), f"{place}: {task.name}")


def study_document(resolved: Resolved) -> dict:
    """The study and its task files as plain data; `from_document` undoes it.

    A protocol holds only the fields it sets itself: these, and no others, go before a task's own. A task's source is
    named even where it is the first of its file, and the experiments' order stands in `run`: JSON with sorted keys
    knows no first.
    """
    study = resolved.study.model_dump(mode="json", exclude_none=True)
    study["protocols"] = {name: p.model_dump(exclude_unset=True) for name, p in resolved.study.protocols.items()}
    study["run"] = list(resolved.study.active())
    for name, task in resolved.tasks.items():
        study["tasks"][name].setdefault("source", next(iter(task.sources)))
    tasks = {name: task.model_dump(mode="json", exclude_none=True) for name, task in resolved.tasks.items()}
    return {"study": study, "tasks": tasks}


def from_document(data: dict, where: str) -> Resolved:
    """The study that `study_document` wrote."""
    tasks = {name: validated(Task, task, f"{where}: tasks.{name}") for name, task in data["tasks"].items()}
    return Resolved(validated(Study, data["study"], where), tasks)
