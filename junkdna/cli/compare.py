"""`junkdna compare`: what differs between two studies, or two parts of one. Runs no model."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.cli.tables import aligned, interval
from junkdna.storage.atomic_folder import atomic_folder, check_own

if TYPE_CHECKING:
    import polars as pl

    from junkdna.compare.tables import Comparison

OUT = Path("results/compare")
RECORD = "comparison.json"
MARK = "compared"  # key of the record
COLUMNS = ("condition", "compression", "drop in A", "drop in B", "B - A (95 %)", "interval")
SHOWN = 8  # rows in the terminal


class Options(NamedTuple):
    """What the command line sets, besides the two folders.

    `out` is the folder to write (default: `results/compare/A-vs-B`, the names of the studies). `ignore` are the parts
    of keys that need not be the same. `a` and `b` choose cells of each study, by parts of their keys. `unpaired` also
    compares cells with other examples, as independent samples.
    """

    out: Path | None = None
    ignore: tuple[str, ...] = ()
    a: Mapping[str, str] = {}
    b: Mapping[str, str] = {}
    unpaired: bool = False


def compare(one: Path, two: Path, options: Options) -> Iterator[str]:
    """Write page, figures and tables of a comparison; yield a summary.

    Raises UserError for folders without results and if nothing matches, before anything is written. The folder of
    results is written completely or not at all.
    """
    from junkdna.compare.keys import matching
    from junkdna.compare.side import known_methods, read_side
    from junkdna.compare.tables import compared

    a, b = read_side("A", one, options.a), read_side("B", two, options.b)
    target = options.out or OUT / f"{a.file_name}-vs-{b.file_name}"
    check_own(target, RECORD, MARK, "junkdna compare")
    with known_methods(a, b):
        matched = matching(a.chosen, b.chosen, options.ignore)
        found = compared(a, b, matched, options.unpaired)
        with atomic_folder(target.resolve(), replace=True) as new:
            _write(found, new, command(one, two, options))
        lines = list(_lines(found, target))
    yield from lines


def command(one: Path, two: Path, options: Options) -> str:
    """The command that makes the comparison again."""
    words = ["junkdna", "compare", str(one), str(two)]
    words += ["--out", str(options.out)] if options.out else []
    words += ["--ignore", *options.ignore] if options.ignore else []
    for name, values in (("--a", options.a), ("--b", options.b)):
        words += [name, *(f"{key}={value}" for key, value in values.items())] if values else []
    return shlex.join([*words, *(["--unpaired"] if options.unpaired else [])])


def _write(found: "Comparison", folder: Path, made_by: str) -> None:
    """Write all files into a folder."""
    from junkdna.compare.page import drawings, page_html
    from junkdna.report.draw import render, write_marks
    from junkdna.report.plotting import layout

    (folder / "tables").mkdir()
    (folder / "figures").mkdir()
    for name, table in found.tables.items():
        _write_table(table, folder / f"tables/{name}.parquet")
    drawn = drawings(found)
    for name, drawing in drawn.items():
        layout.save(render(drawing), folder / f"figures/{name}")
        write_marks(drawing, folder / f"figures/{name}")
    files = [f"tables/{name}.{kind}" for name in found.tables for kind in ("csv", "parquet")]
    (folder / "report.html").write_text(page_html(found, drawn, made_by, files), encoding="utf-8")
    record = {MARK: [str(side.folder) for side in found.sides], "ignored": found.matching.ignored, "command": made_by}
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _write_table(table: "pl.DataFrame", path: Path) -> None:
    from junkdna.storage.tables import write_frame

    table.write_csv(path.with_suffix(".csv"))
    write_frame(table, path)


def _lines(found: "Comparison", target: Path) -> Iterator[str]:
    """The summary for a terminal."""
    from junkdna.compare import page_text
    from junkdna.compare.words import pair_label

    for side in found.sides:
        yield f"{pair_label(side)}  ({side.folder}, {len(side.facts):,} cells)"
    yield f"matched by {page_text.matched_by(found)}"
    yield ""
    yield from aligned(COLUMNS, _rows(found))
    yield ""
    for sentence in (page_text.answer(found), page_text.tests(found), page_text.left_out(found), page_text.code(found)):
        yield _plain(sentence)
    yield from (f"note: {_plain(sentence)}" for sentence in page_text.trust(found))
    yield ""
    yield f"report   {target}/report.html"
    yield f"tables   {target}/tables/  (CSV and Parquet)"
    yield f"figures  {target}/figures/"


def _rows(found: "Comparison") -> Iterator[tuple[str, ...]]:
    """The pairs with the largest differences of the drop."""
    from junkdna.compare.words import compressions, place

    several = found.compressed["protocol_a"].n_unique() > 1
    rows = sorted(found.compressed.iter_rows(named=True), key=lambda row: -abs(row["drop_difference"]))
    for row in rows[:SHOWN]:
        limits = (row[f"drop_difference{end}"] for end in ("", "_low", "_high"))
        yield (
            place(row, several), compressions(row), f"{row['drop_a']:.3f}", f"{row['drop_b']:.3f}", interval(*limits),
            row["interval"],
        )  # fmt: skip
    if len(rows) > SHOWN:
        yield (f"... and {len(rows) - SHOWN} more", "", "", "", "", "")


def _plain(sentence: str) -> str:
    return sentence.replace("−", "-")
