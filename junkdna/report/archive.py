"""Writes an archive: the smallest folder from which a study can be analyzed again (docs/sharing.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.analysis import archive_files as files
from junkdna.errors import UserError
from junkdna.storage.atomic_folder import atomic_folder
from junkdna.storage.checksums import CHECKSUM_SLOT, add_checksum, sha256_file
from junkdna.storage.fingerprint import canonical_json
from junkdna.study.results_folder import STUDY

if TYPE_CHECKING:
    import polars as pl

    from junkdna.analysis.archive_sources import Answered, Source
    from junkdna.study.cell import Cell
    from junkdna.study.study import Resolved

LEVEL = 19  # of zstd: slow to write, small
PATH_KEYS = ("local", "folder", "file", "path", "hub")  # keys of a study or task whose value may be a path


class Written(NamedTuple):
    """What was archived: numbers of cells and of those missing, cells that several sources have and those of them with
    other answers, and bytes by file."""

    cells: int
    missing: int
    shared: int
    different: int
    sizes: dict[str, int]


class _Merged:
    """The cells of several sources as one study; of a cell that several have, the first source counts."""

    def __init__(self, sources: Sequence[Source]) -> None:
        from junkdna.analysis.archive_sources import cells_of
        from junkdna.study.grid import all_cells

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

        sources = dict.fromkeys(self.of.values())
        table = pl.concat([source.cells for source in sources], how="vertical_relaxed").unique("cell", keep="first")
        order = pl.DataFrame({"cell": [cell.key for cell in self.members]})
        return order.join(table, on="cell", how="inner", maintain_order="left").select(table.columns)

    def stored(self) -> dict[str, pl.DataFrame]:
        """Name -> the rows of all tables of that name in `STORED`; of a row that several have, the first counts."""
        import polars as pl

        from junkdna.analysis.archived_answers import STORED

        sources = dict.fromkeys(self.of.values())
        return {
            name: pl.concat([source.stored[name] for source in sources], how="vertical_relaxed").unique(
                list(key), keep="first", maintain_order=True
            )
            for name, key in STORED.items()
        }


def write_archive(sources: Sequence[Source], target: Path, software: str) -> Written:
    """Write the results in `sources` as one archive into the new folder `target`; `software` names what writes it.

    The same sources give the same bytes. Absolute paths in the study are cut to their last part. Raises UserError if
    the sources are of different studies, or if a cell file is missing or corrupt; then nothing is left.
    """
    from junkdna.analysis.archived_answers import ArchivedAnswers, archived_tables

    merged = _Merged(sources)
    answers, questions, weights = _packed(merged)
    cells = merged.cells()
    bins = {task: bins for source in reversed(sources) for task, bins in source.bins.items()}
    read = ArchivedAnswers(merged.resolved, answers, questions, bins)
    tables = archived_tables(merged.resolved, cells, read, bins, merged.stored())
    missing = len({*_keys(merged.resolved)} - {*cells["cell"]})
    about = {"format": files.FORMAT, "software": software, "cells": cells.height, "missing": missing,
             "rated": sorted(bins), "weights": dict(sorted(weights.items()))}  # fmt: skip
    with atomic_folder(target) as folder:
        (folder / STUDY).write_text(json.dumps(merged.document, indent=1, sort_keys=True) + "\n", "utf-8")
        for name, table in {"cells": cells, **tables}.items():
            _write(table, folder / files.TABLES / f"{name}.parquet")
        _write(answers, folder / files.ANSWERS)
        _write(questions, folder / files.QUESTIONS)
        sizes = _write_about(folder, about)
    return Written(cells.height, missing, len(merged.twice), merged.different(), sizes)


def _write_about(folder: Path, about: dict) -> dict[str, int]:
    """Write the description with the SHA-256 of all files; return the bytes of each file."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    about["files"] = {name: sha256_file(folder / name) for name in names}
    (folder / files.ABOUT).write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return {name: (folder / name).stat().st_size for name in (*names, files.ABOUT)}


def _write(table: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    table.write_parquet(path, compression="zstd", compression_level=LEVEL, statistics=False, metadata=CHECKSUM_SLOT)
    add_checksum(path)


def _packed(merged: _Merged) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str]]:
    """The tables of answers and of questions, and the SHA-256 of the weights."""
    import polars as pl

    sets: dict[bytes, pl.DataFrame] = {}
    rows, weights = [], {}
    for cell in merged.members:
        answered = merged.of[cell.key].answered(cell)
        contents = answered.questions.write_ipc(None).getvalue()
        key = hashlib.sha256(cell.task.encode() + b"\0" + contents).digest()
        sets.setdefault(key, answered.questions)
        rows.append({"cell": cell.key, "set": list(sets).index(key), **_row(cell, answered, merged.resolved)})
        weights |= answered.weights
    parts = [part.select(pl.lit(at, pl.Int32).alias("set"), pl.all()) for at, part in enumerate(sets.values())]
    questions = pl.concat([pl.DataFrame(schema=files.QUESTION_SCHEMA), *parts])
    return pl.DataFrame(rows, schema=files.ANSWER_SCHEMA), questions, weights


def _row(cell: Cell, answered: Answered, resolved: Resolved) -> dict:
    from junkdna.analysis.archive_sources import same_right
    from junkdna.analysis.packed_values import pack, pack_flags

    kind, values, data = pack(answered.given)
    right = None
    if answered.right is not None and not same_right(resolved.tasks[cell.task].metric, answered):
        right = pack_flags(answered.right)
    packed = {"kind": kind, "values": values, "given": data, "right": right}
    return {**packed, "has_right": answered.right is not None, **answered.facts}


def one_study(sources: Sequence[Source]) -> dict:
    """The study of all sources, without absolute paths. Its selected experiments are those of any source.

    Raises UserError if they differ in more than the selection.
    """
    documents = [without_roots(source.document) for source in sources]
    first = documents[0]
    for source, document in zip(sources, documents, strict=True):
        for part in ("study", "tasks"):
            for key in sorted({*first[part], *document[part]} - {"run"}):
                if canonical_json(first[part].get(key)) != canonical_json(document[part].get(key)):
                    raise UserError(
                        f"{source.folder} and {sources[0].folder} are results of different studies: {part} {key} "
                        "differs. Pieces of one study have the same study file; they may differ in the experiments "
                        "that were selected."
                    )
    every = [name for document in documents for name in document["study"]["run"]]
    return {**first, "study": {**first["study"], "run": list(dict.fromkeys(every))}}


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


def _keys(resolved: Resolved) -> list[str]:
    from junkdna.study.grid import all_cells

    return [cell.key for cell in all_cells(resolved)]
