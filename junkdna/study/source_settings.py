"""Settings of the jobs in rules/sources.smk: wheels, model folders, examples."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from junkdna.storage.fingerprint import code_fingerprint
from junkdna.storage.local_file_hashes import files_digest
from junkdna.study.model_files import CODE, MODEL_FILES
from junkdna.study.settings_base import SETTINGS_VERSION, Settings
from junkdna.study.sources import PinnedSource, pinned
from junkdna.study.study import Resolved
from junkdna.study.task import Task


@dataclass(frozen=True)
class WheelSettings(Settings):
    """A wheel and its pin, without the fields for readers and estimates."""

    wheel: str
    sha256: str
    version: str | None = None
    filename: str | None = None
    parts: list[dict[str, str]] | None = None


@dataclass(frozen=True)
class HashCut(Settings):
    """`study.columns.HashSplit`: numbers of rows of the raw split `of`, in hash order, to train on and to evaluate."""

    of: str
    train: int
    evaluate: int


@dataclass(frozen=True)
class ShotRows(Settings):
    """`study.columns.Shots`: the first `count` rows of the raw split `of` are shots."""

    of: str
    count: int


@dataclass(frozen=True)
class ExampleSettings(Settings):
    """Everything that a task's examples in a role depend on.

    `splits` maps the one raw split that is read to its path or name in the source. `columns`, `kind`, `labels`,
    `label_groups` and `match` are those of the task. A raw split is divided by `hash_split`, or it is `train_split` or
    `evaluate_split`. `shots` are the rows of it that prompts show. For the role `difficulty`, everything is as for the
    role `evaluate`, and `columns` also has the key `difficulty`.
    """

    version: int
    task: str
    role: Literal["train", "evaluate", "shots", "difficulty"]
    kind: str
    source: PinnedSource
    splits: dict[str, str]
    columns: dict[str, Any]
    limits: dict[str, int]
    code: str
    labels: list[str] | None = None
    label_groups: dict[str, list[str]] | None = None
    match: str | None = None
    train_split: str | None = None
    evaluate_split: str | None = None
    hash_split: HashCut | None = None
    shots: ShotRows | None = None


def wheel_settings(wheel: str, resolved: Resolved) -> WheelSettings:
    """Everything that the download of a wheel, or of the parts of an archive, depends on."""
    pin = resolved.study.pins()[wheel]
    parts = pin.parts and [part.model_dump(exclude={"size_bytes"}) for part in pin.parts]
    return WheelSettings(wheel, pin.sha256, pin.version, pin.filename, parts)


def model_settings(name: str, resolved: Resolved) -> PinnedSource:
    """The source of a model. Its folder is the same for every kind and dtype. Code is not part of the settings, because
    files are only copied or linked, and cells compare their checksum."""
    source = pinned(resolved.study.models[name], resolved.study.pins())
    return replace(source, files_sha256=model_files_digest(source))


def model_files_digest(source: PinnedSource) -> str | None:
    """Checksum of the model files of a local folder; None for other sources and folders without such files."""
    return files_digest(source.local, MODEL_FILES, without=CODE) if source.local is not None else None


def example_settings(task_name: str, role: str, resolved: Resolved) -> ExampleSettings:
    """Everything that a task's examples in a role (train, evaluate, shots) depend on, or the published difficulty of
    its evaluated examples (role difficulty). Local files are pinned by their checksum, wheels by theirs, and Hub
    repositories by their revision."""
    if role == "difficulty":
        return _difficulty_settings(resolved.tasks[task_name], example_settings(task_name, "evaluate", resolved))
    task, entry = resolved.tasks[task_name], resolved.study.tasks[task_name]
    kind = resolved.source_of(task_name)
    split = task.split_of(role)
    source = pinned(task.sources[kind], resolved.study.pins())
    if kind == "local" and entry.folder is not None:
        source = replace(source, local=entry.folder)
    splits = {split: task.sources[kind].splits[split]}
    with_shots = task.shots and (role == "shots" or (task.shots.of == split and split != task.train_split))
    cut = task.hash_split if role != "shots" else None
    return ExampleSettings(
        version=SETTINGS_VERSION,
        task=task_name,
        role=role,
        kind=task.kind,
        source=replace(source, files_sha256=data_files_digest(source, splits.values())),
        splits=splits,
        columns=task.columns_of(kind).model_dump(exclude_none=True),
        limits=(entry.limits or task.limits).model_dump(exclude_none=True, include={role}),
        code=code_fingerprint("junkdna.data.examples", "junkdna.data.examples_file"),
        labels=task.labels,
        label_groups=task.label_groups,
        match=task.generate.match if task.generate else None,
        train_split=split if role == "train" and not cut else None,
        evaluate_split=split if role == "evaluate" and not cut else None,
        hash_split=HashCut(**cut.model_dump()) if cut else None,
        shots=ShotRows(**task.shots.model_dump()) if with_shots else None,
    )


def _difficulty_settings(task: Task, evaluate: ExampleSettings) -> ExampleSettings:
    """Without the bins, the title and the source: they change no file."""
    given = task.difficulty
    wanted = {"template": given.template, "pattern": given.pattern, "count": given.count}
    columns = evaluate.columns | {"difficulty": {key: value for key, value in wanted.items() if value is not None}}
    return replace(evaluate, role="difficulty", columns=columns)


def data_files_digest(source: PinnedSource, paths: Iterable[str]) -> str | None:
    """Checksum of the raw files of a source: `paths` in a local folder, or all files of a folder given as `hub`. None
    for wheels and Hub repositories, which are pinned otherwise."""
    if source.local is not None:
        return files_digest(source.local, tuple(sorted(paths)))
    return files_digest(source.hub, ("*",), without=(".*",)) if source.hub is not None else None
