"""`junkdna plan --list --not-in`: what a run on another machine has to add to an archive."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import toy
import toy_archive
from toy_archive import piece

from junkdna.analysis.archive_sources import open_source
from junkdna.cli.cells_left import cells_not_in
from junkdna.cli.main import parser
from junkdna.errors import UserError
from junkdna.report.archive import write_archive
from junkdna.report.archive_merge import one_study
from junkdna.study.grid import all_cells
from junkdna.study.load import load_study, study_document

Pieces = tuple[Path, Path]


def run(*words: str) -> int | None:
    args = parser().parse_args(words)
    return args.run(args)


@pytest.fixture
def pieces(kinds_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pieces:
    """An archive of two experiments without their second seed, and results of the third, in the study's folder."""
    monkeypatch.chdir(shutil.copytree(kinds_once.parents[2], tmp_path / "world"))
    results = piece(Path("results/studies/kinds").absolute(), Path("results/studies/third").absolute(), ["trained"])
    some = piece(Path("results/studies/kinds").absolute(), Path("results/studies/some").absolute(),
                 ["written", "graded"], "seed-1")  # fmt: skip
    write_archive([open_source(some)], tmp_path / "archive", "the test")
    return tmp_path / "archive", results


def test_the_cells_that_no_folder_has_are_listed(pieces: Pieces, capsys: pytest.CaptureFixture[str]) -> None:
    every = [cell.path for cell in all_cells(load_study(Path("config.yaml")))]
    there = {f"results/cells/{cell}.parquet" for folder in pieces for cell in open_source(folder).cells["cell"]}
    wanted = [path for path in every if path not in there]
    assert 0 < len(wanted) < len(every)
    assert {Path(path).stem for path in wanted} == {"seed-1"}
    assert not run("plan", "--list", "--not-in", *map(str, pieces))
    assert capsys.readouterr().out.splitlines() == wanted


def test_a_piece_of_the_listed_cells_completes_the_archive(pieces: Pieces) -> None:
    resolved = load_study(Path("config.yaml"))
    left = [*cells_not_in(resolved, pieces)]
    whole = open_source(Path("results/studies/kinds"))
    rest = whole.cells.filter(pl.format("results/cells/{}.parquet", "cell").is_in(left))
    assert rest.height == len(left)
    assert rest.height + sum(open_source(folder).cells.height for folder in pieces) == whole.cells.height


def test_nothing_is_listed_if_nothing_is_left(pieces: Pieces) -> None:
    assert [*cells_not_in(load_study(Path("config.yaml")), [Path("results/studies/kinds")])] == []


def test_an_archive_of_another_study_is_refused(pieces: Pieces) -> None:
    study = toy_archive.study(Path.cwd())
    study["experiments"]["graded"]["seeds"] = [0, 1, 2]
    toy.write_yaml(Path("more_seeds.yaml"), study)
    with pytest.raises(UserError, match=r"more_seeds\.yaml are of different studies: they differ in study experiments"):
        cells_not_in(load_study(Path("more_seeds.yaml")), pieces)
    toy.write_yaml(Path("other.yaml"), study | {"study": "other", "bootstrap": 101})
    with pytest.raises(UserError, match=r"different studies: they differ in their names, '\w+' and 'other'\. Pieces"):
        cells_not_in(load_study(Path("other.yaml")), pieces)


def test_it_needs_list(pieces: Pieces) -> None:
    with pytest.raises(UserError, match=f"Run: junkdna plan --list --not-in {pieces[0]}"):
        run("plan", "--not-in", str(pieces[0]))


def test_a_study_that_has_grown_is_the_same_study(pieces: Pieces) -> None:
    """Experiments, tasks and models may be added later: the archived cells still count."""
    study = toy_archive.study(Path.cwd())
    more = {**study["experiments"]["graded"], "seeds": [7], "title": "Another seed"}
    toy.write_yaml(Path("grown.yaml"), study | {"experiments": {**study["experiments"], "again": more}})
    grown = load_study(Path("grown.yaml"))
    left = {*cells_not_in(grown, pieces)}
    before = {*cells_not_in(load_study(Path("config.yaml")), pieces)}
    assert before < left
    assert {Path(path).stem for path in left - before} == {"seed-7"}


def test_a_merged_study_has_the_entries_of_all(pieces: Pieces) -> None:
    study = study_document(load_study(Path("config.yaml")))["study"]
    more = {**study, "experiments": {**study["experiments"], "extra": {"title": "Extra"}}}
    one, two = {"study": study, "tasks": {"a": {}}}, {"study": more, "tasks": {"b": {}}}
    sources = [SimpleNamespace(folder=Path(name), document=each) for name, each in (("one", one), ("two", two))]
    joined = one_study(sources)
    assert {*joined["study"]["experiments"]} == {*study["experiments"], "extra"}
    assert {*joined["tasks"]} == {"a", "b"}
    two["tasks"]["a"] = {"kind": "pair"}
    two["study"]["experiments"] = {name: {} for name in two["study"]["experiments"]}
    with pytest.raises(UserError, match=r"differ in study experiments\.\w+, .*tasks a\. Pieces"):
        one_study(sources)
