"""Reads a study: from YAML to a checked `Resolved`, and back to plain data."""

from pathlib import Path

from junkdna.storage.study_commands import Given
from junkdna.study.checks import check_study
from junkdna.study.file_kinds import check_kind
from junkdna.study.study import Resolved, Study, _checked_document, _replaced
from junkdna.study.task import Task
from junkdna.study.task_files import load_task
from junkdna.study.yaml_reader import read_yaml, validated


def load_study(path: Path, overrides: dict | None = None, option: str = "--config") -> Resolved:
    """Read and check a study and the task files it names.

    `path` may also be the checked study that a run keeps beside its results (`study-....json`). `overrides` are
    top-level keys that replace the file's; `experiments` as a list selects which experiments run. `option` is what gave
    them, for messages: Snakemake's `--config`, or `--experiments` of `junkdna`. Raises UserError that names every wrong
    key before any job starts.
    """
    checked = _checked_document(path)
    if checked is None:
        resolved = resolve(read_yaml(path), str(path), overrides, option)
    else:
        resolved = from_document({**checked, "study": _replaced(checked["study"], overrides, option)}, str(path))
        check_study(resolved, str(path))
    chosen = (overrides or {}).get("experiments") is not None or "run" in (overrides or {})
    resolved.given = Given(str(path), tuple(resolved.study.active()) if chosen else ())
    return resolved


def resolve(data: dict, where: str, overrides: dict | None = None, option: str = "--config") -> Resolved:
    """Like `load_study`, for a study that is already a mapping."""
    check_kind(data, where, "study")
    replaced = [key for key, value in (overrides or {}).items() if key != "experiments" or isinstance(value, dict)]
    given = f" with {option} {', '.join(map(str, replaced))}" if replaced else ""
    study = validated(Study, _replaced(data, overrides, option), f"{where}{given[:300]}")
    tasks = {
        name: load_task(name, Path(entry.file) if entry.file else None, f"{where}: tasks.{name}")
        for name, entry in study.tasks.items()
    }
    resolved = Resolved(study, tasks)
    check_study(resolved, where)
    return resolved


def study_document(resolved: Resolved) -> dict:
    """The study and its task files as plain data; `from_document` undoes it.

    A protocol holds only the fields it sets itself: these, and no others, go before a task's own. A task's source is
    named even where it is the first of its file, and the experiments' order stands in `run`: JSON with sorted keys
    knows no first. How to run (`cells_per_job`, `cells_per_gpu`) is left out.
    """
    study = resolved.study.model_dump(mode="json", exclude_none=True, exclude={"cells_per_job", "cells_per_gpu"})
    study["protocols"] = {name: p.model_dump(exclude_unset=True) for name, p in resolved.study.protocols.items()}
    study["run"] = list(resolved.study.active())
    for name, task in resolved.tasks.items():
        study["tasks"][name].setdefault("source", next(iter(task.sources)))
    tasks = {name: task.model_dump(mode="json", exclude_none=True) for name, task in resolved.tasks.items()}
    return {"study": study, "tasks": tasks}


def from_document(data: dict, where: str) -> Resolved:
    """The study that `study_document` wrote."""
    tasks = {name: validated(Task, task, f"{where}: tasks.{name}") for name, task in data["tasks"].items()}
    return Resolved(validated(Study, data["study"], where), tasks, Given(where))
