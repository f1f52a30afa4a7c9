"""The study of a folder of results is the one that its tables were made from, not the one that was written last."""

import logging
import os
from pathlib import Path

import polars as pl
import pytest

from junkdna.errors import UserError
from junkdna.storage.table_record import record_of, study_record, write_recorded
from junkdna.storage.tables import read_frame, write_frame
from junkdna.study.results_folder import stored_study

TABLE = pl.DataFrame({"a": [1]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two studies, of which that with the later name and date is not that of the tables."""
    for at, name in enumerate(("study-a.json", "study-b.json")):
        (tmp_path / name).write_text(f'{{"study": "{name}"}}')
        os.utime(tmp_path / name, (1000 + at, 1000 + at))
    record = study_record(tmp_path / "study-a.json")
    for name in ("cells", "drops"):
        write_recorded(TABLE, tmp_path / f"tables/{name}.parquet", record)
    return tmp_path


def test_the_study_of_the_tables_counts(folder: Path) -> None:
    assert stored_study(folder).name == "study-a.json"
    os.utime(folder / "study-b.json")
    assert stored_study(folder).name == "study-a.json"


def test_a_file_with_another_name_and_the_same_bytes_is_the_same_study(folder: Path) -> None:
    (folder / "study-a.json").rename(folder / "study.json")
    assert stored_study(folder).name == "study.json"


def test_tables_without_a_record_have_the_newest_study_and_a_warning(folder: Path, caplog) -> None:
    for name in ("cells", "drops"):
        write_frame(TABLE, folder / f"tables/{name}.parquet")
    with caplog.at_level(logging.WARNING):
        assert stored_study(folder).name == "study-b.json"
    assert "2 versions of its study" in caplog.text
    assert "the newest, study-b.json, is taken" in caplog.text
    caplog.clear()
    (folder / "study-b.json").unlink()
    assert stored_study(folder).name == "study-a.json"
    assert not caplog.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.unlink(), "study-a.json, which is not there"),
        (lambda file: file.write_text("{}"), "study-a.json, which has changed since then"),
    ],
)
def test_another_study_never_stands_in_for_that_of_the_tables(folder: Path, change, words: str) -> None:
    change(folder / "study-a.json")
    with pytest.raises(UserError, match=words):
        stored_study(folder)


def test_tables_of_two_studies_are_refused(folder: Path) -> None:
    write_recorded(TABLE, folder / "tables/cells.parquet", study_record(folder / "study-b.json"))
    with pytest.raises(UserError, match=r"cells was made from study-b\.json, that of drops from study-a\.json"):
        stored_study(folder)


def test_a_record_changes_no_row_and_a_damaged_file_has_none(folder: Path) -> None:
    path = folder / "tables/cells.parquet"
    assert read_frame(path, "table").equals(TABLE)
    assert record_of(path)["study"] == "study-a.json"
    path.write_bytes(path.read_bytes()[:-20])
    assert record_of(path) == {}
    assert record_of(folder / "nothing.parquet") == {}
