"""What a cell and its tokens files depend on: the slice of the study that makes them, as plain data.

A job's settings hold nothing else of the study, so what is added elsewhere leaves them, and its output, as they are.
"""

from dataclasses import fields, replace
from functools import cache

from junkdna.storage.fingerprint import canonical_json, code_fingerprint, settings_fingerprint
from junkdna.study.cell import TRAINING_KNOBS, Cell, Knobs, has_shots
from junkdna.study.cell_settings import (
    CellSettings,
    GenerateSettings,
    ScoringSettings,
    TokenSettings,
    TrainingSettings,
)
from junkdna.study.compress_settings import compressed_settings, method_module
from junkdna.study.formats import FORMATS, format_module, format_of, tokens_format
from junkdna.study.options import option_values
from junkdna.study.settings_base import SETTINGS_VERSION
from junkdna.study.source_settings import example_settings, model_settings
from junkdna.study.study import Protocol, Resolved


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


TOKENIZE = ("junkdna.evaluate.tokenize", "junkdna.data.tokenizer", "junkdna.data.examples_file")
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
        code=code_fingerprint(*TOKENIZE, format_module(answer_format)),
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
