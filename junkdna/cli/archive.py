"""`junkdna archive` and `junkdna findings`: share the results of a study, and compute them again from the archive."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError, cut

if TYPE_CHECKING:
    import polars as pl

    from junkdna.analysis.archived_answers import Analysis
    from junkdna.report.page.inputs import Inputs

FIGURES = "figures"  # folder of an archive with the figures that pages show
CLOSE = 1e-9  # relative: how far numbers of another processor may be from the archived ones


def archive(folders: Sequence[Path], target: Path) -> Iterator[str]:
    """Write the results or archives in `folders`, pieces of one study, as one archive; yield lines on what it has.

    Raises UserError if a folder has no results, if they are of different studies, or if `target` is not free.
    """
    from junkdna.analysis.archive_sources import open_source
    from junkdna.report.archive import write_archive
    from junkdna.report.page.provenance import software
    from junkdna.storage.atomic_folder import check_free

    check_free(target, "--out")
    written = write_archive([open_source(folder) for folder in folders], target, software())
    yield f"archived {written.cells:,} of {written.cells + written.missing:,} cells of the study in {target}"
    if written.shared:
        yield (
            f"{written.shared:,} cells are in several folders, {written.different:,} of them with other answers: those "
            "of the first folder are kept"
        )
    for name, size in written.sizes.items():
        yield f"  {size / 1000:9,.1f} kB  {name}"
    yield f"  {sum(written.sizes.values()) / 1000:9,.1f} kB  together"
    yield f"to compute it again: junkdna findings {target}"


def findings(folder: Path, out: Path, pages: Sequence[Path], figures: bool = True) -> Iterator[str]:
    """Compute tables, figures and report of an archive again in the folder `out`, and fill the blocks of `pages`.

    A page that does not exist is made from the skeleton. Without `figures`, nothing is drawn and no report is written.
    Yields lines on what was written, and each archived table that has other numbers. Needs no torch and no network.
    Raises UserError if the archive is damaged or a block of a page is wrong; then no page is changed.
    """
    from junkdna.analysis.archive_files import read_archive
    from junkdna.analysis.archived_answers import Analysis

    if out.resolve() == folder.resolve():
        raise UserError(f"--out {out} is the archive itself, whose tables would be replaced. Name another folder.")
    analysis = Analysis(read_archive(folder))
    yield from _write_tables(analysis, out / "tables")
    if figures:
        yield from _write_report(analysis, out)
    inputs = _inputs(out / "tables", folder)
    texts = {page: _filled(inputs, page, folder) for page in pages}
    for page, text in texts.items():
        yield from _write_page(page, text, folder, inputs)


def check(folder: Path, pages: Sequence[Path]) -> Iterator[str]:
    """A line for each block of the pages that is not what the archived tables say. Writes nothing."""
    from junkdna.analysis.archive_files import TABLES, read_archive
    from junkdna.report.findings.blocks import text_of
    from junkdna.report.findings.markers import differing, typed_numbers

    read_archive(folder)
    inputs = _inputs(folder / TABLES, folder)
    for page in pages:
        text = _read(page)
        for words, given, made in differing(text, text_of(inputs, page, folder / FIGURES)):
            yield f"{page}: block {words!r} has {_first(given, made)}, but the study says {_first(made, given)}"
        for typed in typed_numbers(text) if page.name == "findings.md" else ():
            yield f"{page}: {typed} is typed by hand: write it as a block, such as <!-- findings: value ... -->"


def _first(text: str, other: str) -> str:
    """The first line of a text that the other one does not have."""
    from junkdna.report.findings.markers import same

    lines = other.splitlines()
    own = (line for at, line in enumerate(text.splitlines()) if at >= len(lines) or not same(line, lines[at]))
    return repr(cut(next(own, ""), 300))


def _inputs(tables: Path, folder: Path) -> "Inputs":
    from junkdna.report.page.inputs import read_inputs
    from junkdna.study.results_folder import STUDY

    return read_inputs(tables, folder / STUDY)


def _write_tables(analysis: "Analysis", tables: Path) -> Iterator[str]:
    from junkdna.cli.table_jobs import write_table
    from junkdna.storage.tables import write_frame

    write_frame(analysis.cells, tables / "cells.parquet")
    same = True
    for name, table in analysis.tables().items():
        write_table(table, tables / f"{name}.parquet")
        for line in _changes(table, analysis.archive.table(name), name):
            same = False
            yield line
    yield f"tables   {tables}/{'  (the same numbers as in the archive)' if same else ''}"


def _changes(made: "pl.DataFrame", archived: "pl.DataFrame", name: str) -> Iterator[str]:
    """The columns of a table whose values are not those of the archive, apart from the last bits."""
    from polars.testing import assert_series_equal

    if made.columns != archived.columns or made.height != archived.height:
        yield f"differs  table {name}: other rows or columns than in the archive; was it written by another version?"
        return
    for column in made.columns:
        try:
            assert_series_equal(made[column], archived[column], rel_tol=CLOSE, abs_tol=CLOSE)
        except AssertionError:
            yield f"differs  table {name}, column {column}: other numbers than in the archive"


def _write_report(analysis: "Analysis", out: Path) -> Iterator[str]:
    from junkdna.report.archive_banner import banner, notice
    from junkdna.report.draw import draw_all
    from junkdna.report.page.write import write_report
    from junkdna.study.results_folder import STUDY

    shutil.rmtree(out / FIGURES, ignore_errors=True)
    drawn = draw_all(out / "tables/drops.parquet", out / FIGURES)
    yield f"figures  {out / FIGURES}/  ({sum(path.suffix == '.png' for path in drawn)} figures as PDF, SVG, PNG)"
    study = analysis.archive.folder / STUDY
    missing, total = analysis.missing, analysis.missing + analysis.cells.height
    write_report(
        out / "tables", study, out / "report.html", notice=notice(missing, total), banner=banner(missing, total)
    )
    yield f"report   {out}/report.html"


def _filled(inputs: "Inputs", page: Path, folder: Path) -> str:
    from junkdna.report.findings.blocks import text_of
    from junkdna.report.findings.markers import filled

    text = _read(page) if page.exists() else _skeleton()
    return filled(text, text_of(inputs, page, folder / FIGURES))


def _write_page(page: Path, text: str, folder: Path, inputs: "Inputs") -> Iterator[str]:
    from junkdna.report.draw import drawing, render
    from junkdna.report.findings.blocks import shown_figures
    from junkdna.report.plotting.layout import save_as
    from junkdna.storage.atomic import atomic_write

    for name in shown_figures(text):
        save_as(render(drawing(inputs.tables, name)), folder / FIGURES / f"{name}.png")
    with atomic_write(page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    yield f"page     {page}"


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"--page {page} cannot be read: {error}.") from None


def _skeleton() -> str:
    import junkdna.report.findings as package

    return (Path(package.__file__).parent / "skeleton.md").read_text(encoding="utf-8")
