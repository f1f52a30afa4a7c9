"""Runs the toy study through the stages, in the working folder: what the rules do, in one process."""

import json
from pathlib import Path

from junkdna import grid, stages
from junkdna.keys import Cell
from junkdna.study import Resolved, load_study

MODEL = Path("results/models/tiny/model.json")


def read() -> Resolved:
    return load_study(Path("config.yaml"))


def prepare(resolved: Resolved) -> None:
    """Model, examples and encoded files of every cell of the study."""
    stages.model(MODEL, grid.model_settings("tiny", resolved))
    for task in resolved.tasks:
        stages.examples(examples_file(task), grid.example_settings(task, resolved))
    for cell in grid.all_cells(resolved):
        if not Path(cell.tokens_path).exists():
            settings = grid.encode_settings(cell.model, cell.task, cell.knobs, cell.protocol, resolved)
            stages.encode(Path(cell.tokens_path), settings, MODEL, examples_file(cell.task))


def examples_file(task: str) -> Path:
    return Path(f"results/examples/{task}.parquet")


def settings_of(cell: Cell, resolved: Resolved) -> dict:
    """The cell's settings as a job gets them: through JSON."""
    return stages.settings_from(grid.settings_text(cell, resolved))


def run(cell: Cell, resolved: Resolved) -> dict:
    """Run one cell; the settings it was given."""
    settings = settings_of(cell, resolved)
    stages.cell(Path(cell.path), settings, gpus=0, threads=1, bar=iter)
    return settings


def run_all(resolved: Resolved) -> list[Cell]:
    prepare(resolved)
    cells = grid.all_cells(resolved)
    for cell in cells:
        run(cell, resolved)
    return cells


def document(resolved: Resolved) -> Path:
    """The study file that the stages `collect` and `analyse` read."""
    from junkdna.study import study_document

    path = Path("results/study.json")
    stages.study(path, json.loads(json.dumps(study_document(resolved))))
    return path
