"""`junkdna grade`: what compression changed, from logs of a dense and of compressed models. Runs no model."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import chdir
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.cli.table_jobs import write_table
from junkdna.errors import UserError, short_repr, unknown_name
from junkdna.storage.atomic import atomic_write
from junkdna.storage.atomic_folder import atomic_folder, check_own

if TYPE_CHECKING:
    import polars as pl

    from junkdna.grade.answers import Log, Reading, TaskAnswers
    from junkdna.grade.bins import Graded
    from junkdna.grade.names import Source
    from junkdna.study.cell import Compression
    from junkdna.study.methods import Method
    from junkdna.study.study import Resolved

OUT = Path("results/graded")
STUDY = "study.json"
MARK = "graded_logs"  # key of the study's JSON


class Options(NamedTuple):
    """What the command line sets, besides the logs and how to read them.

    `out` is the folder to write (default: `results/graded/` and the name of the dense model). `common` compares only
    the questions that all logs have. `difficulty_order` lists difficulties in words from easy to hard; `bits` maps the
    name of a log to bits per weight.
    """

    out: Path | None = None
    common: bool = False
    difficulty_order: tuple[str, ...] = ()
    bits: Mapping[str, float] = {}
    margin: float = 0.05


class Fitting(NamedTuple):
    """Logs that fit together, dense first, each with its name and compression, the methods of these compressions, and
    what readers should know of the logs."""

    sources: list["Source"]
    runs: list[tuple["Compression", int]]
    methods: list["Method"]
    logs: list["Log"]
    notes: list[str]


def grade(dense: str, compressed: Sequence[str], reading: "Reading", options: Options) -> Iterator[str]:
    """Write tables, figures and report of some logs; yield the table of drops, the verdicts and the paths.

    `dense` and `compressed` are PATH or NAME=PATH (`grade.names`). Raises UserError for logs that cannot be read or
    do not fit together, before anything is written; a folder of results is written completely or not at all.
    """
    from junkdna.grade.names import source
    from junkdna.study.methods import with_methods

    first, *others = (source(word) for word in (dense, *compressed))
    for name in options.bits:
        if name not in (names := [each.name for each in others]):
            raise unknown_name("log", name, names, "--bits")
    target = options.out or OUT / first.name
    check_own(target, STUDY, MARK, "junkdna grade")
    graded = _fitting(first, others, reading, options.common)
    with with_methods(graded.methods):
        lines = _written(graded, options, reading, target)
    yield from lines


def _fitting(first: "Source", others: "list[Source]", reading: "Reading", common: bool) -> Fitting:
    from junkdna.grade.compare import alike
    from junkdna.grade.names import close_names, runs
    from junkdna.grade.read import read_log
    from junkdna.study.cell import Compression

    named = runs(others)
    logs = [read_log(each.path, reading) for each in (first, *others)]
    notes = close_names(named) + [f"{log.path}: {note}" for log in logs for note in log.notes]
    logs, more = alike(logs[0], logs[1:], common)
    told = {f"{task}: {note}": None for log in logs for task, each in log.tasks.items() for note in each.notes}
    given = [(Compression(), 0), *((run.compression, run.seed) for run in named)]
    return Fitting([first, *others], given, [run.method for run in named], logs, [*notes, *more, *told])


def _written(graded: Fitting, options: Options, reading: "Reading", target: Path) -> list[str]:
    """Write everything into a new folder, which then replaces `target`; return the lines of the result."""
    from junkdna.grade.study import task_name

    bins, notes = _bins(graded, reading, options)
    notes = [*graded.notes, *notes]
    with atomic_folder(target.resolve(), replace=True) as new, chdir(new):
        tables, unknown = _write(graded, bins, notes, options)  # the analysis reads cells below the working directory
    metrics = {task_name(task): each.metric for task, each in graded.logs[0].tasks.items()}
    names = {run.tag: each.name for each, (run, _) in zip(graded.sources, graded.runs, strict=True)}
    return [
        *_lines(tables, metrics, names, notes, unknown),
        f"tables   {target}/tables/  (CSV and Parquet)",
        f"figures  {target}/figures/",
        f"report   {target}/report.html",
    ]


def _bins(graded: Fitting, reading: "Reading", options: Options) -> tuple[dict[str, "Graded"], list[str]]:
    """Task -> its bins, by the names of the tasks in tables, and notes on questions that are in none."""
    from junkdna.grade.bins import graded_bins
    from junkdna.grade.study import task_name

    dense = graded.logs[0].tasks
    column = reading.difficulty or "difficulty"
    for option in ("difficulty", "cluster"):
        name = getattr(reading, option)
        if name and all(getattr(a, option) is None for each in dense.values() for a in each.answers.values()):
            fields = dict.fromkeys(name for each in dense.values() for name in each.fields)
            raise unknown_name("field of a question", name, fields, f"{graded.logs[0].path}: --{option}")
    _check_order(dense.values(), options.difficulty_order)
    found = {task_name(task): graded_bins(each, column, options.difficulty_order) for task, each in dense.items()}
    bins = {task: each for task, each in found.items() if each is not None}
    return bins, [note for each in bins.values() for note in each.notes]


def _check_order(dense: Iterable["TaskAnswers"], order: Sequence[str]) -> None:
    """Raises UserError if an order of difficulties orders no question, or names one of them twice."""
    if twice := [word for word in order if order.count(word) > 1]:
        raise UserError(f"--difficulty-order: {short_repr(twice[0])} is there twice. Name each difficulty once.")
    values = {answer.difficulty for each in dense for answer in each.answers.values()} - {None}
    if order and not values:
        raise UserError("--difficulty-order: no question has a difficulty. Name its field: --difficulty FIELD.")
    if order and not values & {*order}:
        raise unknown_name("difficulty", order[0], values, "--difficulty-order")


def _write(
    graded: Fitting, bins: dict[str, "Graded"], notes: list[str], options: Options
) -> tuple[dict[str, "pl.DataFrame"], list[str]]:
    """Write all files into the working directory; return the tables, and what the logs cannot say."""
    from junkdna.grade.study import graded_study, task_name
    from junkdna.grade.tables import cells_table, graded_tables, unknown, without_unknown
    from junkdna.storage.tables import write_frame

    model, dense = graded.sources[0].name, graded.logs[0].tasks
    resolved = graded_study(model, dense, bins, graded.runs, options.margin)
    rows = _cell_rows(graded, options)
    told = {task_name(task): "; ".join(each.notes) for task, each in dense.items()}
    cells = cells_table(rows, told)
    counts = {
        task_name(task): {key: answer.options for key, answer in each.answers.items()}
        for task, each in dense.items()
        if each.picks
    }
    tables = graded_tables(resolved, cells, bins, counts)
    write_frame(without_unknown(cells), Path("tables/cells.parquet"))
    for name, table in tables.items():
        write_table(table, Path(f"tables/{name}.parquet"))
    lacking = list(unknown(tables["drops"]))
    _write_study(resolved, graded, notes, lacking)
    _write_page(notes, lacking)
    return tables, lacking


def _cell_rows(graded: Fitting, options: Options) -> list[dict]:
    from junkdna.grade.cells import label_codes, write_answers
    from junkdna.grade.study import cell_of

    model, rows = graded.sources[0].name, []
    for task in graded.logs[0].tasks:
        having = [log.tasks[task] for log in graded.logs if task in log.tasks]
        codes = label_codes(having)
        for each, (compression, seed), log in zip(graded.sources, graded.runs, graded.logs, strict=True):
            if task in log.tasks:
                cell = cell_of(model, task, compression, seed)
                rows.append(write_answers(cell, log.tasks[task], codes, options.bits.get(each.name)))
    return rows


def _write_study(resolved: "Resolved", graded: Fitting, notes: list[str], lacking: list[str]) -> None:
    """The JSON that the report shows: the logs with their facts, and the settings of the analysis."""
    study = resolved.study
    logs = [
        {"name": each.name, "compression": run.tag, "seed": seed, "path": str(each.path), **log.facts}
        for each, (run, seed), log in zip(graded.sources, graded.runs, graded.logs, strict=True)
    ]
    tasks = {
        name: {"metric": each.metric, "version": each.version, "shots": each.shots, "questions": len(each.answers)}
        for name, each in graded.logs[0].tasks.items()
    }
    document = {
        "study": {"study": study.study, "claims": study.claims.model_dump(), "bootstrap": study.bootstrap},
        MARK: logs, "tasks": tasks, "notes": notes, "unknown": lacking,
    }  # fmt: skip
    with atomic_write(Path(STUDY)) as temporary:
        temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_page(notes: list[str], lacking: list[str]) -> None:
    from junkdna.report.draw import draw_all
    from junkdna.report.page.write import write_report

    draw_all(Path("tables/drops.parquet"), Path("figures"))
    items = "".join(f"<li>{escape(line)}</li>" for line in notes)
    unknown = "".join(f"<li>{escape(line)}</li>" for line in lacking)
    banner = (
        '<section id="logs"><h2>Graded from logs</h2><p>No model was run. These answers come from the logs under '
        f"Provenance.</p>{f'<ul>{items}</ul>' if items else ''}<p>The logs do not say:</p><ul>{unknown}</ul></section>"
    )
    write_report(Path("tables"), Path(STUDY), Path("report.html"), banner=banner)


def _lines(
    tables: Mapping[str, "pl.DataFrame"], metrics: Mapping[str, str], names: Mapping[str, str], notes: list[str],
    lacking: list[str],
) -> Iterator[str]:  # fmt: skip
    from junkdna.cli.grade_summary import COLUMNS, table_rows, verdicts
    from junkdna.cli.tables import aligned

    yield from aligned(COLUMNS, table_rows(tables, metrics, names))
    yield ""
    yield from verdicts(tables["claims"])
    yield from (f"note: {line}" for line in notes)
    yield from (f"unknown: {line}" for line in lacking)
    yield ""
