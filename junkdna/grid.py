"""From a study to its cells, and from each stage to the slice of the study that it depends on."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

from junkdna.compress.registry import METHODS
from junkdna.keys import Cell, Compression, Knobs
from junkdna.provenance import canonical_json, code_digest, digest
from junkdna.study import CompressionGrid, Experiment, Resolved, TaskUse
from junkdna.tasks.schema import Task

SETTINGS_VERSION = 1  # the meaning of the settings below; raise it when a stored result would no longer mean the same


def conditions(exp: Experiment, tasks: dict[str, Task]) -> Iterator[tuple[str, Knobs]]:
    """(task, knobs) pairs of an experiment; knobs at the task's default are left out, so that equal cells are one."""
    for use in exp.tasks:
        task = tasks[use.task]
        choices = {**exp.knobs, **{k: [v] for k, v in _fixed(use).items()}}
        names = sorted(choices)
        for values in product(*(choices[name] for name in names)):
            pairs = zip(names, values, strict=True)
            yield use.task, tuple((name, value) for name, value in pairs if value != task.knobs[name].default)


def _fixed(use: TaskUse) -> dict[str, int | str]:
    return use.model_dump(exclude={"task"}, exclude_none=True)


def levels(grids: list[CompressionGrid]) -> list[Compression]:
    """Every compression of an experiment, dense first; sparsity 0 is dense."""
    found = {Compression(): None}
    for grid in grids:
        for sparsity in grid.sparsity or []:
            found[Compression(grid.method, sparsity=sparsity) if sparsity > 0 else Compression()] = None
        for keep in grid.keep or []:
            found[Compression(grid.method, keep=keep, of=grid.of) if keep < grid.of else Compression()] = None
    return list(found)


def canonical(cell: Cell) -> Cell:
    """The cell with its seed set to 0 where nothing random depends on it (no training, no random mask)."""
    random_mask = cell.compression.method != "dense" and METHODS[cell.compression.method].random
    return cell if cell.transfer != "none" or random_mask else replace(cell, seed=0)


def reference(cell: Cell) -> Cell:
    """The dense cell that a cell's drop is counted against: same model, task, knobs, protocol and seed."""
    transfer = "none" if cell.transfer == "none" else "dense"
    return canonical(replace(cell, compression=Compression(), transfer=transfer))


def expand(resolved: Resolved) -> dict[str, list[Cell]]:
    """Cells of every active experiment, references included, without repeats inside an experiment."""
    return {name: _expand_one(exp, resolved) for name, exp in resolved.study.active().items()}


def _expand_one(exp: Experiment, resolved: Resolved) -> list[Cell]:
    found: dict[Cell, None] = {}
    grid = product(exp.models, conditions(exp, resolved.tasks), levels(exp.compressions), exp.transfer, exp.seeds)
    for model, (task, knobs), compression, transfer, seed in grid:
        cell = Cell(model, task, knobs, compression, transfer, exp.protocol, seed)
        if transfer == "none" or (transfer == "dense") == (compression.method == "dense"):
            cell = canonical(cell)
            found[reference(cell)] = None
            found[cell] = None
    return list(found)


def all_cells(resolved: Resolved) -> list[Cell]:
    """Every cell of the study once, in a fixed order."""
    return list(dict.fromkeys(cell for cells in expand(resolved).values() for cell in cells))


def cell_settings(cell: Cell, resolved: Resolved) -> dict:
    """All that a cell's numbers depend on: the slice of the study it uses, its inputs' settings, and its code.

    Nothing else of the study is in it: a task, model, level or seed added elsewhere leaves it as it is.
    """
    task = resolved.tasks[cell.task]
    protocol = resolved.study.protocol(cell.protocol, task)
    used = {"normalise"} if cell.transfer == "none" else {*type(protocol).model_fields} - {"normalise", "max_length"}
    return {
        "version": SETTINGS_VERSION,
        "cell": cell.key,
        "kind": task.kind,
        "metric": task.metric,
        "classes": task.class_names(),
        "model_kind": resolved.study.models[cell.model].kind,
        "protocol": protocol.model_dump(include=used),
        "inputs": _input_digests(cell.model, cell.task, cell.knobs, cell.protocol, resolved),
        "code": code_digest(*_modules(cell)),
    }


@cache
def _input_digests(model: str, task: str, knobs: Knobs, protocol: str, resolved: Resolved) -> dict[str, str]:
    """Digests of the settings of the files a cell reads. They stand among its own settings, so that a cell made
    from other inputs is stale whatever the dates of the files say."""
    parts = {
        "examples": example_settings(task, resolved),
        "model": model_settings(model, resolved),
        "tokens": encode_settings(model, task, knobs, protocol, resolved),
    }
    return {name: digest(canonical_json(part)) for name, part in parts.items()}


def _modules(cell: Cell) -> list[str]:
    modules = ["junkdna.cell"]
    if cell.compression.method != "dense":
        modules.append(METHODS[cell.compression.method].loader.split(":")[0])
    return modules if cell.transfer == "none" else [*modules, "junkdna.transfer"]


def settings_text(cell: Cell, resolved: Resolved) -> str:
    """`cell_settings` as canonical JSON: the one parameter that the workflow tracks for a cell."""
    return canonical_json(cell_settings(cell, resolved))


def encode_settings(model: str, task_name: str, knobs: Knobs, protocol_name: str, resolved: Resolved) -> dict:
    """All that an encoded file depends on beside the examples and the tokenizer."""
    task = resolved.tasks[task_name]
    return {
        "version": SETTINGS_VERSION,
        "kind": task.kind,
        "model_kind": resolved.study.models[model].kind,
        "prompt": task.prompt if resolved.study.models[model].kind == "decoder" else "",
        "knobs": [list(pair) for pair in knobs],
        "knob_defaults": {name: knob.default for name, knob in sorted(task.knobs.items())},
        "max_length": resolved.study.protocol(protocol_name, task).max_length,
        "task": task_name,
        "code": code_digest("junkdna.encode"),
    }


def example_settings(task_name: str, resolved: Resolved) -> dict:
    """All that a task's canonical examples depend on beside the raw files: its source and columns, no protocol."""
    task, entry = resolved.tasks[task_name], resolved.study.tasks[task_name]
    kind = entry.source or next(iter(task.sources))
    source = task.sources[kind].model_dump(exclude_none=True)
    if kind == "local" and entry.folder is not None:
        source["local"] = entry.folder
    if kind == "wheel":
        source["sha256"] = resolved.study.pins()[source["wheel"]].sha256
    limits = (entry.limits or task.limits).model_dump(exclude_none=True)
    fields = {"columns", "kind", "labels", "label_groups", "train_split", "evaluate_split", "hash_split"}
    return {
        "version": SETTINGS_VERSION,
        "task": task_name,
        "source": source,
        "limits": limits,
        **task.model_dump(include=fields, exclude_none=True),
        "code": code_digest("junkdna.tasks.load"),
    }


def model_settings(name: str, resolved: Resolved) -> dict:
    """Where a model comes from, with the wheel's hash."""
    model = resolved.study.models[name]
    settings = model.model_dump(exclude_none=True)
    if model.wheel is not None:
        settings["sha256"] = resolved.study.pins()[model.wheel].sha256
    return settings
