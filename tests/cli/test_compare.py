"""`junkdna compare` as people call it."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from figure_tables import Condition, drops_table
from made_logs import choices, write_rows
from page_tables import claims_table, write_inputs
from study_folders import STUDY, chance_of, write_study

from junkdna.analysis.compared_columns import COMPARED
from junkdna.analysis.result_columns import _words
from junkdna.cli import compare as command
from junkdna.cli import grade
from junkdna.cli.compare import Options, compare
from junkdna.cli.main import parser
from junkdna.compare.page_provenance import _writer
from junkdna.errors import UserError
from junkdna.grade.answers import Reading
from junkdna.report.page import provenance
from junkdna.report.page.write import write_report

ONE, TWO = Path("results/studies/one"), Path("results/studies/two")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Two studies in one folder; the second one loses more."""
    root = tmp_path_factory.mktemp("world")
    write_study(root)
    write_study(root, {**STUDY, "study": "two"}, lambda cell: chance_of(cell) - 0.3 * cell.compression.nominal_sparsity)
    return root


@pytest.fixture(scope="module")
def done(world: Path) -> subprocess.CompletedProcess:
    words = [sys.executable, "-m", "junkdna", "compare", str(ONE), str(TWO)]
    return subprocess.run(words, capture_output=True, text=True, cwd=world, check=False)


@pytest.fixture
def inside(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


def test_it_prints_the_largest_differences_and_where_the_page_is(done) -> None:
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        f"A: one  ({ONE}, 5 cells)", f"B: two  ({TWO}, 5 cells)", "matched by the complete key of the cells"
    ]  # fmt: skip
    assert lines[4].split()[:2] == ["condition", "compression"]
    shown = [float(line.split("%", 1)[1].split()[2]) for line in lines[5:8]]
    assert shown == sorted(shown, reverse=True)
    assert "report   results/compare/one-vs-two/report.html" in lines


def test_it_writes_one_page_figures_and_tables(world: Path, done) -> None:
    out = world / "results/compare/one-vs-two"
    assert {file.name for file in out.iterdir()} == {"report.html", "figures", "tables", "comparison.json"}
    assert {file.suffix for file in (out / "figures").iterdir()} == {".pdf", ".svg", ".png", ".csv"}
    assert json.loads((out / "comparison.json").read_text())["compared"] == [str(ONE), str(TWO)]
    for name, described in COMPARED.items():
        table = pl.read_parquet(out / f"tables/{name}.parquet")
        assert [(each, _words(kind)) for each, kind in table.schema.items()] == [
            (column.name, column.type) for column in described.columns
        ]
        assert pl.read_csv(out / f"tables/{name}.csv").columns == table.columns
    assert not [*out.parent.glob(".*")]


def test_the_page_says_where_everything_comes_from(world: Path, done) -> None:
    page = (world / "results/compare/one-vs-two/report.html").read_text(encoding="utf-8")
    assert f"<pre>junkdna compare {ONE} {TWO}</pre>" in page
    assert page.count("snakemake --cores all --config study_file=results/studies/") == 2
    assert "python 3.11.7, torch 2.13.0" in page
    assert len(page) < 1_000_000


@pytest.mark.long
def test_the_same_folders_give_the_same_bytes(inside: Path, done) -> None:
    out = inside / "results/compare/one-vs-two"
    before = {file: file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}
    list(compare(ONE, TWO, Options()))
    assert {file: file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()} == before


def test_the_commit_of_a_report_is_read_from_its_page(tmp_path: Path, monkeypatch) -> None:
    condition = Condition(task="a", knobs="", label="A", chance=0.25, dense=0.8, half=0.5, levels=(0.5,))
    tables, study = write_inputs(tmp_path, drops_table([condition]), claims_table())
    monkeypatch.setattr(provenance, "_commit", lambda folder: "abc123")
    write_report(tables, study, tmp_path / "report.html")
    assert _writer(SimpleNamespace(folder=tmp_path)).endswith(", commit abc123")
    assert _writer(SimpleNamespace(folder=tmp_path / "none")) == ""


def test_a_failure_leaves_nothing_behind(inside: Path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(command, "_write", fail)
    with pytest.raises(UserError, match="disk"):
        list(compare(ONE, TWO, Options(out=Path("failed"))))
    assert not Path("failed").exists()
    assert not [*inside.glob(".failed*")]


def test_other_files_are_never_replaced(inside: Path) -> None:
    Path("mine").mkdir(exist_ok=True)
    Path("mine/thesis.txt").write_text("years")
    with pytest.raises(UserError, match="did not write"):
        list(compare(ONE, TWO, Options(out=Path("mine"))))
    assert [file.name for file in Path("mine").iterdir()] == ["thesis.txt"]


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws no files of figures, which take most of the time."""
    monkeypatch.setattr("junkdna.report.draw.render", lambda drawing: None)
    monkeypatch.setattr("junkdna.report.plotting.layout.save", lambda figure, stem: [])


def test_options_of_the_command_line_are_parsed(inside: Path, no_figures, capsys) -> None:
    words = ["compare", str(ONE), str(ONE), "--a", "method=magnitude", "--b", "method=random", "--ignore", "seed"]
    args = parser().parse_args(words)
    args.run(args)
    assert "matched by the key of the cells without method, options and seed" in capsys.readouterr().out
    page = Path("results/compare/one-magnitude-vs-one-random/report.html").read_text(encoding="utf-8")
    assert f"junkdna compare {ONE} {ONE} --ignore seed --a method=magnitude --b method=random" in page


def test_a_wrong_choice_says_how_to_write_it(inside: Path) -> None:
    args = parser().parse_args(["compare", str(ONE), str(ONE), "--a", "magnitude"])
    with pytest.raises(UserError, match="must be PART=VALUE"):
        args.run(args)


def test_graded_logs_of_two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figures) -> None:
    """Methods that only the names of the logs know are named after them."""
    monkeypatch.setattr(grade, "_write_page", lambda notes, lacking: None)
    monkeypatch.chdir(tmp_path)
    for model, skill in (("x", 4.0), ("y", 3.0)):
        for name, lost in (("dense", 0.0), ("pruned", 2.0)):
            write_rows(tmp_path / model / name, "quiz", choices(60, 1, skill - lost), version=1, shots=0)
        logs = [f"shrink-0.5={model}/pruned"]
        list(grade.grade(f"{model}={model}/dense", logs, Reading({}, (), "", "", None), grade.Options()))
    lines = list(compare(Path("results/graded/x"), Path("results/graded/y"), Options()))
    assert "matched by the key of the cells without model" in lines
    table = pl.read_parquet("results/compare/x-vs-y/tables/differences.parquet")
    assert table["compression_a"].to_list() == ["dense", "shrink-0.5"]
    assert set(table["interval"]) == {"paired"}
    assert any("shrink 50 %" in line for line in lines)
