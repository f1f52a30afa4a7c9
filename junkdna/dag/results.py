"""Paths of the results of a study."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from junkdna.analysis.result_columns import RESULTS
from junkdna.study.study import Resolved

FOLDER = "partial"


def where(resolved: Resolved, start: Path = Path()) -> Iterator[str]:
    """Lines with the paths of the results of a study, below `start`."""
    folder = start / "results/studies" / resolved.study.study
    yield f"figures  {folder}/figures/  (PDF, SVG, PNG; start with headline.png)"
    yield tables_line(folder)
    yield f"report   {folder}/report.html"
    if (folder / FOLDER).is_dir():
        yield f"partial  {folder}/{FOLDER}/  (written while some of the study was missing)"


def tables_line(folder: Path) -> str:
    """The line that names the tables below `folder`: all of them, those without a row too."""
    return f"tables   {folder}/tables/{', '.join(f'{name}.csv' for name in RESULTS)}, cells.parquet"


def clear(study: Path) -> None:
    """Remove the partial results of a study (`results/studies/NAME`), once it is complete."""
    for name in (FOLDER, f".{FOLDER}.new", f".{FOLDER}.old"):
        shutil.rmtree(study / name, ignore_errors=True)
    with suppress(OSError):  # on a read-only disk there is nothing to remove
        (study / f".{FOLDER}.lock").unlink(missing_ok=True)
