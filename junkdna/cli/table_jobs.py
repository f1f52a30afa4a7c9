"""The jobs that join the cells of a study: its checked copy, the table of cells, the table of drops."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write

if TYPE_CHECKING:
    import polars as pl

    from junkdna.study.study import Resolved


def study(output: Path, settings: dict) -> None:
    """Keep the checked study beside its results."""
    text = json.dumps(settings, indent=1, sort_keys=True)
    write_whole(output, lambda path: path.write_text(text + "\n"))


def read_study(path: Path) -> "Resolved":
    """The study that the `study` stage wrote."""
    from junkdna.storage.file_errors import corrupt_file
    from junkdna.study.load import from_document

    try:
        return from_document(json.loads(path.read_text(encoding="utf-8")), str(path))
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise corrupt_file(path, "checked study", error) from None


def collect(output: Path, study_file: Path) -> None:
    """Join all cells of a study. The column `rows_note` says what was left out of each task's rows, and warnings."""
    import polars as pl

    from junkdna.analysis.collect import collect as join
    from junkdna.analysis.data_notes import check_data
    from junkdna.storage.tables import write_frame

    resolved = read_study(study_file)
    notes = check_data(resolved)  # first: data that changed are why cells are stale
    note = pl.col("task").replace_strict(notes, default="", return_dtype=pl.String)
    write_frame(join(resolved).with_columns(rows_note=note), output)


def analyze(output: Path, study_file: Path, cells: Path) -> None:
    """Drops and intervals, as Parquet and, beside it, as CSV."""
    from junkdna.analysis.drops import drops
    from junkdna.storage.tables import read_frame

    write_drops(drops(read_study(study_file), read_frame(cells, "table of cells")), output)


def write_drops(table: "pl.DataFrame", output: Path) -> None:
    """Write a table of drops as Parquet and, beside it, as CSV, in which the scores of the seeds are one text."""
    import polars as pl

    from junkdna.storage.tables import write_frame

    seeds = pl.col("score_seeds").list.eval(pl.element().round(6).cast(pl.String)).list.join(" ")
    write_whole(output.with_suffix(".csv"), table.with_columns(seeds).write_csv)
    write_frame(table, output)


def write_whole(destination: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path in the destination's folder, then rename it to the destination."""
    with atomic_write(destination) as temporary:
        write(temporary)
