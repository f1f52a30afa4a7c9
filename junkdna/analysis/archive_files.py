"""The files of an archive: all that the analysis of a study needs, without the cell files (docs/sharing.md).

- `archive.json`: version of the format, SHA-256 of the other files, and where they come from.
- `study.json`: the checked study with its tasks.
- `answers.parquet`: one row per cell: its answers in packed form (`packed_values`), and where it was computed.
- `questions.parquet`: the evaluation sets: id, cluster, gold answer, number of options and bin of each example.
- `tables/`: the tables of the study.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.storage.file_errors import corrupt_file
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
        """One row per cell (`ANSWER_SCHEMA`)."""
        return read_frame(self.folder / ANSWERS, "archive's table of answers")

    @cached_property
    def questions(self) -> pl.DataFrame:
        """One row per evaluation set and example (`QUESTION_SCHEMA`)."""
        return read_frame(self.folder / QUESTIONS, "archive's table of questions")

    def table(self, name: str) -> pl.DataFrame:
        """A table of the study as it was archived."""
        return read_frame(self.folder / TABLES / f"{name}.parquet", f"table of {name}")


def is_archive(folder: Path) -> bool:
    """Whether a folder is an archive."""
    return (folder / ABOUT).is_file()


def read_archive(folder: Path) -> Archive:
    """The archive in a folder, after comparing the SHA-256 of every file.

    Raises UserError if it is none, was written by a newer version, or a file is missing or changed.
    """
    path = folder / ABOUT
    if not path.is_file():
        raise UserError(
            f"{folder} is no archive: it has no {ABOUT}. `junkdna archive FOLDER --out {folder}` writes one from the "
            "results of a study (results/studies/NAME)."
        )
    about = _about(path)
    for name, recorded in about["files"].items():
        file = folder / name
        if not file.is_file():
            raise UserError(f"{file} does not exist, but {path} lists it. Copy the whole folder again.")
        if sha256_file(file) != recorded:
            raise UserError(f"{file} does not have the SHA-256 that {path} records: it was changed or damaged. Copy "
                            "the folder again, or write it again with `junkdna archive`.")  # fmt: skip
    return Archive(folder, about)


def _about(path: Path) -> dict:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if not {"format", "files", "rated", "weights"} <= about.keys():
            raise ValueError("it lacks keys")
    except (OSError, ValueError, AttributeError) as error:
        raise corrupt_file(path, "description of an archive", error) from None
    if about["format"] != FORMAT:
        raise UserError(
            f"{path}: format {about['format']!r} is unknown to this version of junkdna, which reads {FORMAT}. "
            "Install the version that wrote it (key software)."
        )
    return about
