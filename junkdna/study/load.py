"""Reading a study: from YAML to a checked `Resolved`, and back to plain data."""

import json
from pathlib import Path

from junkdna.storage.study_commands import StudyCommands
from junkdna.study.checks import check_study, chosen_experiments
from junkdna.study.file_kinds import check_kind
from junkdna.study.pair_checks import check_pairs
from junkdna.study.study import Resolved, Study
from junkdna.study.task import Task
from junkdna.study.task_files import load_task
from junkdna.study.yaml_reader import read_yaml, validated

NO_TABLE = {"cells_per_job", "cells_per_gpu", "report"}
"""Keys of a study that its stored copy leaves out, because a change to them must not compute tables again."""


def load_study(path: Path, overrides: dict | None = None, option: str = "--config") -> Resolved:
    """Read and check a study and the task files it names.

    `path` may also be the copy of a checked study that a run stores with its results (`study-....json`). `overrides`
    are top-level keys that replace those of the file; `experiments` as a list selects the experiments to run. `option`
    is the command line option they came from, for messages: `--config` of Snakemake or `--experiments` of `junkdna`.
    Raises UserError with every wrong key.
    """
    document = _stored_document(path)
    if document is None:
        resolved = resolve(read_yaml(path), str(path), overrides, option)
    else:
        document["study"] = _with_overrides(document["study"], overrides, option)
        resolved = from_document(document, str(path))
        check_study(resolved, str(path))
        check_pairs(resolved, str(path))
    chosen = (overrides or {}).get("experiments") is not None or "run" in (overrides or {})
    resolved.commands = StudyCommands(str(path), tuple(resolved.study.active()) if chosen else ())
    return resolved


def resolve(data: dict, where: str, overrides: dict | None = None, option: str = "--config") -> Resolved:
    """Like `load_study`, for a study that is already a mapping."""
    check_kind(data, where, "study")
    replaced = [key for key, value in (overrides or {}).items() if key != "experiments" or isinstance(value, dict)]
    origin = f" with {option} {', '.join(map(str, replaced))}" if replaced else ""
    study = validated(Study, _with_overrides(data, overrides, option), f"{where}{origin[:300]}")
    tasks = {
        name: load_task(name, Path(entry.file) if entry.file else None, f"{where}: tasks.{name}")
        for name, entry in study.tasks.items()
    }
    resolved = Resolved(study, tasks)
    check_study(resolved, where)
    check_pairs(resolved, where)
    return resolved


def study_document(resolved: Resolved) -> dict:
    """The study and its task files as plain data; `from_document` reads it.

    A protocol contains only the fields that the study sets, because only these override a task's. The source of each
    task and the order of experiments (in `run`) are explicit, because JSON with sorted keys has no order. Keys that
    change no table (`NO_TABLE`) are omitted.
    """
    study = resolved.study.model_dump(mode="json", exclude_none=True, exclude=NO_TABLE)
    study["protocols"] = {name: p.model_dump(exclude_unset=True) for name, p in resolved.study.protocols.items()}
    study["run"] = list(resolved.study.active())
    for name, task in resolved.tasks.items():
        study["tasks"][name].setdefault("source", next(iter(task.sources)))
    tasks = {name: task.model_dump(mode="json", exclude_none=True) for name, task in resolved.tasks.items()}
    return {"study": study, "tasks": tasks}


def from_document(data: dict, where: str) -> Resolved:
    """The study that `study_document` wrote."""
    tasks = {name: validated(Task, task, f"{where}: tasks.{name}") for name, task in data["tasks"].items()}
    return Resolved(validated(Study, data["study"], where), tasks, StudyCommands(where))


def _stored_document(path: Path) -> dict | None:
    """The content of a JSON file that `study_document` wrote; None for any other file."""
    if path.suffix != ".json":
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    written = isinstance(data, dict) and {*data} == {"study", "tasks"}
    return data if written and all(isinstance(part, dict) for part in data.values()) else None


def _with_overrides(data: dict, overrides: dict | None, option: str) -> dict:
    """A study's mapping with top-level keys replaced; a list of `experiments` replaces `run`."""
    data, overrides = dict(data), dict(overrides or {})
    if "experiments" in overrides and not isinstance(overrides["experiments"], dict):
        data["run"] = chosen_experiments(overrides.pop("experiments"), data.get("experiments"), option)
    return data | overrides
