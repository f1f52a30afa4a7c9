"""The inputs of the page: the tables of a study, the checked study, and the folders next to the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural
from junkdna.errors import UserError
from junkdna.storage.file_errors import corrupt_file
from junkdna.storage.tables import read_frame

if TYPE_CHECKING:
    import polars as pl

    from junkdna.analysis.archive_files import Archive


@dataclass(frozen=True)
class Inputs:
    """The tables of a study and its settings.

    `document` is the JSON of the checked study. `texts` says whether the page may show texts of examples. Cell files
    and examples are found below the working directory, as in every command.
    """

    drops: pl.DataFrame
    cells: pl.DataFrame
    claims: pl.DataFrame
    behavior: pl.DataFrame
    difficulty: pl.DataFrame
    document: dict
    tables: Path
    study_file: Path
    texts: bool = False

    @cached_property
    def connectivity(self) -> pl.DataFrame:
        """The points on the lines between trained models."""
        return self._table("connectivity")

    @cached_property
    def layers(self) -> pl.DataFrame:
        """What compression did to each matrix."""
        return self._table("layers")

    @cached_property
    def matched(self) -> pl.DataFrame:
        """Extra losses of conditions at equal bits or losses."""
        return self._table("matched")

    @cached_property
    def margins(self) -> pl.DataFrame:
        """Margins of the right answer, of some examples."""
        return self._table("margins")

    def _table(self, name: str) -> pl.DataFrame:
        """A table that is read when it is needed: results of earlier versions do not have it."""
        return read_frame(self.tables / f"{name}.parquet", f"table of {name}")

    @cached_property
    def archive(self) -> Archive | None:
        """The archive that the study file is part of, if it is; then no cell files are read."""
        from junkdna.analysis.archive_files import is_archive, read_archive

        folder = Path(self.study_file).parent
        return read_archive(folder) if is_archive(folder) else None

    @cached_property
    def study(self) -> dict:
        """The settings of the study; empty if the document has none."""
        study = self.document.get("study")
        return study if isinstance(study, dict) else self.document

    @cached_property
    def tasks(self) -> dict:
        """The task files of the study by name."""
        tasks = self.document.get("tasks")
        return tasks if isinstance(tasks, dict) and "study" in self.document else {}

    @property
    def name(self) -> str:
        """The name of the study."""
        name = self.study.get("study")
        return name if isinstance(name, str) else "study"

    @cached_property
    def experiments(self) -> dict[str, pl.DataFrame]:
        """The rows of drops of each experiment, in the order of the table."""
        parts = self.drops.partition_by("experiment", maintain_order=True)
        return {part["experiment"][0]: part for part in parts}

    @cached_property
    def difficulties(self) -> dict[tuple[str, str, str], float]:
        """The measured difficulty of each condition (model, task, knobs): the least, if modes or protocols differ."""
        rows = self.drops.drop_nulls("difficulty").sort("difficulty", descending=True)
        return {tuple(row[:3]): row[3] for row in rows.select("model", "task", "knobs", "difficulty").iter_rows()}

    def order(self, model: str, task: str, knobs: str) -> tuple:
        """A key that sorts conditions: by model, from easy to hard for the dense model, those unknown last."""
        difficulty = self.difficulties.get((model, task, knobs))
        return natural(model), difficulty is None, difficulty or 0.0, natural(task), natural(knobs)

    def title(self, experiment: str) -> str:
        """The title that the study gives an experiment; empty if it has none."""
        entries = self.study.get("experiments")
        entry = entries.get(experiment) if isinstance(entries, dict) else None
        title = entry.get("title") if isinstance(entry, dict) else None
        return title if isinstance(title, str) else ""

    def task_title(self, task: str) -> str:
        """The title of a task; its name if it has none."""
        found = self.drops.filter(self.drops["task"] == task)
        return found["title"][0] if found.height else task


def read_inputs(tables: Path, study_file: Path, texts: bool = False) -> Inputs:
    """The inputs of a page: the folder `tables` of a study, and the file of the checked study.

    Raises UserError if a table or the study is missing or corrupt, or if the table of drops is empty.
    """
    import polars as pl

    drops = read_frame(tables / "drops.parquet", "table of drops").cast({pl.Null: pl.Float64})
    if drops.is_empty():
        raise UserError(
            f"{tables / 'drops.parquet'}: the table has no rows, so there is nothing to report. Run and collect cells "
            "of the study first."
        )
    names = ("cells", "claims", "behavior", "difficulty")
    others = {name: read_frame(tables / f"{name}.parquet", f"table of {name}") for name in names}
    return Inputs(
        drops=drops, document=_document(study_file), tables=tables, study_file=study_file, texts=texts, **others,
    )  # fmt: skip


def _document(path: Path) -> dict:
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise corrupt_file(path, "checked study", error) from None
    return document if isinstance(document, dict) else {"settings": document}
