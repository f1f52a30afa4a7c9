"""Where an archive is written, and what it says about days: nothing of others is lost, and copies say the same."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from junkdna.analysis.archive_files import read_archive
from junkdna.cli.archive import archive as archive_lines
from junkdna.cli.findings import findings
from junkdna.cli.main import parser
from junkdna.cli.pages import inputs_of
from junkdna.errors import UserError
from junkdna.report.page.provenance import Footers, _days, provenance
from junkdna.storage.tables import write_frame


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_archive_replaces_its_earlier_version(kinds_once: Path, archive: Path) -> None:
    """Figures that findings drew are of the earlier version, so they go with it. The archive may be its own source."""
    (archive / "figures").mkdir()
    (archive / "figures/headline.png").touch()
    list(archive_lines([kinds_once], archive))
    assert not (archive / "figures").exists()
    before = contents(archive)
    list(archive_lines([archive, kinds_once], archive))
    assert contents(archive) == before
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


def test_a_failed_archive_leaves_the_earlier_one(kinds_once: Path, archive: Path, tmp_path: Path) -> None:
    before, world = contents(archive), shutil.copytree(kinds_once.parents[2], tmp_path / "world")
    next(world.glob("results/cells/llm/hues/*/*/*/*/*.parquet")).unlink()
    with pytest.raises(UserError, match="does not exist"):
        list(archive_lines([world / "results/studies/kinds"], archive))
    assert contents(archive) == before


def test_nothing_else_is_replaced(kinds_once: Path, archive: Path) -> None:
    (archive / "notes.md").write_text("mine")
    with pytest.raises(UserError, match=r"docs/findings/notes\.md is no file of it and would be lost"):
        list(archive_lines([kinds_once], archive))
    (archive / "notes.md").unlink()
    study = archive / "study.json"
    document = json.loads(study.read_text())
    document["study"]["study"] = "other"
    study.write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"an archive of the study other, which would be lost: .* of the study kinds"):
        list(archive_lines([kinds_once], archive))
    Path("file").touch()
    with pytest.raises(UserError, match="--out file is a file"):
        list(archive_lines([kinds_once], Path("file")))


def test_days_are_those_of_the_join_whatever_the_dates_of_the_files(
    kinds_once: Path, archive: Path, tmp_path: Path
) -> None:
    days = set(read_archive(archive).answers["day"])
    assert all(len(day) == len("2026-01-31") for day in days)
    world = Path(shutil.copytree(kinds_once.parents[2], tmp_path / "world"))
    for path in world.rglob("*.parquet"):
        os.utime(path, (1, 1))
    said = list(archive_lines([world / "results/studies/kinds"], tmp_path / "again"))
    assert not any(line.startswith("the day of") for line in said)
    assert (tmp_path / "again/answers.parquet").read_bytes() == (archive / "answers.parquet").read_bytes()


def test_the_study_of_the_tables_is_archived_not_the_newest(
    kinds_once: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """And `junkdna claims` and `drops` read it."""
    world = Path(shutil.copytree(kinds_once.parents[2], tmp_path / "world"))
    folder = world / "results/studies/kinds"
    document = json.loads((folder / "study.json").read_text())
    document["study"]["claims"]["margin"] = 0.31
    (folder / "study-newer.json").write_text(json.dumps(document))
    list(archive_lines([folder], tmp_path / "again"))
    assert (tmp_path / "again/study.json").read_bytes() == (archive / "study.json").read_bytes()
    args = parser().parse_args(["claims", "--study", str(folder)])
    args.run(args)
    assert "0.31" not in capsys.readouterr().out


def test_days_are_in_the_order_of_the_calendar_and_may_be_unknown() -> None:
    days = [datetime(2026, month, day, tzinfo=UTC).timestamp() for month, day in ((12, 3), (11, 27), (11, 30))]
    assert _days(Footers(written=days)) == "cells of 27 November 2026 and 3 December 2026, from an archive"
    assert _days(Footers(written=days[:1])) == "cells of 3 December 2026, from an archive"
    assert _days(Footers()) == "from an archive"


def test_an_archive_without_days_says_none(kinds_once: Path, archive: Path, tmp_path: Path) -> None:
    """Tables of an earlier version record none, and the dates of the files may be those of a copy."""
    world = Path(shutil.copytree(kinds_once.parents[2], tmp_path / "world"))
    table = world / "results/studies/kinds/tables/cells.parquet"
    write_frame(pl.read_parquet(table), table)
    said = list(archive_lines([world / "results/studies/kinds"], tmp_path / "undated"))
    assert any(line.startswith("the day of 22 cells is not known") for line in said)
    assert set(read_archive(tmp_path / "undated").answers["day"]) == {""}
    assert provenance(inputs_of(tmp_path / "undated/tables", tmp_path / "undated")).date == ""
    list(findings(tmp_path / "undated", tmp_path / "out", [Path("page.md")], figures=False))
    assert "None" not in Path("page.md").read_text()
