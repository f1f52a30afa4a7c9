"""The task files of the package and of a study."""

import os
from pathlib import Path

from junkdna.errors import UserError, unknown_name
from junkdna.study.file_kinds import check_kind
from junkdna.study.task import Task
from junkdna.study.yaml_reader import read_yaml, validated
from junkdna.study.yaml_text import files_near


def builtin_tasks() -> dict[str, Path]:
    """Name -> file of every task that comes with the package."""
    return {path.stem: path for path in sorted((Path(__file__).parents[1] / "tasks").glob("*.yaml"))}


def load_task(name: str, file: Path | None = None, where: str = "") -> Task:
    """Read and check one task file; `file` is for tasks outside the package.

    Raises UserError for an unknown name (with close names), a missing file, an unknown key or a bad value.
    """
    if file is None:
        known = builtin_tasks()
        if name not in known:
            raise unknown_name("task", name, known, where)
        file = known[name]
    if not os.path.isfile(file):  # unlike Path.is_file, also false for a name that is too long
        raise UserError(
            f"{where}: task file {str(file)!r} does not exist; paths start at the working folder{files_near(file)}."
        )
    data = read_yaml(file)
    check_kind(data, str(file), "task")
    task = validated(Task, data, str(file))
    if task.name != name:
        raise UserError(f"{file}: the task calls itself {task.name!r}, the study names it {name!r}: make them equal.")
    return task
