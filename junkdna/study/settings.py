"""What a cell and its tokens files depend on: the slice of the study that makes them, as plain data.

A job's settings hold nothing else of the study, so what is added elsewhere leaves them, and its output, as they are.
"""

from functools import cache

from junkdna.storage.fingerprint import canonical_json, code_fingerprint, settings_fingerprint
from junkdna.study.cell import TRAINING_KNOBS, Cell, Knobs, has_shots
from junkdna.study.compress_settings import compressed_settings, method_module
from junkdna.study.options import option_values
from junkdna.study.settings_base import SETTINGS_VERSION
from junkdna.study.source_settings import example_settings, model_settings
from junkdna.study.study import Protocol, Resolved
from junkdna.study.task import Task


def cell_settings(cell: Cell, resolved: Resolved) -> dict:
    """All that a cell's numbers depend on: the slice of the study it uses, its inputs' settings, and its code.

    Nothing else of the study is in it: a task, model, level or seed added elsewhere leaves it as it is.
    """
    task = resolved.tasks[cell.task]
    protocol = resolved.study.protocol(cell.protocol, task)
    model_kind = resolved.study.models[cell.model].kind
    return {
        "version": SETTINGS_VERSION,
        "cell": cell.key,
        "kind": task.kind,
        "metric": task.metric,
        "classes": task.class_names(),
        "choice": _choice(task, model_kind, protocol),
        "generate": task.generate.model_dump() if task.generate else None,
        "model_kind": model_kind,
        "model_dtype": resolved.study.models[cell.model].dtype,
        "options": option_values(cell.compression.method, cell.compression.options) if cell.compression.level else {},
        "protocol": _protocol(cell, protocol, resolved),
        "inputs": _inputs(cell, resolved),
        "code": code_fingerprint(*_modules(cell, task.kind)),
    }


def _choice(task: Task, model_kind: str, protocol: Protocol) -> str:
    """How one of several texts is picked: similarity, cross, continuation or letters; "" where nothing is."""
    if task.kind == "choice":
        return protocol.encoder_choice if model_kind == "encoder" else protocol.decoder_choice
    return "continuation" if model_kind == "decoder" and task.class_names() else ""


def _protocol(cell: Cell, protocol: Protocol, resolved: Resolved) -> dict:
    """What of a protocol a cell depends on; the dtype of scoring is the model's own where the protocol gives none."""
    fields = protocol.model_dump(include=_protocol_fields(cell))
    if "dtype" in fields:
        fields["dtype"] = fields["dtype"] or resolved.study.models[cell.model].dtype
    return fields


def _protocol_fields(cell: Cell) -> set[str]:
    if cell.transfer == "none":
        return {"length_normalization", "dtype"}
    fields = {"epochs", "batch_size", "learning_rate", "warmup_fraction", "weight_decay", "prune_head"}
    return fields | {"subset", "match"} if "data_fraction" in dict(cell.knobs) else fields


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


def _modules(cell: Cell, kind: str) -> list[str]:
    modules = ["junkdna.run.cell"]
    if cell.compressed_path is not None:
        modules.append("junkdna.compress.artifact")
    elif cell.compression.level:
        modules.append(method_module(cell.compression))
    if kind == "generate":
        modules.append("junkdna.evaluate.answers_text")
    return modules if cell.transfer == "none" else [*modules, "junkdna.train.finetune", "junkdna.train.subset"]


def settings_text(cell: Cell, resolved: Resolved) -> str:
    """`cell_settings` as canonical JSON: the one parameter that the workflow tracks for a cell."""
    return canonical_json(cell_settings(cell, resolved))


def tokenize_settings(model: str, task_name: str, knobs: Knobs, protocol_name: str, resolved: Resolved) -> dict:
    """All that a tokens file depends on beside the examples and the tokenizer."""
    task = resolved.tasks[task_name]
    protocol = resolved.study.protocol(protocol_name, task)
    model_kind = resolved.study.models[model].kind
    settings = {
        "version": SETTINGS_VERSION,
        "kind": task.kind,
        "model_kind": model_kind,
        "choice": _choice(task, model_kind, protocol),
        "knobs": [list(pair) for pair in knobs],
        "knob_defaults": {k: v for k, v in task.knob_defaults().items() if k not in TRAINING_KNOBS},
        "max_length": protocol.length(model_kind),
        "task": task_name,
        "code": code_fingerprint("junkdna.data.tokenize", "junkdna.data.tokenizer", "junkdna.data.examples_file"),
    }
    if model_kind == "decoder":
        settings |= task.model_dump(include={"description", "prompt", "mcq_prompt"})
        settings |= {"verbalizers": task.verbalizers or task.class_names(), "chat_template": protocol.chat_template}
        settings["new_tokens"] = task.generate.max_new_tokens if task.generate else 0
    return settings


def tokens_file_settings(model: str, task: str, knobs: Knobs, protocol: str, role: str, resolved: Resolved) -> dict:
    """All that the tokens file of one role depends on: `tokenize_settings`, and digests of its inputs' settings."""
    parts = {role: example_settings(task, role, resolved), "model": model_settings(model, resolved)}
    if has_shots(knobs):
        parts["shots"] = example_settings(task, "shots", resolved)
    inputs = {name: settings_fingerprint(part) for name, part in parts.items()}
    return {**tokenize_settings(model, task, knobs, protocol, resolved), "role": role, "inputs": inputs}
