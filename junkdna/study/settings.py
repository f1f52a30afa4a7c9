"""What each job depends on: the slice of the study that makes its output, as plain data.

A job's settings hold nothing else of the study, so what is added elsewhere leaves them, and its output, as they are.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING

from junkdna.storage.fingerprint import canonical_json, code_fingerprint, settings_fingerprint
from junkdna.storage.local_digests import files_digest
from junkdna.study.calibration import Calibration
from junkdna.study.cell import TRAINING_KNOBS, Cell, Compression, Knobs, has_shots
from junkdna.study.cell_settings import (
    CellSettings,
    GenerateSettings,
    ScoringSettings,
    TokenSettings,
    TrainingSettings,
)
from junkdna.study.formats import FORMATS, format_module, format_of, tokens_format
from junkdna.study.methods import METHODS
from junkdna.study.model_files import CODE, MODEL_FILES
from junkdna.study.options import option_values
from junkdna.study.sources import WheelPin
from junkdna.study.study import Protocol, Resolved
from junkdna.study.task import Task

if TYPE_CHECKING:
    from junkdna.study.study import Resolved


def calibration_settings(name: str, calibration: Calibration, seed: int, pins: Mapping[str, WheelPin]) -> dict:
    """All that a file of calibration rows depends on beside the tokenizer and, for a task, its examples.

    Neither the compression method nor the model is in it: the rows are drawn for every method alike.
    """
    given = calibration.model_dump(exclude_none=True)
    drawn = {key: given.pop(key) for key in ("samples", "context_tokens", "windows")}
    if calibration.wheel is not None:
        given["sha256"] = pins[calibration.wheel].sha256
    return {
        "calibration": name,
        "seed": seed,
        "source": given,
        **drawn,
        "code": code_fingerprint("junkdna.data.calibration"),
    }


SETTINGS_VERSION = 3  # the meaning of the settings below; raise it when a stored result would no longer mean the same


def cell_settings(cell: Cell, resolved: Resolved) -> CellSettings:
    """All that a cell's numbers depend on: the slice of the study it uses, its inputs' settings, and its code.

    Nothing else of the study is in it: a task, model, level or seed added elsewhere leaves it as it is.
    """
    task = resolved.tasks[cell.task]
    protocol = resolved.study.protocol(cell.protocol, task)
    model = resolved.study.models[cell.model]
    trained = cell.transfer != "none"
    answer_format = format_of(task.kind, model.kind, protocol.picked(model.kind), trained)
    dtype = protocol.dtype or model.dtype
    return CellSettings(
        version=SETTINGS_VERSION,
        cell=cell.key,
        kind=task.kind,
        metric=task.metric,
        classes=task.class_names(),
        format=answer_format,
        model_kind=model.kind,
        model_dtype=model.dtype,
        options=option_values(cell.compression.method, cell.compression.options) if cell.compression.level else {},
        inputs=_inputs(cell, resolved),
        code=code_fingerprint(*_modules(cell, answer_format)),
        scoring=None if trained else ScoringSettings(protocol.length_normalization, dtype),
        training=_training(cell, protocol) if trained else None,
        generate=GenerateSettings(**task.generate.model_dump()) if task.generate else None,
    )


def _training(cell: Cell, protocol: Protocol) -> TrainingSettings:
    names = {field.name for field in fields(TrainingSettings)}
    unread = set() if "data_fraction" in dict(cell.knobs) else {"subset", "match"}
    return TrainingSettings(**protocol.model_dump(include=names - unread))


def _inputs(cell: Cell, resolved: Resolved) -> dict[str, str]:
    """Digests of the settings of the files a cell reads. They stand among its own settings, so that a cell made
    from other inputs is stale whatever the dates of the files say."""
    found = dict(_input_digests(cell.model, cell.task, cell.token_knobs, cell.protocol, cell.roles, resolved))
    if cell.compressed_path is None:
        return found
    settings = compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    return found | {"compressed": settings_fingerprint(settings)}


@cache
def _input_digests(
    model: str, task: str, knobs: Knobs, protocol: str, roles: tuple[str, ...], resolved: Resolved
) -> dict[str, str]:
    parts = {f"tokens_{role}": tokens_file_settings(model, task, knobs, protocol, role, resolved) for role in roles}
    parts["model"] = model_settings(model, resolved)
    return {name: settings_fingerprint(part) for name, part in parts.items()}


TRAINING = ("junkdna.train.finetune", "junkdna.train.subset", "junkdna.train.train_rows")


def _modules(cell: Cell, answer_format: str) -> list[str]:
    modules = ["junkdna.run.cell", format_module(answer_format), *FORMATS[answer_format].modules]
    if cell.compressed_path is not None:
        modules.append("junkdna.compress.artifact")
    elif cell.compression.level:
        modules.append(method_module(cell.compression))
    return modules if cell.transfer == "none" else [*modules, *TRAINING]


def settings_text(cell: Cell, resolved: Resolved) -> str:
    """`cell_settings` as canonical JSON: the one parameter that the workflow tracks for a cell."""
    return canonical_json(cell_settings(cell, resolved))


def method_module(compression: Compression) -> str:
    """The module that a compression's function stands in."""
    return METHODS[compression.method].loader.split(":")[0]


def compressed_settings(model: str, compression: Compression, seed: int, resolved: Resolved) -> dict:
    """All that a stored compression depends on (`Cell.compressed_path`)."""
    method = METHODS[compression.method]
    settings = {
        "version": SETTINGS_VERSION,
        "model": model,
        "model_kind": resolved.study.models[model].kind,
        "model_dtype": resolved.study.models[model].dtype,
        "compression": compression.tag,
        "options": option_values(compression.method, compression.options),
        "seed": seed if method.seeded else 0,
        "inputs": {"model": settings_fingerprint(model_settings(model, resolved))},
        "code": code_fingerprint("junkdna.compress.store", method_module(compression)),
    }
    if method.statistics:
        calibration = calibration_file_settings(model, calibration_of(compression), seed, resolved)
        settings["inputs"]["calibration"] = settings_fingerprint(calibration)
    return settings


def calibration_of(compression: Compression) -> str:
    """The name of the calibration that a calibrated compression uses."""
    return dict(compression.options)["calibration"]


def calibration_file_settings(model: str, name: str, seed: int, resolved: Resolved) -> dict:
    """All that a file of calibration rows depends on."""
    calibration = resolved.study.calibrations[name]
    settings = calibration_settings(name, calibration, seed, resolved.study.pins())
    settings["source"] |= data_digest(settings["source"])
    inputs = {"model": settings_fingerprint(model_settings(model, resolved))}
    if calibration.task is not None:
        inputs["examples"] = settings_fingerprint(example_settings(calibration.task, calibration.role, resolved))
    return {**settings, "version": SETTINGS_VERSION, "inputs": inputs}


def tokenize_settings(
    model: str, task_name: str, knobs: Knobs, protocol_name: str, resolved: Resolved
) -> TokenSettings:
    """All that a tokens file of evaluated rows depends on, apart from the examples and the tokenizer."""
    task = resolved.tasks[task_name]
    protocol = resolved.study.protocol(protocol_name, task)
    model_kind = resolved.study.models[model].kind
    answer_format = tokens_format(task.kind, model_kind, protocol.picked(model_kind))
    prompt = task.model_dump(include={"description", "prompt", "mcq_prompt"})
    prompt |= {"verbalizers": task.verbalizers or task.class_names(), "chat_template": protocol.chat_template}
    prompt["new_tokens"] = task.generate.max_new_tokens if task.generate else 0
    return TokenSettings(
        version=SETTINGS_VERSION,
        task=task_name,
        role="evaluate",
        kind=task.kind,
        model_kind=model_kind,
        format=answer_format,
        knobs=[list(pair) for pair in knobs],
        knob_defaults={k: v for k, v in task.knob_defaults().items() if k not in TRAINING_KNOBS},
        max_length=protocol.length(model_kind),
        inputs={},
        code=code_fingerprint("junkdna.evaluate.tokenize", format_module(answer_format)),
        **(prompt if model_kind == "decoder" else {}),
    )


def tokens_file_settings(
    model: str, task: str, knobs: Knobs, protocol: str, role: str, resolved: Resolved
) -> TokenSettings:
    """All that the tokens file of one role depends on: `tokenize_settings`, and digests of its inputs' settings."""
    parts = {role: example_settings(task, role, resolved), "model": model_settings(model, resolved)}
    if has_shots(knobs):
        parts["shots"] = example_settings(task, "shots", resolved)
    inputs = {name: settings_fingerprint(part) for name, part in parts.items()}
    return replace(tokenize_settings(model, task, knobs, protocol, resolved), role=role, inputs=inputs)


def example_settings(task_name: str, role: str, resolved: Resolved) -> dict:
    """All that a task's examples in one role (train, evaluate, shots) depend on. Of local files their digest
    is part of it (`source.files_sha256`); the Hub's revisions and wheels' hashes stand for their files."""
    task = resolved.tasks[task_name]
    kind = resolved.source_of(task_name)
    source = task.sources[kind]
    split = raw_split(task, role)
    place = source.model_dump(exclude_none=True, exclude={"columns"}) | {"splits": {split: source.splits[split]}}
    entry = resolved.study.tasks[task_name]
    if kind == "local" and entry.folder is not None:
        place["local"] = entry.folder
    if kind == "wheel":
        place["sha256"] = resolved.study.pins()[place["wheel"]].sha256
    place |= data_digest(place)
    limits = (entry.limits or task.limits).model_dump(exclude_none=True, include={role})
    settings = {
        "version": SETTINGS_VERSION,
        "task": task_name,
        "role": role,
        "source": place,
        "limits": limits,
        "columns": task.columns_of(kind).model_dump(exclude_none=True),
        **task.model_dump(include={"kind", "labels", "label_groups"}, exclude_none=True),
        "code": code_fingerprint("junkdna.data.examples", "junkdna.data.rows"),
    }
    if task.generate:
        settings["match"] = task.generate.match
    if task.hash_split and role != "shots":
        settings["hash_split"] = task.hash_split.model_dump()
    elif role != "shots":
        settings[f"{role}_split"] = split
    if task.shots and (role == "shots" or (task.shots.of == split and split != task.train_split)):
        settings["shots"] = task.shots.model_dump()
    return settings


def raw_split(task: Task, role: str) -> str:
    """The raw split that a role's rows come from."""
    if role == "shots":
        return task.shots.of
    if task.hash_split:
        return task.hash_split.of
    return task.train_split if role == "train" else task.evaluate_split


def model_settings(name: str, resolved: Resolved) -> dict:
    """Where a model comes from, with the wheel's hash or the digest of a local folder's files. The folder is the same
    for every kind and dtype that it is loaded as."""
    model = resolved.study.models[name]
    settings = model.model_dump(exclude_none=True, exclude={"kind", "dtype"})
    if model.local is not None:
        settings |= local_model_digest(model.local)
    if model.wheel is not None:
        settings["sha256"] = resolved.study.pins()[model.wheel].sha256
    return settings


def local_model_digest(local: str) -> dict[str, str]:
    """The digest of the files of a local model folder that make the model, as settings have it; none without a file."""
    found = files_digest(local, MODEL_FILES, without=CODE)
    return {"files_sha256": found} if found else {}


def data_digest(source: dict) -> dict[str, str]:
    """The same for the raw files of a data source as settings have it; none for wheels and for the Hub's own."""
    if "local" in source:
        paths = source["splits"].values() if "splits" in source else [source["path"]]
        found = files_digest(source["local"], tuple(sorted(paths)))
    elif "hub" in source:  # a folder of this machine, laid out like a repository, or else the Hub's own
        found = files_digest(source["hub"], ("*",), without=(".*",))
    else:
        found = None
    return {"files_sha256": found} if found else {}
