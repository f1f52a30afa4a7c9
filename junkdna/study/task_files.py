"""Task files of the package and of a study."""

import os
from pathlib import Path

from junkdna.errors import UserError, unknown_name
from junkdna.study.file_kinds import check_kind
from junkdna.study.task import Task
from junkdna.study.yaml_reader import read_yaml, validated
from junkdna.study.yaml_text import files_near


def builtin_tasks() -> dict[str, Path]:
    """Name -> file of every task in the package."""
    return {path.stem: path for path in sorted((Path(__file__).parents[1] / "tasks").glob("*.yaml"))}


def load_task(name: str, file: Path | None = None, where: str = "") -> Task:
    """Read and check a task file; `file` is for tasks outside the package.

    Raises UserError for an unknown name (with close names), a missing file, an unknown key or a wrong value.
    """
    if file is None:
        builtin = builtin_tasks()
        if name not in builtin:
            raise unknown_name("task", name, builtin, where)
        file = builtin[name]
    if not os.path.isfile(file):  # unlike Path.is_file, also false for a name that is too long
        raise UserError(
            f"{where}: task file {str(file)!r} does not exist. Paths start at the working directory{files_near(file)}."
        )
    data = read_yaml(file)
    check_kind(data, str(file), "task")
    task = validated(Task, data, str(file))
    if task.name != name:
        raise UserError(
            f"{file}: the task's name is {task.name!r}, but the study calls it {name!r}. Use the same name."
        )
    return task
