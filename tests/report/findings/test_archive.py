"""An archive has the numbers of its study, exactly, and nothing that is not needed for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from polars.testing import assert_frame_equal
from toy_archive import piece

import junkdna
from junkdna.analysis.archive_files import read_archive
from junkdna.analysis.archive_sources import open_source
from junkdna.analysis.archived_answers import FROM_SCORES, Analysis, with_stored
from junkdna.analysis.result_columns import RESULTS
from junkdna.cli.archive import archive as archive_lines
from junkdna.cli.findings import findings
from junkdna.cli.partial import partial
from junkdna.errors import UserError
from junkdna.report import draw
from junkdna.report.archive import write_archive
from junkdna.report.page import write
from junkdna.storage.checksums import sha256_file
from junkdna.storage.tables import write_frame
from junkdna.study.load import load_study


def tables_of(folder: Path) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(folder / f"tables/{name}.parquet") for name in RESULTS}


def test_all_tables_are_those_of_the_cell_files_bit_by_bit(kinds_once: Path, archive: Path) -> None:
    wanted = tables_of(kinds_once)
    assert set(wanted["drops"]["metric"]) == {
        "accuracy", "exact_match", "log2_likelihood_per_byte", "matthews", "pearson",
    }  # fmt: skip
    assert set(wanted["difficulty"]["bin"]) == {"wood", "animals"}
    again = Analysis(read_archive(archive)).tables()
    for name, table in wanted.items():
        assert_frame_equal(again[name], table, check_exact=True)
        assert_frame_equal(pl.read_parquet(archive / f"tables/{name}.parquet"), table, check_exact=True)
    cells = pl.read_parquet(kinds_once / "tables/cells.parquet")
    assert_frame_equal(pl.read_parquet(archive / "tables/cells.parquet"), cells, check_exact=True)


def test_only_what_needs_option_scores_is_taken_from_the_stored_table(archive: Path) -> None:
    """A wrong stored table cannot change what is computed again, and the rest is null without it."""
    analysis = Analysis(read_archive(archive))
    wanted = analysis.tables()["behavior"]
    empty = with_stored(wanted, wanted.clear())
    assert empty.select(FROM_SCORES).null_count().row(0) == (wanted.height,) * len(FROM_SCORES)
    assert_frame_equal(empty.drop(FROM_SCORES), wanted.drop(FROM_SCORES))
    one_seed = wanted.with_columns(n_seeds=pl.lit(1, pl.Int64), kl_divergence=7.0)
    taken = with_stored(wanted, one_seed)
    assert set(taken.filter(pl.col("n_seeds") > 1)["kl_divergence"]) == {None}
    assert set(taken.filter(pl.col("n_seeds") == 1)["kl_divergence"]) == {7.0}


def test_the_same_results_give_the_same_bytes_through_an_archive_too(
    kinds_once: Path, archive: Path, tmp_path: Path
) -> None:
    write_archive([open_source(kinds_once)], tmp_path / "again", "the test")
    write_archive([open_source(archive)], tmp_path / "copy", "the test")
    for file in sorted(path for path in archive.rglob("*") if path.is_file()):
        for other in ("again", "copy"):
            assert file.read_bytes() == (tmp_path / other / file.relative_to(archive)).read_bytes(), file


def test_it_has_no_absolute_path_and_no_text_of_an_example(kinds_once: Path, archive: Path) -> None:
    assert str(kinds_once.parents[2]) in (kinds_once / "study.json").read_text()
    for file in archive.rglob("*"):
        if file.is_file():
            assert str(kinds_once.parents[2]).encode() not in file.read_bytes(), file
    assert json.loads((archive / "study.json").read_text())["study"]["tasks"]["alike"]["folder"] == "data"
    assert "text" not in read_archive(archive).questions.columns


def test_rows_of_examples_are_those_of_the_cell_files(kinds_once: Path, archive: Path) -> None:
    stored, packed = junkdna.open_results(kinds_once), junkdna.open_results(archive)
    names = ["cell", "id", "gold", "prediction", "correct", "cluster"]
    for task in ("colours", "hues", "degree", "alike"):
        rows = [each.examples(task=task).select(names).collect() for each in (stored, packed)]
        for name in names:
            if name != "correct" or task != "degree":
                assert rows[0][name].equals(rows[1][name]), (task, name)
    assert packed.examples(task="colours").collect()["bin"].null_count() < 60 * 12
    written = [each.examples(task="named").select("id", "correct").collect() for each in (stored, packed)]
    assert_frame_equal(*written)
    assert set(packed.figure_names()) == set(stored.figure_names())
    with pytest.raises(UserError, match=r"no cell of .* matches"):
        packed.examples(task="nothing")


def test_pieces_of_a_study_are_one_study(kinds_once: Path, archive: Path, tmp_path: Path) -> None:
    """A partial piece, one that is an archive already, and one that has some cells again."""
    studies = kinds_once.parent
    parts = [("one", ["written", "graded"], "seed-1"), ("two", ["trained"], ""), ("three", ["graded"], "")]
    folders = [piece(kinds_once, studies / f"piece-{name}", chosen, drop) for name, chosen, drop in parts]
    write_archive([open_source(folders[1])], tmp_path / "two", "the test")
    folders[1] = tmp_path / "two"
    try:
        said = list(archive_lines(folders, tmp_path / "all"))
    finally:
        for name in ("one", "two", "three"):
            shutil.rmtree(studies / f"piece-{name}")
    assert said[0].startswith("archived 22 of 22 cells of the study")
    assert any(", 0 of them with other answers" in line for line in said)
    again, wanted = Analysis(read_archive(tmp_path / "all")).tables(), tables_of(kinds_once)
    for name in ("drops", "claims", "difficulty", "reproduction"):
        assert_frame_equal(again[name], wanted[name], check_exact=True)
    assert_frame_equal(again["behavior"].drop(FROM_SCORES), wanted["behavior"].drop(FROM_SCORES), check_exact=True)


def test_what_junkdna_partial_wrote_is_an_archive_with_missing_cells(
    kinds_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    monkeypatch.setattr(draw, "names", lambda _: ["headline"])
    monkeypatch.setattr(write, "figure_names", lambda _: ["headline"])
    monkeypatch.chdir(shutil.copytree(kinds_once.parents[2], tmp_path / "world"))
    for file in Path("results/cells").rglob("seed-1.parquet"):
        file.unlink()
    list(partial(load_study(Path("config.yaml"))))
    folder = Path("results/studies/kinds/partial")
    notes = [
        pl.read_parquet(each / "tables/cells.parquet").select("cell", "rows_note") for each in (folder, kinds_once)
    ]
    assert_frame_equal(notes[0], notes[1].join(notes[0], on="cell", how="semi", maintain_order="left"))
    said = list(archive_lines([folder], tmp_path / "some"))
    assert said[0].startswith("archived 16 of 22 cells of the study")
    analysis = Analysis(read_archive(tmp_path / "some"))
    assert analysis.missing == 6
    for name, table in analysis.tables().items():
        wanted = pl.read_parquet(folder / f"tables/{name}.parquet").drop("incomplete", "seeds_missing", strict=False)
        assert_frame_equal(table, wanted, check_exact=True)
    list(findings(tmp_path / "some", tmp_path / "again", []))
    page = (tmp_path / "again/report.html").read_text()
    assert "<title>INCOMPLETE: 16 of 22 cells" in page
    assert "16 of 22 cells are in it" in page


def test_other_studies_are_not_pieces(kinds_once: Path, archive: Path, tmp_path: Path) -> None:
    other = piece(kinds_once, kinds_once.parent / "other", ["graded"])
    try:
        document = json.loads((other / "study.json").read_text())
        document["study"]["claims"]["margin"] = 0.1
        (other / "study.json").write_text(json.dumps(document))
        with pytest.raises(UserError, match=r"are of different studies: they differ in study claims"):
            list(archive_lines([archive, other], tmp_path / "both"))
    finally:
        shutil.rmtree(other)
    assert not (tmp_path / "both").exists()


def test_a_missing_cell_file_is_named_and_nothing_is_left(kinds_once: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    shutil.copytree(kinds_once.parents[2], world)
    gone = next(world.glob("results/cells/llm/hues/*/*/*/*/*.parquet"))
    gone.unlink()
    with pytest.raises(UserError, match=str(gone.relative_to(world))):
        list(archive_lines([world / "results/studies/kinds"], tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["world"]


def test_results_without_cell_files_or_tables_are_refused(kinds_once: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(kinds_once, tmp_path / "alone")
    with pytest.raises(UserError, match=r"there is no results/cells beside it"):
        list(archive_lines([alone], tmp_path / "out"))
    shutil.copytree(kinds_once / "tables", tmp_path / "half/partial/tables")
    with pytest.raises(UserError, match=r"neither results nor an archive\. The finished cells are in .*half/partial"):
        list(archive_lines([tmp_path / "half"], tmp_path / "out"))
    with pytest.raises(UserError, match=r"--out .*alone has files and is no archive"):
        list(archive_lines([kinds_once], alone))


def test_a_changed_file_is_noticed(archive: Path) -> None:
    file = archive / "answers.parquet"
    file.write_bytes(file.read_bytes()[:-9] + b"123456789")
    with pytest.raises(UserError, match=r"answers\.parquet does not have the SHA-256 that .*archive\.json records"):
        read_archive(archive)
    file.unlink()
    with pytest.raises(UserError, match=r"answers\.parquet does not exist"):
        read_archive(archive)
    about = json.loads((archive / "archive.json").read_text())
    (archive / "archive.json").write_text(json.dumps(about | {"format": 2}))
    with pytest.raises(UserError, match=r"format 2 is unknown to this version"):
        read_archive(archive)
    (archive / "archive.json").write_text("{}")
    with pytest.raises(UserError, match=r"does not describe an archive \(it lacks format, files"):
        read_archive(archive)
    with pytest.raises(UserError, match=r"tables is no archive: it has no archive\.json"):
        read_archive(archive / "tables")


def test_correct_answers_are_packed_bits(kinds_once: Path, archive: Path) -> None:
    """Of a task with generated answers the packed bits are those that NumPy makes of the cell file's column."""
    key = "llm/named/plain/dense/none/default/seed-0"
    cell = pl.read_parquet(kinds_once.parents[1] / f"cells/{key}.parquet")["examples"].explode().struct.unnest()
    row = read_archive(archive).answers.filter(cell=key).row(0, named=True)
    right = cell["correct"].to_numpy() == 1
    assert row["values"] == sorted(set(right.astype(float)))
    assert row["given"] == (np.packbits(right).tobytes() if len(row["values"]) == 2 else b"")


def resealed(folder: Path) -> Path:
    """An archive whose description has the present SHA-256 of its files: as another version may have written it."""
    about = json.loads((folder / "archive.json").read_text())
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "archive.json"]
    about["files"] = {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
    (folder / "archive.json").write_text(json.dumps(about))
    return folder


def without(name: str, column: str):
    """A change of an archive: a table without a column."""
    return lambda folder: write_frame(pl.read_parquet(folder / name).drop(column), folder / name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda folder: (folder / "tables/layers.parquet").unlink(),
            r"has no tables/layers\.parquet, which this version",
        ),
        (without("answers.parquet", "kind"), r"answers\.parquet has other columns .* it lacks kind"),
        (without("questions.parquet", "gold"), r"questions\.parquet has other columns .* it lacks gold"),
        (
            without("tables/cells.parquet", "collapsed"),
            r"cells\.parquet has other columns .* it lacks collapsed",
        ),
        (without("tables/behavior.parquet", "kappa"), r"tables/behavior\.parquet has other columns .* it lacks kappa"),
        (
            lambda folder: write_frame(pl.read_parquet(folder / "answers.parquet")[3:], folder / "answers.parquet"),
            r"answers\.parquet and .*/cells\.parquet are of different cells",
        ),
    ],
)
def test_an_archive_of_another_version_is_named_as_such(archive: Path, change, words: str) -> None:
    change(archive)
    resealed(archive)
    for use in (
        lambda: list(findings(archive, Path("out"), [], figures=False)),
        lambda: list(archive_lines([archive], Path("again"))),
    ):
        with pytest.raises(UserError, match=words):
            use()
    assert not Path("out").exists()
    assert not Path("again").exists()


def test_other_columns_than_the_archived_ones_are_a_difference(archive: Path) -> None:
    without("tables/drops.parquet", "retention_low")(resealed(archive))
    said = list(findings(resealed(archive), Path("out"), [], figures=False))
    assert said[0].startswith("differs  table drops: other columns than in the archive (with retention_low)")


def test_what_is_no_archive_is_told_apart(archive: Path, kinds_once: Path) -> None:
    for folder, words in {
        Path("nowhere"): "does not exist",
        archive / "archive.json": "is a file",
        kinds_once: "it has results. Pack them first",
        archive / "tables": r"has no archive\.json",
    }.items():
        with pytest.raises(UserError, match=f"is no archive: .*{words}"):
            read_archive(folder)
    with pytest.raises(UserError, match="nowhere does not exist"):
        open_source(Path("nowhere"))
    assert open_source(kinds_once / "tables").folder == kinds_once
