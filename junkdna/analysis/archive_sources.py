"""What goes into an archive: finished studies, partial ones, and other archives, all read in the same way."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from junkdna.analysis.archive_files import is_archive, read_archive
from junkdna.analysis.archived_answers import STORED, Analysis, right_of
from junkdna.analysis.bins import read_bins
from junkdna.analysis.cell_answers import Bins
from junkdna.analysis.cell_days import day_of_each
from junkdna.analysis.expected_columns import columns_of, with_columns
from junkdna.analysis.result_columns import PARTIAL
from junkdna.errors import UserError
from junkdna.evaluate.metrics import METRICS
from junkdna.run.cell_file import examples_of, read_cell_file
from junkdna.storage.file_errors import corrupt_file
from junkdna.storage.table_record import record_of
from junkdna.storage.tables import read_frame
from junkdna.study.cell import Cell, parse_cell_path
from junkdna.study.grid import all_cells
from junkdna.study.load import from_document
from junkdna.study.paths import CELLS
from junkdna.study.results_folder import results_folder, stored_study
from junkdna.study.study import Resolved

Array = np.ndarray


@dataclass(frozen=True)
class Answered:
    """The answers of one cell: `questions` as in `QUESTION_SCHEMA` without the set, what the metric takes (n,), which
    examples are right (n,) or None, where it was computed (`Footer` columns of the table of answers), and the SHA-256
    of each file of weights."""

    questions: pl.DataFrame
    given: Array
    right: Array | None
    facts: dict
    weights: dict[str, str]


class ResultsSource:
    """The results of a study: `results/studies/NAME`, its `partial/`, with the cell files of `results/cells`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = _document(stored_study(folder))
        self.resolved = from_document(self.document, str(folder))
        self.cells = _table(folder, "cells")
        self.days = day_of_each(record_of(folder / "tables/cells.parquet"), self.cells["cell"])
        self.stored = {name: _table(folder, name) for name in STORED}
        self.root = _root(folder)

    @cached_property
    def bins(self) -> dict[str, Bins]:
        """The bins of each task with a published difficulty whose file can be used."""
        with contextlib.chdir(self.root):
            return read_bins(self.resolved, partial=True)

    def answered(self, cell: Cell) -> Answered:
        """The answers of a cell. Raises UserError if its file is missing or corrupt."""
        with contextlib.chdir(self.root):
            return _answered(cell, self.resolved, self.bins.get(cell.task), self.days.get(cell.key, ""))


class ArchiveSource:
    """Another archive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        archive = read_archive(folder)
        self.document, self.resolved, self.cells = archive.document, archive.resolved, archive.stored("cells")
        self.stored = {name: archive.stored(name) for name in STORED}
        self.weights = archive.about["weights"]
        self.analysis = Analysis(archive)
        self.bins = self.analysis.bins

    def answered(self, cell: Cell) -> Answered:
        """The answers of a cell."""
        answers = self.analysis.answers
        row = answers.rows[cell.key]
        facts = {name: row[name] for name in ("versions", "device", "engine", "threads", "day")}
        weights = {name: text for name, text in self.weights.items() if name.startswith(f"{cell.model}: ")}
        return Answered(answers.questions(cell).drop("set"), answers.given(cell), answers.right(cell), facts, weights)


Source = ResultsSource | ArchiveSource


def open_source(folder: Path) -> Source:
    """The results or archive in a folder. Raises UserError if it is neither, or if a table is missing or corrupt."""
    folder = results_folder(folder)
    if is_archive(folder):
        return ArchiveSource(folder)
    if not (folder / "tables/cells.parquet").is_file():
        raise UserError(" ".join(_no_source(folder)))
    return ResultsSource(folder)


def _no_source(folder: Path) -> Iterator[str]:
    """Sentences on a folder that is neither results nor an archive."""
    if not folder.is_dir():
        there = "is a file" if folder.exists() else f"does not exist (relative to {str(Path.cwd())!r})"
        yield f"{folder} {there}."
    else:
        yield f"{folder} has no tables/cells.parquet and no archive.json, so it is neither results nor an archive."
    partial = folder / "partial"
    if (partial / "tables").is_dir():
        yield f"The finished cells are in {partial}: name that folder."
    yield "Name results/studies/NAME of a finished study, or run `junkdna partial` first and name its folder partial."


def cells_of(source: Source) -> Iterator[Cell]:
    """The cells of a source. Raises UserError for a cell that its study does not have."""
    known = {cell.key for cell in all_cells(source.resolved)}
    for key in source.cells["cell"]:
        if key not in known:
            raise UserError(
                f"{source.folder}: the table of cells has {key}, which its study does not have: the study was changed "
                "after the tables were written. Run snakemake (or `junkdna partial`) again."
            )
        yield parse_cell_path(key)


def _document(path: Path) -> dict:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise corrupt_file(path, "checked study", error) from None
    if not isinstance(document, dict) or {*document} != {"study", "tasks"}:
        raise UserError(f"{path} is not a study with tasks, so it cannot be archived. Graded logs have no cells: keep "
                        "the logs.")  # fmt: skip
    return document


def _table(folder: Path, name: str) -> pl.DataFrame:
    """A table of results, without the columns of incomplete ones. Raises UserError if it is missing, corrupt or of
    another version."""
    path = folder / f"tables/{name}.parquet"
    table = read_frame(path, f"table of {name}").drop(PARTIAL, strict=False)
    if name == "cells" and "rows_note" not in table.columns:  # of incomplete results of earlier versions
        table = table.with_columns(rows_note=pl.lit(""))
    return with_columns(table, columns_of(name), path)


def _root(folder: Path) -> Path:
    """The folder that contains `results/`. Raises UserError if it has no cell files."""
    roots = [each.parent for each in folder.absolute().parents if each.name == "results"]
    if not roots or not (roots[0] / CELLS).is_dir():
        raise UserError(f"{folder}: there is no {CELLS} beside it. An archive is made where the cell files are: name "
                        "the folder results/studies/NAME of a run.")  # fmt: skip
    return roots[0]


def _answered(cell: Cell, resolved: Resolved, bins: Bins | None, day: str) -> Answered:
    metric_name = resolved.tasks[cell.task].metric
    metric = METRICS[metric_name]
    names = ("id", "cluster", metric.gold_column, metric.column, "correct", "scores")
    table = examples_of(cell, tuple(dict.fromkeys(names)))
    options = pl.lit(None) if table["scores"].null_count() else pl.col("scores").list.len()
    of = bins.of if bins else {}
    questions = table.select(
        "id", "cluster", gold=pl.col(metric.gold_column).cast(pl.Float64), options=options.cast(pl.Int32),
        bin=pl.Series([of.get(key) for key in table["id"]], dtype=pl.String),
    )  # fmt: skip
    given = table[metric.column].cast(pl.Float64).to_numpy()
    facts, weights = _facts(cell)
    return Answered(questions, given, _right(table["correct"]), facts | {"day": day}, weights)


def _right(correct: pl.Series) -> Array | None:
    credit_n = correct.to_numpy()
    return credit_n == 1 if not correct.null_count() and np.isin(credit_n, (0, 1)).all() else None


def _facts(cell: Cell) -> tuple[dict, dict[str, str]]:
    """Where a cell was computed, apart from the day, and the SHA-256 of its weights."""
    _, footer = read_cell_file(Path(cell.path))
    versions = {name: text for name, text in footer.get("versions", {}).items() if name != "torch_build"}
    engine = footer.get("training_engine")
    facts = {
        "versions": ", ".join(f"{name} {text}" for name, text in versions.items()),
        "device": str(footer.get("device", "")),
        "engine": engine.get("engine", "") if isinstance(engine, dict) else "",
        "threads": footer.get("torch_threads"),
    }
    files = footer["model"].get("files", {})
    weights = {f"{cell.model}: {name}": file["sha256"] for name, file in files.items() if name.endswith(WEIGHTS)}
    return facts, weights


WEIGHTS = (".safetensors", ".gguf", ".bin")


def same_right(metric: str, answered: Answered) -> bool:
    """Whether `right` follows from the answers."""
    gold = answered.questions["gold"].to_numpy()
    return answered.right is not None and np.array_equal(right_of(metric, gold, answered.given), answered.right)
