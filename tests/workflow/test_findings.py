"""The committed findings are those of the committed archive: `make findings` would change nothing."""

from pathlib import Path

import pytest
from project import ROOT

from junkdna.analysis.archive_files import is_archive
from junkdna.cli.findings import check, findings

ARCHIVE = ROOT / "docs/findings"
MOST_BYTES = 5_000_000
ARCHIVES = sorted(file.parent for file in (ROOT / "docs").rglob("archive.json"))


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The pages with blocks; skips until an archive is committed."""
    if not is_archive(ARCHIVE):
        pytest.skip("no findings are committed in docs/findings yet")
    monkeypatch.chdir(ROOT)
    return [Path("docs/findings.md"), Path("docs/lab-study.md"), Path("README.md")]


def test_every_block_is_what_the_archive_says(pages: list[Path]) -> None:
    assert not list(check(ARCHIVE.relative_to(ROOT), pages))


def test_the_archive_is_small(pages: list[Path]) -> None:
    assert sum(path.stat().st_size for path in ARCHIVE.rglob("*") if path.is_file()) <= MOST_BYTES


@pytest.mark.long
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda folder: str(folder.relative_to(ROOT / "docs")))
def test_an_archive_gives_its_tables_again(archive: Path, tmp_path: Path) -> None:
    """On whatever processor this runs; the archives were computed on others."""
    said = list(findings(archive, tmp_path, [], figures=False))
    assert said == [f"tables   {tmp_path}/tables/  (the same numbers as in the archive)"]


def test_make_findings_names_the_archive_and_the_pages() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "junkdna findings docs/findings --page docs/findings.md docs/lab-study.md README.md" in makefile
