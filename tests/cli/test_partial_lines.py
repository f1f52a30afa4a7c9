"""`junkdna partial` of a study with lines between trained cells: missing lines are counted, named and left out."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
import toy_connections

from junkdna.analysis import study_tables
from junkdna.cli import partial
from junkdna.dag.gaps import missing
from junkdna.dag.line_gaps import unusable_lines
from junkdna.dag.state import log_path
from junkdna.report.plotting import layout
from junkdna.study.connections import all_connections
from junkdna.study.study import Resolved

pytestmark = pytest.mark.usefixtures("svg_alone")
FOLDER = Path("results/studies/toy/partial")
LOG = ("started on far as process 1", "the GPU is full", "failed with exit code 2")
FAILED = "".join(f"2026-01-02 03:04:05,678 {line}\n" for line in LOG)


@pytest.fixture
def resolved(lines_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    monkeypatch.chdir(shutil.copytree(lines_once, tmp_path / "world"))
    return toy_connections.read()


def missing_rows() -> list[tuple]:
    return pl.read_csv(FOLDER / "tables/missing.csv").rows()


def alphas(transfer: str) -> int:
    return pl.read_parquet(FOLDER / "tables/connectivity.parquet").filter(transfer=transfer).height


def test_nothing_is_missing_when_all_lines_are_scored(resolved: Resolved) -> None:
    assert next(partial.partial(resolved)) == "all 4 cells and 3 lines are done; nothing is missing"


def test_missing_lines_are_counted_named_and_left_out(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    real = layout.head_note
    monkeypatch.setattr(layout, "head_note", lambda fig, text: (notes.append(text), real(fig, text)))
    first, second, control = all_connections(resolved)
    Path(first.path).unlink()
    Path(control.path).unlink()
    log_path(control.path).parent.mkdir(parents=True, exist_ok=True)
    log_path(control.path).write_text(FAILED)
    said = list(partial.partial(resolved))
    assert said[0].startswith("INCOMPLETE: 4 of 4 cells, 1 of 3 lines (")
    assert f"missing: {first.path}: not started" in said
    assert f"failed: {control.path}: the GPU is full" in said
    assert missing_rows() == [
        (first.path, "missing", "lines", "not started"), (control.path, "failed", "lines", "the GPU is full"),
    ]  # fmt: skip
    where = "lines to mood magnitude-0.5 sparse (1), mood dense (1)"
    assert set(pl.read_parquet(FOLDER / "tables/drops.parquet")["incomplete"]) == {
        f"4 of 4 cells, 1 of 3 lines; missing: {where}; see missing.csv"
    }
    assert notes
    assert all("Missing" in note and where in note for note in notes)
    assert (alphas("sparse"), alphas("dense")) == (5, 0)
    table = pl.read_parquet(FOLDER / "tables/connectivity.parquet")
    assert set(table["seeds"]) == {f"{second.start.seed}-{second.end.seed}"}
    page = (FOLDER / "report.html").read_text().partition("<body>")[2].partition("</section>")[0]
    assert f"<strong>failed</strong> (lines between cells, 1): the GPU is full<br><code>{control.path}</code>" in page
    assert "4 of 4 of lines with 1 of 3 lines" in page


def test_without_any_line_their_figure_is_not_drawn_and_says_so(resolved: Resolved) -> None:
    shutil.rmtree("results/connectivity")
    said = list(partial.partial(resolved))
    assert "not drawn: connectivity_lines (only 0 of 3 lines of lines can be used)" in said
    assert said[1] == f"missing: {all_connections(resolved)[0].path} and 2 more: not started"


def test_stale_and_broken_lines_and_those_of_missing_cells(resolved: Resolved) -> None:
    first, second, control = all_connections(resolved)
    file = Path(first.path)
    file.write_bytes(file.read_bytes()[:-30])
    shutil.copy(control.path, second.path)
    Path(control.path).unlink()
    Path(control.end.path).unlink()
    gaps = missing(resolved, {control.end.path: "missing"}, [], unusable_lines(resolved))
    lines = {gap.connection.path: (gap.state, gap.reason) for gap in gaps.lines}
    assert lines[first.path] == ("broken", "its file is corrupt; delete it and rerun")
    assert lines[second.path][0] == "stale"
    assert lines[control.path] == ("missing", f"not started: its cell is missing: {control.end.path}")


def test_a_line_that_is_replaced_meanwhile_is_read_again(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = all_connections(resolved)
    Path(first.path).unlink()
    real, calls = study_tables.study_tables, []

    def replaced_and_compared(*arguments: object, **more: object) -> dict[str, pl.DataFrame]:
        calls.append(1)
        if len(calls) == 1:
            os.utime(second.path)
        return real(*arguments, **more)

    monkeypatch.setattr(study_tables, "study_tables", replaced_and_compared)
    joined = partial._join(resolved)
    assert len(calls) == 2
    assert joined.lines == {first: "missing"}
