"""The files of an archive: all that the analysis of a study needs, without the cell files (docs/sharing.md).

- `archive.json`: version of the format, SHA-256 of the other files, and where they come from.
- `study.json`: the checked study with its tasks.
- `answers.parquet`: one row per cell: its answers in packed form (`packed_values`), and where it was computed.
- `questions.parquet`: the evaluation sets: id, cluster, gold answer, number of options and bin of each example.
- `tables/`: the tables of the study.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from junkdna.analysis.expected_columns import columns_of, with_columns
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.storage.tables import read_frame
from junkdna.study.load import from_document
from junkdna.study.results_folder import STUDY
from junkdna.study.study import Resolved

ABOUT, ANSWERS, QUESTIONS, TABLES = "archive.json", "answers.parquet", "questions.parquet", "tables"
FORMAT = 1
QUESTION_SCHEMA: dict[str, pl.DataType] = {
    "set": pl.Int32, "id": pl.String, "cluster": pl.String, "gold": pl.Float64, "options": pl.Int32, "bin": pl.String,
}  # fmt: skip
ANSWER_SCHEMA: dict[str, pl.DataType] = {
    "cell": pl.String, "set": pl.Int32, "kind": pl.String, "values": pl.List(pl.Float64), "given": pl.Binary,
    "right": pl.Binary, "has_right": pl.Boolean, "versions": pl.String, "device": pl.String, "engine": pl.String,
    "threads": pl.Int32, "day": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """An archive that was checked. Its tables are read on first use."""

    folder: Path
    about: dict

    @cached_property
    def document(self) -> dict:
        """The checked study with its tasks as plain data."""
        return json.loads((self.folder / STUDY).read_text(encoding="utf-8"))

    @cached_property
    def resolved(self) -> Resolved:
        """The study."""
        return from_document(self.document, str(self.folder / STUDY))

    @cached_property
    def answers(self) -> pl.DataFrame:
        """One row per cell (`ANSWER_SCHEMA`). Raises UserError if they are not those of the table of cells."""
        answers = self._read(ANSWERS, ANSWER_SCHEMA)
        if {*answers["cell"]} != {*self.table("cells")["cell"]}:
            raise UserError(f"{self.folder / ANSWERS} and {self.folder / TABLES}/cells.parquet are of different cells. "
                            "Copy the archive again, or write it again with `junkdna archive`.")  # fmt: skip
        return answers

    @cached_property
    def questions(self) -> pl.DataFrame:
        """One row per evaluation set and example (`QUESTION_SCHEMA`)."""
        return self._read(QUESTIONS, QUESTION_SCHEMA)

    def table(self, name: str) -> pl.DataFrame:
        """A table of the study as it was archived, with the columns that it has in the version that wrote it."""
        return self._read(f"{TABLES}/{name}.parquet")

    def stored(self, name: str) -> pl.DataFrame:
        """A table that is not computed again. Raises UserError if this version works with other columns."""
        return self._read(f"{TABLES}/{name}.parquet", columns_of(name))

    def _read(self, name: str, columns: Collection[str] | None = None) -> pl.DataFrame:
        software = self.about.get("software", "not recorded")
        fix = f"Install the version that wrote the archive ({software}), or write the archive again with this one."
        if name not in self.about["files"]:
            raise UserError(f"{self.folder} has no {name}, which this version of junkdna needs. {fix}")
        table = read_frame(self.folder / name, f"table {name} of an archive")
        return table if columns is None else with_columns(table, columns, self.folder / name, fix)


def is_archive(folder: Path) -> bool:
    """Whether a folder is an archive."""
    return (folder / ABOUT).is_file()


def read_archive(folder: Path) -> Archive:
    """The archive in a folder, after comparing the SHA-256 of every file.

    Raises UserError if it is none, was written by another version, or a file is missing or changed.
    """
    path = folder / ABOUT
    if not path.is_file():
        raise UserError(f"{folder} is no archive: {_why_none(folder)}")
    about = _about(path)
    for name, recorded in about["files"].items():
        file = folder / name
        if not file.is_file():
            raise UserError(f"{file} does not exist, but {path} lists it. Copy the whole folder again.")
        if sha256_file(file) != recorded:
            raise UserError(f"{file} does not have the SHA-256 that {path} records: it was changed or damaged. Copy "
                            "the folder again, or write it again with `junkdna archive`.")  # fmt: skip
    return Archive(folder, about)


def _why_none(folder: Path) -> str:
    """Why a folder is no archive, and what to name instead."""
    if not folder.exists():
        return f"it does not exist (relative to {str(Path.cwd())!r})."
    if not folder.is_dir():
        return "it is a file. Name the folder that `junkdna archive` wrote."
    if (folder / TABLES).is_dir():
        return f"it has results. Pack them first: `junkdna archive {folder} --out FOLDER`."
    return f"it has no {ABOUT}. `junkdna archive` writes one from the results of a study (results/studies/NAME)."


NEEDED = ("format", "files", "rated", "weights")


def _about(path: Path) -> dict:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        lacking = [key for key in NEEDED if key not in about]
        wrong = f"it lacks {', '.join(lacking)}" if lacking else "files is no mapping"
    except (OSError, ValueError, TypeError) as error:
        lacking, about, wrong = [*NEEDED], {}, str(getattr(error, "strerror", None) or error)
    if lacking or not isinstance(about["files"], dict):
        raise UserError(
            f"{path} does not describe an archive ({wrong}): it was changed or damaged, or another program wrote it. "
            "Copy the folder again, or write it again with `junkdna archive`."
        )
    if about["format"] != FORMAT:
        raise UserError(
            f"{path}: format {about['format']!r} is unknown to this version of junkdna, which reads {FORMAT}. "
            f"Install the version that wrote it ({about.get('software', 'not recorded')})."
        )
    return about
