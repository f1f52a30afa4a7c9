"""The jobs that join the cells of a study: checked study, table of cells, table of drops, figures, report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write

if TYPE_CHECKING:
    import polars as pl

    from junkdna.study.study import Resolved


def study(output: Path, settings: dict) -> None:
    """Store the checked study with its results."""
    with atomic_write(output) as temporary:
        temporary.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")


def read_study(path: Path) -> "Resolved":
    """The study that the job `study` stored. Raises UserError if the file is missing or corrupt."""
    from junkdna.storage.file_errors import corrupt_file
    from junkdna.study.load import from_document

    try:
        return from_document(json.loads(path.read_text(encoding="utf-8")), str(path))
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise corrupt_file(path, "checked study", error) from None


def collect(output: Path, study_file: Path) -> None:
    """Join all cells of a study. The column `rows_note` describes the raw rows left out of each task, and warnings."""
    from junkdna.analysis.collect import collect as join
    from junkdna.analysis.data_notes import check_data

    resolved = read_study(study_file)
    notes = check_data(resolved)  # first, because changed data explain stale cells
    write_cells(with_notes(join(resolved), notes), output, study_file)


def with_notes(cells: "pl.DataFrame", notes: Mapping[str, str]) -> "pl.DataFrame":
    """The table of cells with the column `rows_note`, from the notes on the rows of each task."""
    import polars as pl

    return cells.with_columns(rows_note=pl.col("task").replace_strict(notes, default="", return_dtype=pl.String))


def write_cells(cells: "pl.DataFrame", output: Path, study_file: Path) -> None:
    """Write the table of cells, with a record of the study and of the days on which the cells were computed."""
    from junkdna.analysis.cell_days import days_of_files
    from junkdna.storage.table_record import study_record, write_recorded

    write_recorded(cells, output, {**study_record(study_file), "days": days_of_files(cells["cell"])})


def analyze(output: Path, study_file: Path, cells: Path) -> None:
    """Write the tables of `analysis.study_tables` into the folder `output`, each as Parquet and as CSV.

    The Parquet files record the study that they were made from.
    """
    from junkdna.analysis.study_tables import study_tables
    from junkdna.storage.table_record import study_record
    from junkdna.storage.tables import read_frame

    tables, record = study_tables(read_study(study_file), read_frame(cells, "table of cells")), study_record(study_file)
    for name, table in tables.items():
        write_table(table, output / f"{name}.parquet", record)


def write_table(table: "pl.DataFrame", output: Path, record: dict | None = None) -> None:
    """Write a table as Parquet and as CSV; the CSV has a list of numbers as one text, separated by spaces.

    The name of the file is that of the table. `record` says what it was made from (`storage.table_record`). Raises
    AssertionError if the table does not follow its schema.
    """
    import polars as pl
    import polars.selectors as cs

    from junkdna.analysis.result_columns import check_columns
    from junkdna.storage.table_record import write_recorded

    check_columns(output.stem, table)
    numbers = cs.by_dtype(pl.List(pl.Float64)).list.eval(pl.element().round(6).cast(pl.String)).list.join(" ")
    with atomic_write(output.with_suffix(".csv")) as temporary:
        table.with_columns(numbers).write_csv(temporary)
    write_recorded(table, output, record or {})


def figures(output: Path, drops: Path, threads: int = 1) -> None:
    """Draw every figure into the folder `output`, `threads` at a time, each in a process of its own."""
    from junkdna.report.draw import draw_all

    draw_all(drops, output, processes=threads)


def report(output: Path, study_file: Path, tables: Path, texts: bool = False, captions: Path | None = None) -> None:
    """Write the report page and the captions for Snakemake's own report, and remove the partial results that they
    replace."""
    from junkdna.dag.results import clear
    from junkdna.report.page.write import write_report

    write_report(tables, study_file, output, texts=texts, captions=captions)
    clear(output.parent)
