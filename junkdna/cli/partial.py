"""`junkdna partial`: tables, figures and report of the finished cells and lines; each of them names the missing ones.

They are written to `results/studies/NAME/partial`, which no job of the workflow reads or writes, so they cannot be
mistaken for complete results. A successful run removes the folder.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.analysis.data_notes import check_data
from junkdna.analysis.gaps import NO_RATING, Missing, Unrated, row_key
from junkdna.cli.table_jobs import study as store_study
from junkdna.cli.table_jobs import with_notes, write_cells, write_table
from junkdna.dag.gaps import missing
from junkdna.dag.inputs import figure_files
from junkdna.dag.line_gaps import unusable_lines
from junkdna.dag.results import FOLDER, clear, tables_line
from junkdna.dag.state import stamp_of
from junkdna.errors import UserError
from junkdna.report.catalog import figure_names, outlines
from junkdna.report.draw import OTHERS, draw_all
from junkdna.report.gaps_banner import banner
from junkdna.report.page.write import write_report
from junkdna.storage.atomic import atomic_write, locked
from junkdna.storage.table_record import study_record
from junkdna.study.connections import Connection, all_connections
from junkdna.study.grid import all_cells, rating_files, reference
from junkdna.study.load import study_document
from junkdna.study.results_folder import STUDY
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    import polars as pl


class Joined(NamedTuple):
    """Rows of the finished cells, their tables (`study_tables`), the states of the other cells by path, the tasks whose
    file of difficulties cannot be used, and the states of the lines whose file cannot be used. There are no tables if
    no cell is finished or nothing is missing."""

    cells: "pl.DataFrame"
    tables: dict[str, "pl.DataFrame"]
    unusable: dict[str, str]
    unrated: list[Unrated]
    lines: dict[Connection, str]


ATTEMPTS = 3  # to read all cells without one changing meanwhile
COLUMN = "incomplete"  # first column of every table: how much of the study is used


def partial(resolved: Resolved) -> Iterator[str]:
    """Write the tables, figures and report of the finished cells; yield the missing cells and the paths.

    Joins only finished cells, and compares only those whose dense cell is finished. A published difficulty and a line
    between cells whose file cannot be used are left out. Writes nothing if nothing is missing. A run may be active at
    the same time. Raises UserError if no cell can be used.
    """
    study = Path("results/studies") / resolved.study.study
    report = study / "report.html"
    before = stamp_of(report)
    joined, tables, unusable, unrated, lines = _join(resolved)
    if not unusable and not unrated and not lines:
        clear(study)
        scored = f" and {count} lines" if (count := len(all_connections(resolved))) else ""
        yield f"all {joined.height} cells{scored} are done; nothing is missing"
        yield f"for the complete tables, figures and report, run: {resolved.commands.snakemake('--cores', 'all')}"
        return
    gaps = missing(resolved, unusable, unrated, lines)
    _check_any(resolved, joined, tables.get("drops", joined), gaps)
    target = study / FOLDER
    with locked(target):
        new = study / f".{FOLDER}.new"
        shutil.rmtree(new, ignore_errors=True)
        skipped = _write(resolved, joined, tables, gaps, new)
        if stamp_of(report) != before:
            shutil.rmtree(new)
            raise UserError(f"the study was completed meanwhile, so no partial results were written; see {report}.")
        _replace(new, target)
    yield gaps.headline()
    yield from _gap_lines(gaps)
    yield from _line_gap_lines(gaps)
    yield from (f"{NO_RATING}: {each.reason}" for each in gaps.unrated)
    yield from (f"not drawn: {line}" for line in skipped)
    yield f"figures  {target}/figures/  (PDF, SVG, PNG; each names the missing cells)"
    yield tables_line(target)
    yield f"missing  {target}/tables/missing.csv lists every missing cell, line and difficulty"
    yield f"report   {target}/report.html"


def _join(resolved: Resolved) -> Joined:
    """Join the finished cells. Files of cells, difficulties and lines are read twice; if an active run replaces one in
    between, all are read again."""
    from junkdna.analysis.bins import unusable_ratings
    from junkdna.analysis.collect import collect_done
    from junkdna.analysis.study_tables import study_tables

    files = [*(cell.path for cell in all_cells(resolved)), *map(str, rating_files(resolved).values())]
    files += [each.path for each in all_connections(resolved)]
    for _ in range(ATTEMPTS):
        before = {path: stamp_of(path) for path in files}
        try:
            joined, unusable = collect_done(resolved)
            unrated, lines = unusable_ratings(resolved), unusable_lines(resolved)
            notes = check_data(resolved, [each.task for each in unrated])
            joined = with_notes(joined, notes) if joined.height else joined
            some = joined.height and (unusable or unrated or lines)
            compared = study_tables(resolved, joined, partial=True) if some else {}
        except UserError:
            if all(stamp_of(path) == stamp for path, stamp in before.items() if stamp):
                raise
            continue
        if all(stamp_of(path) == stamp for path, stamp in before.items() if path not in unusable):
            return Joined(joined, compared, unusable, unrated, lines)
    raise UserError(
        f"an active run replaced cells of study {resolved.study.study} during {ATTEMPTS} attempts to join them. "
        "Run the command again later."
    )


def _check_any(resolved: Resolved, joined: "pl.DataFrame", drops: "pl.DataFrame", gaps: Missing) -> None:
    """UserError if no cell is finished, or none together with its dense cell."""
    status = resolved.commands.junkdna("status")
    if not joined.height:
        reasons = list(_gap_lines(gaps, 3))
        raise UserError(
            "\n  ".join([f"none of the {gaps.total} cells of study {resolved.study.study} is done:", *reasons])
            + f"\nThere is nothing to join. For the progress of the study, run: {status}"
        )
    if not drops.height:
        dense = list(dict.fromkeys(reference(gap.cell).path for gap in gaps.gaps))
        raise UserError(
            f"{joined.height} of {gaps.total} cells of study {resolved.study.study} are done, but none of them has a "
            f"finished dense cell to compare with. The first missing dense cell is {dense[0]}. "
            f"For the progress of the study, run: {status}"
        )


def _write(
    resolved: Resolved, joined: "pl.DataFrame", made: dict[str, "pl.DataFrame"], gaps: Missing, folder: Path
) -> list[str]:
    """Write everything into `folder`; return one line per figure of the study that is not drawn."""
    tables, study_file = folder / "tables", folder / STUDY
    store_study(study_file, study_document(resolved))
    record = study_record(study_file)
    write_cells(_marked(joined, gaps), tables / "cells.parquet", study_file)
    for name, table in made.items():
        marked = _marked(_with_seeds(table, gaps) if name == "drops" else table, gaps)
        write_table(marked, tables / f"{name}.parquet", record)
    with atomic_write(tables / "missing.csv") as temporary:
        _gap_table(gaps).write_csv(temporary)
    draw_all(tables / "drops.parquet", folder / "figures", gaps.note)
    skipped = _skipped(resolved, made, gaps)
    write_report(
        tables, study_file, folder / "report.html",
        texts=resolved.study.report.texts, notice=gaps.headline(), banner=banner(gaps, skipped),
    )  # fmt: skip
    return skipped


def _marked(table: "pl.DataFrame", gaps: Missing) -> "pl.DataFrame":
    """The table with a first column that marks every row as part of an incomplete study."""
    import polars as pl

    return table.select(pl.lit(gaps.column()).alias(COLUMN), pl.all())


def _with_seeds(drops: "pl.DataFrame", gaps: Missing) -> "pl.DataFrame":
    """Drops with a column `seeds_missing`: the number of missing seeds of each row."""
    import polars as pl

    planned = gaps.seeds()
    names = ("experiment", "model", "task", "knobs", "compression", "transfer", "protocol")
    counts = [planned[row_key(*row)] - n for *row, n in drops.select(*names, "n_seeds").iter_rows()]
    position = drops.columns.index("n_seeds") + 1
    return drops.insert_column(position, pl.Series("seeds_missing", counts, dtype=pl.Int64))


def _gap_table(gaps: Missing) -> "pl.DataFrame":
    import polars as pl

    members = {name: {*cells} for name, cells in gaps.experiments.items()}
    rows = [
        (gap.cell.path, gap.state, " ".join(name for name, cells in members.items() if gap.cell in cells), gap.reason)
        for gap in gaps.gaps
    ]
    for gap in gaps.lines:
        names = [name for name, some in gaps.connections.items() if gap.connection in some]
        rows.append((gap.connection.path, gap.state, " ".join(names), gap.reason))
    tasks = {name: {cell.task for cell in cells} for name, cells in members.items()}
    rows += [
        (each.path, NO_RATING, " ".join(name for name in tasks if each.task in tasks[name]), each.reason)
        for each in gaps.unrated
    ]
    return pl.DataFrame(rows, schema=["cell", "state", "experiments", "reason"], orient="row")


def _gap_lines(gaps: Missing, most: int = 10) -> Iterator[str]:
    """One line per reason, with the number of its cells."""
    from junkdna.run.failure_causes import by_cause

    groups = by_cause(gaps.gaps, lambda gap: (gap.state, gap.reason))
    for group in groups[:most]:
        more = f" and {len(group) - 1} more" if group[1:] else ""
        yield f"{group[0].state}: {group[0].cell.path}{more}: {group[0].reason}"
    if groups[most:]:
        yield f"and {sum(map(len, groups[most:]))} more cells for other reasons"


def _line_gap_lines(gaps: Missing) -> Iterator[str]:
    """One line per reason, with the number of its lines between cells."""
    from junkdna.run.failure_causes import by_cause

    for group in by_cause(gaps.lines, lambda gap: (gap.state, gap.reason)):
        more = f" and {len(group) - 1} more" if group[1:] else ""
        yield f"{group[0].state}: {group[0].connection.path}{more}: {group[0].reason}"


def _skipped(resolved: Resolved, made: dict[str, "pl.DataFrame"], gaps: Missing) -> list[str]:
    """One line for each figure of the study that needs more cells, with the number of its cells."""
    drawn = {*figure_names(outlines(made["drops"], *(set(made[name]["experiment"]) for name in OTHERS)))}
    lines = []
    for name in dict.fromkeys(Path(file).stem for file in figure_files(resolved, ".")):
        if name not in drawn:
            experiment = name.partition("_")[2]
            is_of_lines = name.startswith("connectivity_")
            used, count = gaps.of_lines(experiment) if is_of_lines else gaps.of(experiment)
            what = "lines" if is_of_lines else "cells"
            lines.append(f"{name} (only {used} of {count} {what} of {experiment} can be used)")
    return lines


def _replace(new: Path, target: Path) -> None:
    """Rename a folder to `target`, and remove the folder that had this name."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
