"""`junkdna findings`: compute the results of a study again from its archive (docs/sharing.md)."""

import json
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.cli.pages import check_places, write_page
from junkdna.storage.atomic_folder import atomic_folder, check_own

if TYPE_CHECKING:
    from junkdna.analysis.archived_answers import Analysis

RECORD, MARK = "findings.json", "findings_of"  # the file of a folder of findings that says so, and its key


def findings(folder: Path, out: Path, pages: Sequence[Path], figures: bool = True) -> Generator[str, None, bool]:
    """Compute tables, figures and report of an archive again in the folder `out`, and fill the blocks of `pages`.

    `out` is written completely or not at all, and replaces earlier findings. A page that does not exist is made from
    the skeleton; its figures are drawn into the archive. Without `figures`, nothing is drawn and no report is written.
    Yields lines on what was written, and on archived tables with other numbers: then no page is changed. Returns
    whether the numbers are those of the archive. Needs no torch and no network. Raises UserError if the archive is
    damaged, if `out` has anything else, or if a block of a page is wrong; then nothing is written.
    """
    from junkdna.analysis.archive_files import read_archive
    from junkdna.analysis.archived_answers import Analysis
    from junkdna.cli.pages import filled, inputs_of

    check_places(folder, out, pages)
    check_own(out, RECORD, MARK, "junkdna findings")
    analysis = Analysis(read_archive(folder))
    with atomic_folder(out.resolve(), replace=True) as new:
        differing = list(_write_tables(analysis, new / "tables"))
        drawn = _write_report(analysis, new) if figures else 0
        inputs = inputs_of(new / "tables", folder)
        texts = {page: filled(inputs, page, folder) for page in pages}
        (new / RECORD).write_text(json.dumps({MARK: str(folder)}, indent=1) + "\n", encoding="utf-8")
    yield from differing
    yield from _written(out, drawn, same=not differing)
    for page, text in texts.items():
        if differing:
            yield f"page     {page} is left as it is, because the numbers are not those of the archive"
        else:
            yield from write_page(page, text, folder, out / "tables", figures)
    return not differing


def _write_tables(analysis: "Analysis", tables: Path) -> Iterator[str]:
    """Write the tables; yield a line for each difference from the archived ones."""
    from junkdna.analysis.table_changes import changes
    from junkdna.cli.table_jobs import write_table
    from junkdna.storage.tables import write_frame

    write_frame(analysis.cells, tables / "cells.parquet")
    for name, table in analysis.tables().items():
        write_table(table, tables / f"{name}.parquet")
        yield from (f"differs  table {name}: {line}" for line in changes(table, analysis.archive.table(name)))


def _write_report(analysis: "Analysis", out: Path) -> int:
    """Write figures and report; return the number of figures."""
    from junkdna.report.archive_banner import banner, notice
    from junkdna.report.archive_target import FIGURES
    from junkdna.report.draw import draw_all
    from junkdna.report.page.write import write_report
    from junkdna.study.results_folder import STUDY

    drawn = draw_all(out / "tables/drops.parquet", out / FIGURES)
    study = analysis.archive.folder / STUDY
    missing, total = analysis.missing, analysis.missing + analysis.cells.height
    write_report(
        out / "tables", study, out / "report.html", notice=notice(missing, total), banner=banner(missing, total)
    )
    return sum(path.suffix == ".png" for path in drawn)


def _written(out: Path, drawn: int, same: bool) -> Iterator[str]:
    yield f"tables   {out}/tables/{'  (the same numbers as in the archive)' if same else ''}"
    if drawn:
        yield f"figures  {out}/figures/  ({drawn} figures as PDF, SVG, PNG)"
        yield f"report   {out}/report.html"


def check(folder: Path, pages: Sequence[Path]) -> Iterator[str]:
    """A line for each block of the pages that is not what the archived tables say, for each figure that is not there,
    and for numbers typed by hand. Writes nothing.

    Raises UserError if the archive is damaged or of another version, or if a block is wrong.
    """
    from junkdna.analysis.archive_files import TABLES, read_archive
    from junkdna.analysis.result_columns import RESULTS
    from junkdna.cli.pages import inputs_of, wrong

    archive = read_archive(folder)
    for name in ("cells", *RESULTS):
        archive.stored(name)  # an error if another version wrote it
    inputs = inputs_of(folder / TABLES, folder)
    for page in pages:
        yield from wrong(page, folder, inputs)
