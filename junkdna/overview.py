"""Short lists that a person asks for: files of cells, tasks of the package, where the results stand."""

from collections.abc import Iterator
from pathlib import Path

from junkdna.grid import all_cells
from junkdna.study import Resolved
from junkdna.tasks.schema import builtin_tasks, load_task


def cell_files(resolved: Resolved) -> list[str]:
    """File of every cell."""
    return [cell.path for cell in all_cells(resolved)]


def tasks() -> Iterator[str]:
    """Name, kind, metric, title and knobs of every task in the package."""
    for name in builtin_tasks():
        task = load_task(name)
        knobs = ", ".join(task.knob_defaults())
        yield f"{name:<15} {task.kind:<9} {task.metric:<12} {task.title}{f'  [{knobs}]' if knobs else ''}"


def where(resolved: Resolved, start: Path = Path()) -> Iterator[str]:
    """Where the results of a study are; `start`, where given, is the folder that paths are shown from."""
    folder = start / "results/studies" / resolved.study.study
    yield f"figures  {folder}/figures/  (PDF, SVG, PNG; start with headline.png)"
    yield f"tables   {folder}/tables/drops.csv, drops.parquet, cells.parquet"
    yield f"report   {folder}/report.html"
    if (folder / "partial").is_dir():
        yield f"partial  {folder}/partial/  (made while cells were missing)"
