"""`junkdna partial`: tables, figures and report of the cells that are done; every one of them says what is missing.

They go into a folder of their own, `results/studies/NAME/partial`, and no job of the workflow reads or makes them, so
that they pass for the complete ones nowhere. A run that ends well removes the folder.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.analysis.data_notes import check_data
from junkdna.analysis.gaps import Missing, row_key
from junkdna.cli.table_jobs import write_drops, write_whole
from junkdna.dag.gaps import missing
from junkdna.dag.inputs import figure_files
from junkdna.dag.results import FOLDER, clear
from junkdna.errors import UserError
from junkdna.report.catalog import figure_names, outlines
from junkdna.report.draw import draw_all
from junkdna.report.gaps_banner import banner
from junkdna.report.page import write_report
from junkdna.storage.atomic import locked
from junkdna.storage.tables import write_frame
from junkdna.study.grid import all_cells, reference
from junkdna.study.load import study_document
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    import polars as pl
ATTEMPTS = 3  # at a set of cells that does not change meanwhile
COLUMN = "incomplete"  # first of every table: how much of the study is there


def partial(resolved: Resolved) -> Iterator[str]:
    """Write the tables, figures and report of the complete part; yields what is missing and where they are.

    Cells that are missing, stale, broken or not finished are never joined, nor compared those whose dense cell is not
    done. Where all cells are done, nothing is written. A run may go on meanwhile. Raises UserError where no cell can be
    used.
    """
    study = Path("results/studies") / resolved.study.study
    report = study / "report.html"
    before = _stamp(report)
    joined, compared, wrong = _join(resolved)
    if not wrong:
        clear(study)
        yield f"all {joined.height} cells are done: nothing is missing"
        yield f"the complete tables, figures and report: {resolved.given.snakemake('--cores', 'all')}"
        return
    lacks = missing(resolved, wrong)
    _check_any(resolved, joined, compared, lacks)
    target = study / FOLDER
    with locked(target):
        new = study / f".{FOLDER}.new"
        shutil.rmtree(new, ignore_errors=True)
        skipped = _write(resolved, joined, compared, lacks, new)
        if _stamp(report) != before:
            shutil.rmtree(new)
            raise UserError(f"the study has been completed meanwhile, and nothing partial is kept: see {report}.")
        _put(new, target)
    yield lacks.headline()
    yield from _gap_lines(lacks)
    yield from (f"not drawn: {line}" for line in skipped)
    yield f"figures  {target}/figures/  (PDF, SVG, PNG; each says what is missing)"
    yield f"tables   {target}/tables/drops.csv, drops.parquet, cells.parquet; missing.csv names every missing cell"
    yield f"report   {target}/report.html"


def _join(resolved: Resolved) -> tuple["pl.DataFrame", "pl.DataFrame", dict[str, str]]:
    """Rows of the cells that are done, their drops, and the states of the other cells by path.

    Cell files are read twice, and a run that goes on may replace them between: then all is read again.
    """
    from junkdna.analysis.collect import collect_done
    from junkdna.analysis.drops import drops

    for _ in range(ATTEMPTS):
        before = {cell.path: _stamp(cell.path) for cell in all_cells(resolved)}
        try:
            joined, wrong = collect_done(resolved)
            check_data(resolved)
            compared = drops(resolved, joined, partial=True) if joined.height and wrong else joined
        except UserError:
            if all(_stamp(path) == stamp for path, stamp in before.items() if stamp):
                raise
            continue
        if all(_stamp(path) == stamp for path, stamp in before.items() if path not in wrong):
            return joined, compared, wrong
    raise UserError(
        f"cells of study {resolved.study.study} were replaced {ATTEMPTS} times while they were joined: a run makes "
        "them anew. Run the command again later."
    )


def _check_any(resolved: Resolved, joined: "pl.DataFrame", compared: "pl.DataFrame", lacks: Missing) -> None:
    """UserError where there is no cell, or none with its dense cell."""
    status = resolved.given.junkdna("status")
    if not joined.height:
        reasons = list(_gap_lines(lacks, 3))
        raise UserError(
            "\n  ".join([f"none of the {lacks.total} cells of study {resolved.study.study} is done:", *reasons])
            + f"\nThere is nothing to join. How far the study is: {status}"
        )
    if not compared.height:
        dense = list(dict.fromkeys(reference(gap.cell).path for gap in lacks.gaps))
        raise UserError(
            f"{joined.height} of {lacks.total} cells of study {resolved.study.study} are done, but none whose dense "
            f"cell is done too, so there is nothing to compare. First of the missing dense cells: {dense[0]}. "
            f"How far the study is: {status}"
        )


def _write(
    resolved: Resolved, joined: "pl.DataFrame", compared: "pl.DataFrame", lacks: Missing, folder: Path
) -> list[str]:
    """Write everything into `folder`; returns a line for each figure of the study that is not drawn."""
    tables = folder / "tables"
    write_frame(_marked(joined, lacks), tables / "cells.parquet")
    write_drops(_marked(_with_seeds(compared, lacks), lacks), tables / "drops.parquet")
    write_whole(tables / "missing.csv", _gap_table(lacks).write_csv)
    draw_all(tables / "drops.parquet", folder / "figures", lacks.note)
    study = folder / "study.json"
    document = json.dumps(study_document(resolved), indent=1, sort_keys=True)
    write_whole(study, lambda path: path.write_text(document + "\n"))
    skipped = _skipped(resolved, compared, lacks)
    write_report(
        tables / "drops.parquet", tables / "cells.parquet", folder / "figures", study, folder / "report.html",
        lacks.headline(), banner(lacks, skipped),
    )  # fmt: skip
    return skipped


def _marked(table: "pl.DataFrame", lacks: Missing) -> "pl.DataFrame":
    """The table with a first column that says in every row that the study is incomplete."""
    import polars as pl

    return table.select(pl.lit(lacks.column()).alias(COLUMN), pl.all())


def _with_seeds(compared: "pl.DataFrame", lacks: Missing) -> "pl.DataFrame":
    """Drops with a column `seeds_missing`: how many seeds of the row's cells are not there."""
    import polars as pl

    planned = lacks.seeds()
    names = ("experiment", "model", "task", "knobs", "compression", "transfer", "protocol")
    counts = [planned[row_key(*row)] - n for *row, n in compared.select(*names, "n_seeds").iter_rows()]
    at = compared.columns.index("n_seeds") + 1
    return compared.insert_column(at, pl.Series("seeds_missing", counts, dtype=pl.Int64))


def _gap_table(lacks: Missing) -> "pl.DataFrame":
    import polars as pl

    members = {name: {*cells} for name, cells in lacks.experiments.items()}
    rows = [
        (gap.cell.path, gap.state, " ".join(name for name, cells in members.items() if gap.cell in cells), gap.reason)
        for gap in lacks.gaps
    ]
    return pl.DataFrame(rows, schema=["cell", "state", "experiments", "reason"], orient="row")


def _gap_lines(lacks: Missing, most: int = 10) -> Iterator[str]:
    """One line a reason, with the number of its cells."""
    from junkdna.run.failure_causes import by_cause

    groups = by_cause(lacks.gaps, lambda gap: (gap.state, gap.reason))
    for gaps in groups[:most]:
        more = f" and {len(gaps) - 1} more" if gaps[1:] else ""
        yield f"{gaps[0].state}: {gaps[0].cell.path}{more}: {gaps[0].reason}"
    if groups[most:]:
        yield f"and {sum(map(len, groups[most:]))} more cells for other reasons"


def _skipped(resolved: Resolved, compared: "pl.DataFrame", lacks: Missing) -> list[str]:
    """The figures of the whole study that the complete part does not lead to, each with its reason."""
    drawn = {*figure_names(outlines(compared))}
    wanted = dict.fromkeys(Path(file).stem for file in figure_files(resolved, "."))
    lines = []
    for name in wanted:
        if name not in drawn:
            experiment = name.partition("_")[2]
            used, count = lacks.of(experiment)
            lines.append(f"{name} ({used} of {count} cells of {experiment} can be used, too few for it)")
    return lines


def _put(new: Path, target: Path) -> None:
    """Put a folder in the place of another, which is removed."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _stamp(path: Path | str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
