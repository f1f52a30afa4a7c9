"""Writes an archive: the smallest folder from which a study can be analyzed again (docs/sharing.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.analysis import archive_files as files
from junkdna.report.archive_merge import Merged
from junkdna.report.archive_target import check_target
from junkdna.storage.atomic_folder import atomic_folder
from junkdna.storage.checksums import CHECKSUM_SLOT, add_checksum, sha256_file
from junkdna.study.results_folder import STUDY

if TYPE_CHECKING:
    import polars as pl

    from junkdna.analysis.archive_sources import Answered, Source
    from junkdna.study.cell import Cell
    from junkdna.study.study import Resolved

LEVEL = 19  # of zstd: slow to write, small


class Written(NamedTuple):
    """What was archived: numbers of cells and of those missing, cells that several sources have and those of them with
    other answers, cells whose day is not known, and bytes by file."""

    cells: int
    missing: int
    shared: int
    different: int
    undated: int
    sizes: dict[str, int]


def write_archive(sources: Sequence[Source], target: Path, software: str) -> Written:
    """Write the results in `sources` as one archive into the folder `target`; `software` names what writes it.

    The same sources give the same bytes. Absolute paths in the study are cut to their last part. `target` is new, or
    an earlier archive of the study (`archive_target.check_target`), which is replaced when the new one is complete; it
    may be one of the sources. Raises UserError if the sources are of different studies, if `target` has something else,
    or if a cell file is missing or corrupt; then nothing is changed.
    """
    from junkdna.analysis.archived_answers import ArchivedAnswers, archived_tables

    merged = Merged(sources)
    check_target(target, merged.resolved.study.study)
    answers, questions, weights = _packed(merged)
    cells = merged.cells()
    bins = {task: bins for source in reversed(sources) for task, bins in source.bins.items()}
    read = ArchivedAnswers(merged.resolved, answers, questions, bins)
    tables = archived_tables(merged.resolved, cells, read, bins, merged.stored())
    missing, different = len({*_keys(merged.resolved)} - {*cells["cell"]}), merged.different()
    about = {"format": files.FORMAT, "software": software, "cells": cells.height, "missing": missing,
             "rated": sorted(bins), "weights": dict(sorted(weights.items()))}  # fmt: skip
    with atomic_folder(target, replace=True) as folder:
        (folder / STUDY).write_text(json.dumps(merged.document, indent=1, sort_keys=True) + "\n", "utf-8")
        for name, table in {"cells": cells, **tables}.items():
            _write(table, folder / files.TABLES / f"{name}.parquet")
        _write(answers, folder / files.ANSWERS)
        _write(questions, folder / files.QUESTIONS)
        sizes = _write_about(folder, about)
    undated = answers.filter(day="").height
    return Written(cells.height, missing, len(merged.twice), different, undated, sizes)


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


def _packed(merged: Merged) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str]]:
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


def _keys(resolved: Resolved) -> list[str]:
    from junkdna.study.grid import all_cells

    return [cell.key for cell in all_cells(resolved)]
