"""The results in several folders as one study: pieces of a study that was run in parts (docs/sharing.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from junkdna.errors import UserError
from junkdna.storage.fingerprint import differing

if TYPE_CHECKING:
    import polars as pl

    from junkdna.analysis.archive_sources import Source
    from junkdna.study.cell import Cell
    from junkdna.study.study import Resolved

PATH_KEYS = ("local", "folder", "file", "path", "hub")  # keys of a study or task whose value may be a path
NAMED = ("experiments", "models", "tasks", "protocols", "calibrations", "wheels")  # keys of a study: name -> entry
_CONDITION = ("model", "task", "knobs", "transfer", "protocol")
WHOLE = {"connectivity": ("experiment", *_CONDITION, "compression"), "margins": _CONDITION}
"""Tables whose rows of one condition hang together, because they rest on all its seeds or levels, and the columns that
name a condition."""


class OfStudy(Protocol):
    """Anything that belongs to a study: the study as plain data, and the folder or file to name in messages."""

    folder: Path
    document: dict


class Merged:
    """The cells of several sources as one study; of a cell that several have, the first source counts."""

    def __init__(self, sources: Sequence[Source]) -> None:
        from junkdna.analysis.archive_sources import cells_of
        from junkdna.study.grid import all_cells

        self.sources = list(dict.fromkeys(sources))
        self.document = one_study(sources)
        self.of: dict[str, Source] = {}
        self.twice: list[tuple[Cell, Source]] = []
        for source in sources:
            for cell in cells_of(source):
                if self.of.setdefault(cell.key, source) is not source:
                    self.twice.append((cell, source))
        self.resolved = _resolved(self.document)
        self.members = [cell for cell in all_cells(self.resolved) if cell.key in self.of]

    def different(self) -> int:
        """The number of cells with other answers in a later source."""
        import numpy as np

        def same(cell: Cell, other: Source) -> bool:
            first, second = self.of[cell.key].answered(cell), other.answered(cell)
            alike = first.questions.equals(second.questions)
            return alike and np.array_equal(first.given, second.given, equal_nan=True)

        return sum(not same(cell, other) for cell, other in self.twice)

    def cells(self) -> pl.DataFrame:
        """The table of cells, in the order of the study."""
        import polars as pl

        every = pl.concat([source.cells for source in self.sources], how="vertical_relaxed")
        table = every.unique("cell", keep="first", maintain_order=True)
        order = pl.DataFrame({"cell": [cell.key for cell in self.members]})
        return order.join(table, on="cell", how="inner", maintain_order="left").select(table.columns)

    def stored(self) -> dict[str, pl.DataFrame]:
        """Name -> the rows of all tables of that name in `STORED`: of a row that several have, the first counts. The
        rows of a condition in a table of `WHOLE` are those of the source that has most of it."""
        import polars as pl

        from junkdna.analysis.archived_answers import STORED

        found = {}
        for name, key in STORED.items():
            tables = [source.stored[name] for source in self.sources]
            if name in WHOLE:
                sizes = [_sizes(name, source) for source in self.sources]
                found[name] = fullest(tables, sizes, WHOLE[name])
            else:
                rows = pl.concat(tables, how="vertical_relaxed")
                found[name] = rows.unique(list(key), keep="first", maintain_order=True)
        return found


def _sizes(name: str, source: Source) -> pl.DataFrame:
    """How much a source has of each condition in a table of `WHOLE`, as the column `size`: seeds or, where the rows
    count no seeds, cells."""
    import polars as pl

    columns, table = list(WHOLE[name]), source.stored[name]
    if "n_seeds" in table.columns:
        return table.group_by(columns, maintain_order=True).agg(size=pl.col("n_seeds").max())
    cells = source.cells.group_by(columns).agg(size=pl.len().cast(pl.Int64))
    return table.select(columns).unique(maintain_order=True).join(cells, on=columns, how="left", maintain_order="left")


def fullest(tables: Sequence[pl.DataFrame], sizes: Sequence[pl.DataFrame], columns: Sequence[str]) -> pl.DataFrame:
    """The rows of some tables, those of each condition (equal `columns`) all from one: the table that has most of it
    by the column `size` of `sizes` (one row per condition), of several the first."""
    import polars as pl

    every = pl.concat([size.with_columns(source=pl.lit(at)) for at, size in enumerate(sizes)], how="vertical_relaxed")
    best = every.sort("size", "source", descending=[True, False]).unique(columns, keep="first", maintain_order=True)
    parts = [
        table.join(best.filter(source=at), on=list(columns), how="semi", maintain_order="left")
        for at, table in enumerate(tables)
    ]
    return pl.concat(parts, how="vertical_relaxed")


def one_study(sources: Sequence[OfStudy]) -> dict:
    """The study of all sources, without absolute paths: the experiments, models and other named entries (`NAMED`) of
    each, and the selected experiments of any.

    Raises UserError if two sources differ in an entry that both have, or in another setting.
    """
    joined = without_roots(sources[0].document)
    for source in sources[1:]:
        document = without_roots(source.document)
        if others := list(_conflicts(joined, document)):
            names = [each["study"]["study"] for each in (document, joined)]
            what = ", ".join(others) if names[0] == names[1] else "their names, {!r} and {!r}".format(*names)
            raise UserError(
                f"{source.folder} and {sources[0].folder} are of different studies: they differ in {what}. Pieces of "
                "one study agree in everything that both have; each may have more experiments, models and tasks, and "
                "another selection of experiments."
            )
        joined = _joined(joined, document)
    return joined


def _conflicts(one: dict, other: dict) -> Iterator[str]:
    """What two studies both have and define differently."""
    for key in differing(one["study"], other["study"]):
        if key in NAMED:
            mine, theirs = (each["study"].get(key) or {} for each in (one, other))
            yield from (f"study {key}.{name}" for name in differing(mine, theirs) if name in mine and name in theirs)
        elif key != "run":
            yield f"study {key}"
    tasks = differing(one["tasks"], other["tasks"])
    yield from (f"tasks {name}" for name in tasks if name in one["tasks"] and name in other["tasks"])


def _joined(one: dict, other: dict) -> dict:
    mine, theirs = one["study"], other["study"]
    named = {key: {**(theirs.get(key) or {}), **(mine.get(key) or {})} for key in NAMED if key in {*mine, *theirs}}
    run = list(dict.fromkeys([*mine["run"], *theirs["run"]]))
    return {**one, "study": mine | named | {"run": run}, "tasks": {**other["tasks"], **one["tasks"]}}


def without_roots(value: object, key: str = "") -> object:
    """The plain data of a study in which every absolute path (`PATH_KEYS`) is its last part only."""
    if isinstance(value, dict):
        return {name: without_roots(entry, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [without_roots(entry, key) for entry in value]
    named = isinstance(value, str) and key in PATH_KEYS and value.startswith(("/", "~"))
    return Path(value).name if named else value


def _resolved(document: dict) -> Resolved:
    from junkdna.study.load import from_document

    return from_document(document, "the archive's study")
