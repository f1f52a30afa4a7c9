"""The blocks of a page of findings: name -> function that gives its text from the tables of a study.

Every number is rounded, as on the report page. A table without rows is a sentence that says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.errors import UserError, unknown_name
from junkdna.report.findings import claims_blocks, published_blocks, rows
from junkdna.report.findings.markers import Block
from junkdna.report.page.methods_text import methods_text
from junkdna.report.page.question import done
from junkdna.report.page.sections import ROW
from junkdna.report.page.words import (
    MODES,
    capitalized,
    compression,
    count,
    duration,
    interval,
    listed,
    mode,
    number,
    probability,
)
from junkdna.report.plotting.series import compression_label

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.page.inputs import Inputs

Options = dict[str, list[str]]
MOST = 20  # rows of a table


def text_of(inputs: Inputs, page: Path, figures: Path) -> Callable[[Block], str]:
    """The text of the blocks of a page; `figures` is the folder with the figures that it shows."""

    def text(block: Block) -> str:
        if block.name == "figure":
            return _figure(inputs, block, page, figures)
        if block.name not in BLOCKS:
            raise unknown_name("block", block.name, (*BLOCKS, "figure"), f"{page}")
        try:
            return BLOCKS[block.name](inputs, block.options)
        except UserError as error:
            raise UserError(f"{page}: block {block.words!r}: {error}") from None

    return text


class Shown(NamedTuple):
    """A figure that a page shows; `like` is the published model for which those of the study stand, or ""."""

    name: str
    like: str = ""

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}{f'-like-{Path(self.like).name}' * bool(self.like)}.png"


def shown_figures(page: str) -> list[Shown]:
    """The figures that a page shows."""
    from junkdna.report.findings.markers import MARKED

    blocks = [Block(found["words"], True) for found in MARKED.finditer(page)]
    return [_figure_shown(block.options) for block in blocks if block.name == "figure"]


def _figure_shown(options: Options) -> Shown:
    options = dict(options)
    return Shown(rows.taken(options, "name"), rows.taken(options, "like"))


def _figure(inputs: Inputs, block: Block, page: Path, figures: Path) -> str:
    from junkdna.report.catalog import named
    from junkdna.report.draw import names

    shown = _figure_shown(block.options)
    known = [f"published_{name}" for name in inputs.experiments] if shown.like else names(inputs.tables)
    if shown.name not in known:
        raise unknown_name("figure", shown.name, known, f"{page}: block {block.words!r}")
    figure, _, experiment = named(shown.name)
    of = f" of {Path(shown.like).name}" if shown.like else ""
    of += f": {inputs.title(experiment)}" if experiment and inputs.title(experiment) else ""
    path = os.path.relpath(figures / shown.file, page.parent)
    return f"![{figure.label}{of}]({Path(path).as_posix()})"


def _study(inputs: Inputs, options: Options) -> str:
    cells, archive = inputs.cells, inputs.archive
    missing = archive.about["missing"] if archive else 0
    part = f" of {cells.height + missing:,} (the others were not run)" if missing else ""
    have = f"{count(cells.height, 'cell')}{part}"
    where = f" on {listed(dict.fromkeys(archive.answers['device']))}" if archive else ""
    days = sorted(set(archive.answers["day"]) - {""}) if archive else []
    when = f", {days[0]} to {days[-1]}" if days[1:] else f", {days[0]}" if days else ""
    timed = cells["wall_s"].null_count() == 0
    work = f", {duration(float(cells['wall_s'].sum()))} of work, summed over jobs," if timed else ""
    return f"{done(inputs)} {capitalized(have)}{work}{where}{when}."


def _value(inputs: Inputs, options: Options) -> str:
    """One number with its interval if it has one: `table`, `column`, `digits`, and the columns that choose its row."""
    options = dict(options)
    table, column = rows.taken(options, "table", "drops"), rows.taken(options, "column")
    digits = rows.whole(options, "digits", 2, most=6)
    frame = rows.table_of(inputs, table)
    if column not in frame.columns:
        raise unknown_name("column", column, frame.columns, "column")
    row = rows.one_row(frame, options)
    low, high = _limits(table, column)
    return _shown(row[column], digits) + (
        f" ({interval(row[low], row[high], digits)})" if low in frame.columns and row[column] is not None else ""
    )


def _limits(table: str, column: str) -> tuple[str, str]:
    return ("low", "high") if (table, column) == ("claims", "estimate") else (f"{column}_low", f"{column}_high")


def _shown(value: object, digits: int) -> str:
    if isinstance(value, float) or value is None:
        return number(value, digits)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _count(inputs: Inputs, options: Options) -> str:
    """The number of rows of a `table` that the other columns choose."""
    options = dict(options)
    table = rows.taken(options, "table", "cells")
    return f"{rows.chosen(rows.table_of(inputs, table), options).height:,}"


def _drops(inputs: Inputs, options: Options) -> str:
    """Score and retention of the rows that the columns choose."""
    most, table = _chosen(inputs, "drops", options)
    head = [*_condition(inputs), "compression", "score (95 %)", "retention (95 %)", "n", "seeds"]
    lines = [
        [*_condition(inputs, row), compression(row), _with(row, "score"), _with(row, "retention"),
         f"{row['n_examples']:,}", str(row["n_seeds"])]
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    return rows.markdown(head, lines, "The study has no such rows.", most, "tables/drops.csv")


def _chosen(inputs: Inputs, name: str, options: Options, protocol: str = "protocol") -> tuple[int, pl.DataFrame]:
    """Most rows to show, and the chosen rows of a table; conditions that several experiments share are there once,
    with the most seeds.

    The label of a condition that the rows have under several protocols names its own, from the column `protocol`; with
    "" for it no label does.
    """
    import polars as pl

    options = dict(options)
    most = rows.whole(options, "most", MOST)
    table = rows.chosen(rows.table_of(inputs, name), options)
    if name not in ("drops", "behavior"):
        return most, table
    most_seeds = pl.col("n_seeds") == pl.col("n_seeds").max().over(ROW)
    table = table.filter(most_seeds).unique(ROW, keep="first", maintain_order=True)
    if not protocol:
        return most, table
    several = pl.col(protocol).n_unique().over("model", "task", "knobs", "transfer") > 1
    named = pl.format("{} [{}]", "label", protocol)
    return most, table.with_columns(label=pl.when(several).then(named).otherwise("label"))


def _condition(inputs: Inputs, row: dict | None = None, name_model: bool = True) -> list[str]:
    """The condition of a row, and its model if the study has several; without a row the heads of these columns."""
    models = rows.models(inputs)
    named = bool(models) and name_model
    if row is None:
        return ["condition", *["model"] * named]
    return [rows.without_model(row["label"], models), *[row["model"]] * named]


def _with(row: dict, name: str) -> str:
    if row[name] is None:
        return "–"
    return f"{number(row[name])} ({interval(row[f'{name}_low'], row[f'{name}_high'])})"


def _compare(inputs: Inputs, options: Options) -> str:
    """Retention in one column for each value of the column `by`: what differs in nothing else."""
    options = dict(options)
    by = rows.taken(options, "by")
    if not by:
        raise UserError(f"a table is compared by a column: {', '.join(f'by={name}' for name in COMPARED)}.")
    if by not in COMPARED:
        raise unknown_name("column", by, COMPARED, "by")
    most, table = _chosen(inputs, "drops", options, "" if by in ("protocol", "base_protocol") else "base_protocol")
    groups = _that_differ(table, by)
    found_values = dict.fromkeys(value for found in groups[:most] for value in found)
    ordered = sorted(found_values, key=int) if by == "length" else ORDER.get(by, [])
    values = [value for value in (*options.get(by, []), *ordered, *found_values) if value in found_values]
    values = list(dict.fromkeys(values))
    lines = [[*_first(inputs, found, by), *(_with(found[v], "retention") if v in found else "" for v in values)]
             for found in groups]  # fmt: skip
    head = [*_condition(inputs, name_model=by != "model"), "training" if by == "compression" else "compression",
            *(WORDS.get(by, f"{by} {{}}".format)(value) for value in values)]  # fmt: skip
    head, lines = rows.without_constants(head, lines, len(head) - len(values))
    return rows.markdown(head, lines, f"The study has no rows that differ only in {by}.", most, "tables/drops.csv")


SAME = ("model", "task", "knobs", "compression", "transfer", "base_protocol", "length")  # in the rows of a comparison
COMPARED = (*SAME, "protocol")  # columns that a table may compare by
FREE = {"model": ("base_protocol",), "protocol": ("base_protocol", "length")}  # what may differ with such a column


def _that_differ(table: pl.DataFrame, by: str) -> list[dict[str, dict]]:
    """Rows that differ in nothing but the column `by`: for each such group the rows by their value of it.

    Models have protocols of their own, so rows of several models need not have the same. Raises UserError if a model
    has several.
    """
    same = [name for name in SAME if name not in (by, *FREE.get(by, ()))]
    groups: dict[tuple, dict[str, dict]] = {}
    for row in table.iter_rows(named=True):
        found = groups.setdefault(tuple(row[name] for name in same), {}).setdefault(str(row[by]), row)
        if by == "model" and found["base_protocol"] != row["base_protocol"]:
            several = f"{found['base_protocol']} and {row['base_protocol']}"
            raise UserError(f"{row['model']} has the protocols {several}: choose with base_protocol=NAME.")
    return [found for found in groups.values() if len(found) > 1]


ORDER = {"transfer": list(MODES)}  # of the columns, if the block does not name the values
WORDS: dict[str, Callable[[str], str]] = {
    "transfer": mode, "compression": compression_label, "model": str,
    "base_protocol": "protocol {}".format, "length": "{} × the steps".format,
}  # fmt: skip


def _first(inputs: Inputs, found: dict[str, dict], by: str) -> list[str]:
    """The first columns of a row: the condition, and what was done to it apart from `by`."""
    row = next(iter(found.values()))
    what = {"compression": mode(row["transfer"]), "transfer": compression_label(row["compression"])}
    return [*_condition(inputs, row, name_model=by != "model"), what.get(by, compression(row))]


def _recovery(inputs: Inputs, options: Options) -> str:
    """Retention of the hardest condition that was trained after pruning, by length of training."""
    import polars as pl

    _, table = _chosen(inputs, "drops", options)
    table = table.filter(pl.col("transfer") == "sparse_to_dense", pl.col("compression") != "dense")
    same = ("model", "task", "knobs", "base_protocol")
    several = table.filter(pl.col("length").n_unique().over(same) > 1)
    nothing = "No condition was trained at several lengths, so the study cannot say."
    if several.is_empty():
        return nothing
    hardest = several.sort("difficulty", descending=True, nulls_last=True).row(0, named=True)
    head = f"The hardest condition with several lengths is {hardest['label']}.\n\n"
    chosen = {name: [hardest[name]] for name in same}
    return head + _compare(inputs, {**options, **chosen, "by": ["length"], "transfer": ["sparse_to_dense"]})


def _flips(inputs: Inputs, options: Options) -> str:
    """Answers broken and fixed next to the change of accuracy; first the rows in which most of both cancel out."""
    import polars as pl

    most, table = _chosen(inputs, "behavior", options)
    table = table.filter(pl.col("broken").is_not_null()).with_columns(hidden=pl.min_horizontal("broken", "fixed"))
    lines = [
        [*_condition(inputs, row), compression(row), f"{number(100 * (row['fixed'] - row['broken']), 1, sign=True)}",
         f"{number(100 * row['broken'], 1)} %", f"{number(100 * row['fixed'], 1)} %", probability(row["mcnemar_p"])]
        for row in table.sort("hidden", descending=True, maintain_order=True).iter_rows(named=True)
    ]  # fmt: skip
    head = [*_condition(inputs), "compression", "accuracy, points", "broken", "fixed", "p (McNemar)"]
    nothing = "No compressed cell has answers that are right or wrong."
    return rows.markdown(head, lines, nothing, most, "tables/behavior.csv")


def _collapsed(inputs: Inputs, options: Options) -> str:
    """The cells that give one answer for everything."""
    import polars as pl

    most, cells = _chosen(inputs, "cells", options)
    names = ("model", "task", "transfer")
    counted = cells.group_by(names, maintain_order=True).agg(
        pl.col("collapsed").sum().alias("n"), pl.len().alias("of"),
        pl.col("compression").filter(pl.col("collapsed")).unique(maintain_order=True).alias("where"),
    )  # fmt: skip
    lines = [
        [row["model"], row["task"], mode(row["transfer"]), f"{row['n']} of {row['of']}", listed(row["where"], 5)]
        for row in counted.filter(pl.col("n") > 0).iter_rows(named=True)
    ]
    head = ["model", "task", "training", "collapsed", "compressions"]
    return rows.markdown(head, lines, f"None of {cells.height:,} cells collapsed.", most, "tables/cells.parquet")


def _models(inputs: Inputs, options: Options) -> str:
    settings = inputs.study.get("models") or {}
    lines = []
    for name in sorted(inputs.drops["model"].unique()):
        entry = settings.get(name) or {}
        source = entry.get("hub") or entry.get("wheel") or entry.get("local") or "–"
        n = inputs.cells.filter(inputs.cells["model"] == name).height
        lines.append([name, entry.get("kind", "–"), f"`{source}`", f"{n:,}"])
    return rows.markdown(["model", "kind", "source", "cells"], lines, "No models.", len(lines), "study.json")


def _methods(inputs: Inputs, options: Options) -> str:
    sentences, references = methods_text(inputs)
    sources = " ".join(f"[{at}] {source}." for at, source in enumerate(references, 1))
    return f"{' '.join(sentences)}\n\n{sources}"


BLOCKS: dict[str, Callable[[Inputs, Options], str]] = {
    "study": _study, "value": _value, "count": _count, "drops": _drops, "compare": _compare, "recovery": _recovery,
    "flips": _flips, "collapsed": _collapsed, "models": _models, "methods": _methods,
    **claims_blocks.BLOCKS, **published_blocks.BLOCKS,
}  # fmt: skip
