"""`junkdna partial`: results of the finished cells only, marked as incomplete everywhere."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import drawing
import polars as pl
import pytest
import toy
import toy_run
from job_server import quick_python
from matplotlib.figure import Figure
from polars.testing import assert_frame_equal
from toy_studies import TEN_CELLS

from junkdna.analysis import collect, study_tables
from junkdna.cli import jobs, partial, table_jobs
from junkdna.dag.results import where
from junkdna.dag.state import log_path
from junkdna.errors import UserError
from junkdna.report import draw
from junkdna.report.plotting import layout
from junkdna.study import grid
from junkdna.study.cell import Cell
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved

FOLDER = Path("results/studies/toy/partial")
STAMP = "2026-01-02 03:04:05,678 "


@pytest.fixture
def resolved(ten_cells_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """The study in a copy of that world, which is the working folder."""
    monkeypatch.chdir(shutil.copytree(ten_cells_once, tmp_path / "world"))
    return toy_run.read()


@pytest.fixture(autouse=True)
def figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tests of what is drawn draw: one figure takes longer than all tables. Files of the others are empty."""
    if "svg_alone" not in request.fixturenames:
        monkeypatch.setattr(draw, "render", drawing.empty_figure)
        monkeypatch.setattr(Figure, "savefig", drawing.savefig_of())


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What figures say at their top."""
    said, real = [], layout.head_note
    monkeypatch.setattr(layout, "head_note", lambda fig, text: (said.append(text), real(fig, text)))
    return said


def cell_like(resolved: Resolved, *parts: str) -> Cell:
    [found] = [cell for cell in grid.all_cells(resolved) if all(part in f"/{cell.key}/" for part in parts)]
    return found


def drops_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "tables/drops.parquet")


def failed_log(message: str) -> str:
    return "".join(f"{STAMP}{line}\n" for line in ("started on far as process 1", message, "failed with exit code 2"))


@pytest.mark.usefixtures("svg_alone")
def test_partial_results_have_the_numbers_of_the_complete_study(resolved: Resolved, notes: list[str]) -> None:
    lost = cell_like(resolved, "/plain/", "/magnitude-0.9/")
    Path(lost.path).unlink()
    said = list(partial.partial(resolved))
    assert said[0].startswith("INCOMPLETE: 9 of 10 cells")
    assert f"missing: {lost.path}: not started" in said
    drops, complete = drops_of(FOLDER), pl.read_parquet("complete.parquet")
    rest = complete.filter(~((pl.col("knobs") == "") & (pl.col("compression") == "magnitude-0.9")))
    assert rest.height == complete.height - 1
    assert_frame_equal(drops.drop("incomplete", "seeds_missing"), rest)
    files = [FOLDER / f"tables/{name}" for name in ("cells.parquet", "claims.parquet")]
    texts = [pl.read_csv(FOLDER / f"tables/{name}.csv") for name in ("drops", "claims")]
    for table in (drops, *map(pl.read_parquet, files), *texts):
        assert table.columns[0] == "incomplete"
        assert set(table["incomplete"]) == {"9 of 10 cells; missing: colours magnitude-0.9 (1); see missing.csv"}
    missing = pl.read_csv(FOLDER / "tables/missing.csv")
    assert missing.rows() == [(lost.path, "missing", "context", "not started")]
    assert not set(drops["seeds_missing"]) - {0}
    drawn = {file.stem for file in FOLDER.glob("figures/*.png")}
    assert {"headline", "claims", "difficulty_context", "sparsity_context", "transfer_modes"} <= drawn
    assert len(notes) == len(drawn)
    of = {name: sum(stem.endswith(f"_{name}") for stem in drawn) for name in ("context", "modes")}
    assert all(note.startswith("INCOMPLETE: 9 of 10 cells") for note in notes)
    assert sum("Missing here: colours magnitude-0.9 (1)" in note for note in notes) == of["context"]
    assert sum("4 of 4 of modes. Missing elsewhere: colours magnitude-0.9 (1)" in note for note in notes) == of["modes"]
    assert not Path("results/studies/toy/tables").exists()


@pytest.mark.usefixtures("svg_alone")
def test_the_report_starts_with_the_missing_cells_and_the_reasons(resolved: Resolved) -> None:
    first, second = (cell_like(resolved, "/sparse/", f"/seed-{seed}/") for seed in (0, 1))
    for cell in (first, second):
        Path(cell.path).unlink()
        log_path(cell.path).parent.mkdir(parents=True, exist_ok=True)
        log_path(cell.path).write_text(failed_log("<b> ran out"))
    said = list(partial.partial(resolved))
    page = (FOLDER / "report.html").read_text()
    assert re.search(r"<title>INCOMPLETE: 8 of 10 cells", page)
    body = page.partition("<body>")[2]
    before, _, rest = body.partition('<section class="incomplete"')
    assert "<h1>" not in before
    banner = rest.partition("</section>")[0]
    assert "<strong>failed</strong> (2): &lt;b&gt; ran out" in banner
    assert first.key in banner
    assert second.key in banner
    assert "2 of 4 of modes" in banner
    assert "transfer_modes (only 2 of 4 cells of modes can be used)" in banner
    assert any(line.startswith("not drawn: transfer_modes") for line in said)
    assert f"failed: {first.path} and 1 more: <b> ran out" in said


def test_cells_without_their_dense_cell_are_named_and_left_out(resolved: Resolved) -> None:
    dense = cell_like(resolved, "/plain/", "/dense/none/")
    Path(dense.path).unlink()
    list(partial.partial(resolved))
    missing = pl.read_csv(FOLDER / "tables/missing.csv")
    assert dict(missing["state"].value_counts().iter_rows()) == {"missing": 1, "no dense cell": 2}
    assert all(dense.path in reason for reason in missing.filter(state="no dense cell")["reason"])
    assert set(drops_of(FOLDER).filter(task="colours")["knobs"]) == {"context=passage"}
    assert pl.read_parquet(FOLDER / "tables/cells.parquet").filter(knobs="", task="colours").height == 2


def test_a_row_of_some_seeds_says_so_and_pairs_equal_seeds(resolved: Resolved) -> None:
    Path(cell_like(resolved, "/sparse/", "/seed-0/").path).unlink()
    list(partial.partial(resolved))
    row = drops_of(FOLDER).filter(transfer="sparse").row(0, named=True)
    assert (row["n_seeds"], row["seeds_missing"]) == (1, 1)
    study = {**TEN_CELLS, "experiments": {"modes": {**TEN_CELLS["experiments"]["modes"], "seeds": [1]}}}
    toy.write_yaml(Path("one.yaml"), study)
    one = toy_run.read("one.yaml")
    compared = study_tables.study_tables(one, collect.collect(one))["drops"]
    alone = compared.filter(transfer="sparse").row(0, named=True)
    assert {name: row[name] for name in alone} == alone


def test_stale_broken_and_ended_cells_are_never_joined(resolved: Resolved) -> None:
    cut, damaged = cell_like(resolved, "/plain/", "/magnitude-0.9/"), cell_like(resolved, "passage/", "/magnitude-0.9/")
    Path(cut.path).write_bytes(Path(cut.path).read_bytes()[:-30])
    Path(damaged.path).write_bytes(Path(damaged.path).read_bytes().replace(b"accuracy", b"accuracz", 1))
    tasks = {**TEN_CELLS["tasks"], "mood": {**TEN_CELLS["tasks"]["mood"], "protocol": {"epochs": 3}}}
    toy.write_yaml(Path("config.yaml"), {**TEN_CELLS, "tasks": tasks})
    list(partial.partial(toy_run.read()))
    missing = pl.read_csv(FOLDER / "tables/missing.csv")
    assert dict(missing["state"].value_counts().iter_rows()) == {"broken": 2, "stale": 4}
    assert pl.read_parquet(FOLDER / "tables/cells.parquet").height == 4
    assert set(drops_of(FOLDER)["experiment"]) == {"context"}


def test_the_reason_is_that_of_the_job_before(resolved: Resolved) -> None:
    for cell in grid.all_cells(resolved):
        if cell.task == "mood":
            Path(cell.path).unlink()
    file = "results/examples/mood/evaluate.parquet"
    Path(file).unlink()
    log_path(file).parent.mkdir(parents=True, exist_ok=True)
    log_path(file).write_text(failed_log("mood.csv is broken"))
    said = list(partial.partial(resolved))
    end = f"and 3 more: not started: the job for {file} failed: mood.csv is broken"
    assert any(line.endswith(end) for line in said)


DIFFICULTY = {"title": "thing", "source": "made up", "from": "q", "pattern": "the (.*) \\?",
              "bins": {"wood": ["tree", "field"], "animals": ["fox", "wolf"]}}  # fmt: skip
RATED = Path("results/examples/colours/difficulty.parquet")


def rated(**keys: str) -> Resolved:
    """The study with a published difficulty of its task of colors. No cell depends on it."""
    toy.write_yaml(Path("tasks/colours.yaml"), {**toy.CHOICE_TASK, "difficulty": {**DIFFICULTY, **keys}})
    return toy_run.read()


def make_rated(resolved: Resolved) -> None:
    jobs.examples(RATED, example_settings("colours", "difficulty", resolved))


def missing_rows() -> list[tuple]:
    return pl.read_csv(FOLDER / "tables/missing.csv").rows()


def test_a_difficulty_that_was_never_made_leaves_out_its_rows_only(resolved: Resolved, notes: list[str]) -> None:
    log_path(str(RATED)).parent.mkdir(parents=True, exist_ok=True)
    log_path(str(RATED)).write_text(failed_log("colours.parquet has no column 'grdae'"))
    said = list(partial.partial(rated(**{"from": "grdae"})))
    assert said[0].startswith("INCOMPLETE: 10 of 10 cells, without the difficulty of colours (")
    reason = f"{RATED} does not exist, because its job failed: colours.parquet has no column 'grdae'"
    assert [line for line in said if "difficulty.parquet" in line] == [f"no difficulty: {reason}"]
    complete = pl.read_parquet("complete.parquet")
    assert_frame_equal(drops_of(FOLDER).drop("incomplete", "seeds_missing"), complete)
    assert set(drops_of(FOLDER)["incomplete"]) == {"10 of 10 cells; missing: difficulty of colours; see missing.csv"}
    assert pl.read_parquet(FOLDER / "tables/difficulty.parquet").is_empty()
    assert missing_rows() == [(str(RATED), "no difficulty", "context", reason)]
    assert all(note.endswith("difficulty of colours.") for note in notes)
    banner = (FOLDER / "report.html").read_text().partition("<body>")[2].partition("</section>")[0]
    assert "<strong>no difficulty</strong>: results/examples/colours/difficulty.parquet does not exist" in banner


def test_a_difficulty_without_a_log_names_the_command_that_makes_it(resolved: Resolved) -> None:
    said = list(partial.partial(rated()))
    [line] = [line for line in said if line.startswith("no difficulty")]
    assert line.startswith(f"no difficulty: {RATED} does not exist")
    assert "snakemake" in line


def test_stale_and_corrupt_difficulties_are_left_out_and_named(resolved: Resolved) -> None:
    make_rated(rated())
    said = list(partial.partial(rated(pattern="(fox|wolf|tree)")))
    [stale] = [line for line in said if line.startswith("no difficulty")]
    assert stale.startswith(f"no difficulty: {RATED} was made from other settings")
    assert "\n" not in stale
    assert pl.read_parquet(FOLDER / "tables/difficulty.parquet").is_empty()
    RATED.write_bytes(RATED.read_bytes()[:-30])
    said = list(partial.partial(rated()))
    [corrupt] = [line for line in said if line.startswith("no difficulty")]
    assert corrupt.startswith(f"no difficulty: {RATED} is a corrupt file of examples")


def test_a_usable_difficulty_is_in_the_tables_of_the_finished_cells(resolved: Resolved) -> None:
    study = rated()
    make_rated(study)
    said = list(partial.partial(study))
    assert said[0] == "all 10 cells are done; nothing is missing"
    Path(cell_like(resolved, "/sparse/", "/seed-0/").path).unlink()
    said = list(partial.partial(study))
    assert not [line for line in said if line.startswith("no difficulty")]
    assert set(pl.read_parquet(FOLDER / "tables/difficulty.parquet")["bin"]) == {"wood", "animals"}


def test_a_difficulty_that_is_made_meanwhile_is_used(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    study, real, calls = rated(), study_tables.study_tables, []

    def make_and_compare(*arguments: object, **more: object) -> dict[str, pl.DataFrame]:
        calls.append(make_rated(study))
        return real(*arguments, **more)

    monkeypatch.setattr(study_tables, "study_tables", make_and_compare)
    assert next(partial.partial(study)) == "all 10 cells are done; nothing is missing"
    assert len(calls) == 1


def test_the_lines_of_results_name_every_table(resolved: Resolved) -> None:
    Path(cell_like(resolved, "/sparse/", "/seed-0/").path).unlink()
    [line] = [line for line in partial.partial(resolved) if line.startswith("tables ")]
    written = {file.name for file in (FOLDER / "tables").iterdir() if file.suffix == ".csv"} - {"missing.csv"}
    assert {*re.findall(r"\w+\.csv", line)} == written
    [line] = [line for line in where(resolved) if line.startswith("tables ")]
    assert {*re.findall(r"\w+\.csv", line)} == written


def test_nothing_to_join_is_one_error(resolved: Resolved) -> None:
    for cell in grid.all_cells(resolved):
        if cell.compression.method == "dense":
            Path(cell.path).unlink()
    with pytest.raises(UserError, match="6 of 10 cells of study toy are done, but none of them has a finished dense"):
        list(partial.partial(resolved))
    shutil.rmtree("results/cells")
    with pytest.raises(UserError, match=r"none of the 10 cells of study toy is done:\n") as caught:
        list(partial.partial(resolved))
    assert str(caught.value).endswith("For the progress of the study, run: junkdna status")
    assert not FOLDER.exists()


def test_a_complete_study_leaves_nothing_partial(resolved: Resolved) -> None:
    FOLDER.mkdir(parents=True)
    said = list(partial.partial(resolved))
    assert said[0] == "all 10 cells are done; nothing is missing"
    assert not FOLDER.exists()
    assert not list(FOLDER.parent.glob(".partial*"))


def test_the_report_of_the_complete_study_removes_the_partial_folder(resolved: Resolved) -> None:
    lost = Path(cell_like(resolved, "/sparse/", "/seed-0/").path)
    aside = lost.rename("aside")
    list(partial.partial(resolved))
    aside.rename(lost)
    folder = FOLDER.parent
    document = toy_run.document(resolved)
    cells, drops = folder / "tables/cells.parquet", folder / "tables/drops.parquet"
    table_jobs.collect(cells, document)
    table_jobs.analyze(folder / "tables", document, cells)
    draw.draw_all(drops, folder / "figures")
    command = [quick_python(), "-m", "junkdna", "report", str(folder / "report.html"), "--study", str(document)]
    subprocess.run([*command, "--tables", folder / "tables"], check=True)
    assert {file.name for file in folder.iterdir()} == {"tables", "figures", "report.html"}
    assert_frame_equal(pl.read_parquet(drops), pl.read_parquet("complete.parquet"))


def test_a_cell_that_is_replaced_meanwhile_is_read_again(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, other = cell_like(resolved, "/sparse/", "/seed-0/"), cell_like(resolved, "/sparse/", "/seed-1/")
    Path(lost.path).unlink()
    real, calls = study_tables.study_tables, []

    def delete_and_compare(*arguments: object, **more: object) -> dict[str, pl.DataFrame]:
        calls.append(1)
        if len(calls) == 1:
            Path(other.path).unlink()  # a run has started to recompute it
        return real(*arguments, **more)

    monkeypatch.setattr(study_tables, "study_tables", delete_and_compare)
    said = list(partial.partial(resolved))
    assert len(calls) == 2
    assert said[0].startswith("INCOMPLETE: 8 of 10 cells")
    assert drops_of(FOLDER).filter(transfer="sparse").is_empty()

    def always(*arguments: object, **more: object) -> dict[str, pl.DataFrame]:
        os.utime(cell_like(resolved, "/plain/", "/dense/none/").path)
        return real(*arguments, **more)

    monkeypatch.setattr(study_tables, "study_tables", always)
    with pytest.raises(UserError, match="an active run replaced cells"):
        list(partial.partial(resolved))
    assert drops_of(FOLDER).height


def test_a_study_that_is_completed_meanwhile_stays_without(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(cell_like(resolved, "/sparse/", "/seed-0/").path).unlink()
    real = partial._write
    monkeypatch.setattr(
        partial, "_write", lambda *args: (real(*args), Path("results/studies/toy/report.html").write_text("whole"))[0]
    )
    with pytest.raises(UserError, match="was completed meanwhile"):
        list(partial.partial(resolved))
    assert not FOLDER.exists()


def test_the_command_for_another_study_and_again(resolved: Resolved) -> None:
    toy.write_yaml(Path("my study.yaml"), {**TEN_CELLS, "study": "mine"})
    lost = Path(cell_like(resolved, "/plain/", "/magnitude-0.9/").path)
    aside = lost.rename("aside")
    command = [quick_python(), "-m", "junkdna", "partial", "--study", "my study.yaml"]
    for used in (9, 8):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"INCOMPLETE: {used} of 10 cells")
        assert "results/studies/mine/partial/report.html" in done.stdout
        Path(cell_like(resolved, "/sparse/", "/seed-0/").path).unlink(missing_ok=True)
    assert {file.name for file in Path("results/studies/mine/partial").iterdir()} == {
        "tables", "figures", "report.html", "study.json",
    }  # fmt: skip
    aside.rename(lost)
    chosen = subprocess.run([*command, "--experiments", "context"], capture_output=True, text=True, check=False)
    assert chosen.stdout.startswith("all 6 cells are done; nothing is missing\n")
    assert "--config 'study_file=my study.yaml' 'run=[\"context\"]'" in chosen.stdout


def test_the_complete_join_still_refuses_missing_cells(resolved: Resolved) -> None:
    joined = collect.collect(resolved)
    with pytest.raises(KeyError):
        study_tables.study_tables(resolved, joined.head(9))
    Path(cell_like(resolved, "/sparse/", "/seed-0/").path).unlink()
    with pytest.raises(UserError, match="1 of 10 cells cannot be joined"):
        collect.collect(resolved)
