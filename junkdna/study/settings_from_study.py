"""Settings of cells and tokens files from a study: only what the job depends on.

Tasks, models, levels and seeds that are added to a study change no settings of other jobs, so their outputs stay valid.
"""

from dataclasses import fields, replace
from functools import cache

from junkdna.storage.fingerprint import canonical_json, code_fingerprint, settings_fingerprint
from junkdna.study.cell import TRAINING_KNOBS, Cell, Knobs, has_shots
from junkdna.study.cell_settings import CellSettings, GenerateSettings, ScoringSettings, TokenSettings, TrainingSettings
from junkdna.study.compress_settings import compressed_settings
from junkdna.study.formats import FORMATS, format_module, format_of, tokens_format
from junkdna.study.methods import METHODS
from junkdna.study.options import settings_options
from junkdna.study.settings_base import SETTINGS_VERSION
from junkdna.study.source_settings import example_settings, model_settings
from junkdna.study.study import Model, Protocol, Resolved


def cell_settings(cell: Cell, resolved: Resolved) -> CellSettings:
    """Everything that a cell's numbers depend on: its part of the study, fingerprints of its inputs and its code."""
    task = resolved.tasks[cell.task]
    protocol = resolved.study.protocol(cell.protocol, task)
    model = resolved.study.models[cell.model]
    trained = cell.transfer != "none"
    answer_format = format_of(task.kind, model.kind, protocol.picked(model.kind), trained)
    return CellSettings(
        version=SETTINGS_VERSION,
        cell=cell.key,
        kind=task.kind,
        metric=task.metric,
        classes=task.class_names(),
        format=answer_format,
        model_kind=model.kind,
        model_dtype=model.dtype,
        options=settings_options(cell.compression),
        inputs=_inputs(cell, resolved),
        code=code_fingerprint(*_modules(cell, answer_format)),
        scoring=_scoring(protocol, model, FORMATS[answer_format].is_language_model, trained),
        training=_training(cell, protocol) if trained else None,
        generate=GenerateSettings(**task.generate.model_dump()) if task.generate else None,
    )


def _scoring(protocol: Protocol, model: Model, language_model: bool, trained: bool) -> ScoringSettings | None:
    """None for a trained head. A trained language model is scored in the data type of its training."""
    if not trained:
        return ScoringSettings(protocol.length_normalization, protocol.dtype or model.dtype)
    return ScoringSettings(protocol.length_normalization, "float32") if language_model else None


def _training(cell: Cell, protocol: Protocol) -> TrainingSettings:
    names = {field.name for field in fields(TrainingSettings)}
    unread = set() if "data_fraction" in dict(cell.knobs) else {"subset", "match"}
    return TrainingSettings(**protocol.model_dump(include=names - unread))


def _inputs(cell: Cell, resolved: Resolved) -> dict[str, str]:
    """Fingerprints of the settings of the files a cell reads. As part of the cell's settings they make a cell stale
    when its inputs change, whatever the dates of the files are."""
    fingerprints = _input_fingerprints(cell.model, cell.task, cell.token_knobs, cell.protocol, cell.roles, resolved)
    if cell.compressed_path is None:
        return fingerprints
    settings = compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    return fingerprints | {"compressed": settings_fingerprint(settings)}


@cache
def _input_fingerprints(
    model: str, task: str, knobs: Knobs, protocol: str, roles: tuple[str, ...], resolved: Resolved
) -> dict[str, str]:
    settings = {f"tokens_{role}": tokens_file_settings(model, task, knobs, protocol, role, resolved) for role in roles}
    settings["model"] = model_settings(model, resolved)
    return {name: settings_fingerprint(each) for name, each in settings.items()}


TOKENIZE = ("junkdna.evaluate.tokenize", "junkdna.data.tokenizer", "junkdna.data.examples_file")
TRAINING = (
    "junkdna.train.finetune", "junkdna.train.subset", "junkdna.train.train_rows", "junkdna.run.stacked_cells"
)  # fmt: skip


def _modules(cell: Cell, answer_format: str) -> list[str]:
    modules = ["junkdna.run.cell", format_module(answer_format), *FORMATS[answer_format].modules]
    if cell.compressed_path is not None:
        modules.append("junkdna.compress.artifact")
    elif cell.compression.level:
        modules.append(METHODS[cell.compression.method].module)
    if cell.transfer == "none":
        return modules
    loss = FORMATS[answer_format].loss_module
    return [*modules, *TRAINING, *([loss] if loss else [])]


def settings_text(cell: Cell, resolved: Resolved) -> str:
    """`cell_settings` as canonical JSON, the parameter by which the workflow tracks a cell."""
    return canonical_json(cell_settings(cell, resolved))


def tokenize_settings(
    model: str, task_name: str, knobs: Knobs, protocol_name: str, resolved: Resolved
) -> TokenSettings:
    """Everything that a tokens file of role evaluate depends on, except `inputs`: the examples and the model."""
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
    """Everything that the tokens file of a role depends on: `tokenize_settings` with `inputs`."""
    settings = {role: example_settings(task, role, resolved), "model": model_settings(model, resolved)}
    if has_shots(knobs):
        settings["shots"] = example_settings(task, "shots", resolved)
    inputs = {name: settings_fingerprint(each) for name, each in settings.items()}
    return replace(tokenize_settings(model, task, knobs, protocol, resolved), role=role, inputs=inputs)
