"""Runs a toy study through the stages, in the working folder: what the rules do, in one process."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import scipy  # noqa: F401 (first: a job that runs a cell blocks it for its own process, and the tables need it)

from junkdna.cli import jobs, table_jobs
from junkdna.run.cell_file import read_cell_file
from junkdna.study import compress_settings, grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import Cell, calibration_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.grid import used_examples
from junkdna.study.load import load_study
from junkdna.study.paths import EXAMPLES, MODELS, REPORT
from junkdna.study.study import Resolved

MODEL = Path("results/models/tiny/model.json")


def read_footer(path: Path) -> dict:
    """The provenance in a cell file, with the report on every matrix."""
    data, footer = read_cell_file(path)
    report = pq.read_table(pa.BufferReader(data), columns=[REPORT])[REPORT][0].as_py()
    return footer | {"compression": json.loads(report)}


def read(study: str = "config.yaml") -> Resolved:
    return load_study(Path(study))


def prepare(resolved: Resolved, cells: list[Cell] | None = None) -> None:
    """Models, examples, tokens files, calibration rows and stored compressions of the cells (default: all)."""
    cells = cells or grid.all_cells(resolved)
    for model in dict.fromkeys(cell.model for cell in cells):
        jobs.model(manifest(model), study_settings.model_settings(model, resolved))
    for task, role in used_examples(cells, resolved):
        jobs.examples(examples_file(task, role), study_settings.example_settings(task, role, resolved))
    for cell in cells:
        encode(cell, resolved)
        compress(cell, resolved)


def compress(cell: Cell, resolved: Resolved) -> None:
    """The stored compression that a cell reads and the rows it is calibrated on, where they are not there yet."""
    if cell.compressed_path is None or Path(cell.compressed_path).exists():
        return
    of, rows = (cell.model, cell.compression, cell.seed), None
    if cell.compression.calibrated:
        name = compress_settings.calibration_of(cell.compression)
        rows = Path(calibration_path(cell.model, name, cell.seed))
        settings = compress_settings.calibration_file_settings(cell.model, name, cell.seed, resolved)
        jobs.calibration(rows, settings, manifest(cell.model))
    settings = study_settings.compressed_settings(*of, resolved)
    jobs.compress(Path(cell.compressed_path), settings, manifest(cell.model), rows, gpus=0, threads=1)


def encode(cell: Cell, resolved: Resolved) -> None:
    """The tokens files that a cell reads, where they are not there yet."""
    place = (cell.model, cell.task, cell.token_knobs, cell.protocol)
    shots = examples_file(cell.task, "shots") if dict(cell.knobs).get("shots") else None
    for role in cell.roles:
        path = Path(cell.tokens_path(role))
        if not path.exists():
            settings = study_settings.tokens_file_settings(*place, role, resolved)
            jobs.tokenize(path, settings, manifest(cell.model), examples_file(cell.task, role), shots)


def manifest(model: str) -> Path:
    return Path(f"{MODELS}/{model}/model.json")


def examples_file(task: str, role: str = "evaluate") -> Path:
    return Path(f"{EXAMPLES}/{task}/{role}.parquet")


def settings_of(cell: Cell, resolved: Resolved) -> CellSettings:
    """The cell's settings as a job gets them: through JSON."""
    return CellSettings.read(jobs.settings_from(study_settings.settings_text(cell, resolved)), "--settings")


def run(cell: Cell, resolved: Resolved) -> CellSettings:
    """Run one cell; the settings it was given."""
    settings = settings_of(cell, resolved)
    jobs.cell(Path(cell.path), settings, gpus=0, threads=1, bar=iter)
    return settings


def run_all(resolved: Resolved) -> list[Cell]:
    prepare(resolved)
    cells = grid.all_cells(resolved)
    for cell in cells:
        run(cell, resolved)
    return cells


def document(resolved: Resolved) -> Path:
    """The study file that the stages `collect` and `analyze` read."""
    from junkdna.study.load import study_document

    path = Path("results/study.json")
    table_jobs.study(path, json.loads(json.dumps(study_document(resolved))))
    return path


def join(resolved: Resolved) -> Path:
    """Write the tables of a study whose cells are done; the study's folder."""
    folder = Path("results/studies") / resolved.study.study
    study = document(resolved)
    table_jobs.collect(folder / "tables/cells.parquet", study)
    table_jobs.analyze(folder / "tables", study, folder / "tables/cells.parquet")
    return folder
