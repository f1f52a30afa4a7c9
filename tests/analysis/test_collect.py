"""Joining: every file is the cell the study means, or it is named."""

import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy
import toy_run
from toy_run import read_footer

from junkdna.analysis.collect import check, collect, state
from junkdna.data.tokens_file import read_tokens, write_tokens
from junkdna.errors import UserError
from junkdna.run.cell_file import examples_of, write_cell
from junkdna.study.cell import parse_cell_path
from junkdna.study.load import resolve
from junkdna.study.paths import FOOTER_KEY

CELL = parse_cell_path("tiny/mood/plain/magnitude-0.5/sparse/default/seed-1")


@pytest.fixture(scope="module")
def finished(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collect") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        toy_run.run_all(toy_run.read())
    return folder


@pytest.fixture
def resolved(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The finished toy study, in a copy that is the working folder."""
    shutil.copytree(finished, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return toy_run.read()


def test_joined_table_has_one_row_a_cell(resolved):
    table = collect(resolved)
    cells = toy_run.grid.all_cells(resolved)
    assert table["cell"].to_list() == [cell.key for cell in cells]
    assert "examples" not in table.columns
    for cell, wall_s in zip(cells, table["wall_s"], strict=True):
        assert wall_s == pytest.approx(sum(read_footer(Path(cell.path))["wall_s"].values()))
    assert table.filter(pl.col("cell") == CELL.key)["score"][0] == pq.read_table(CELL.path)["score"][0].as_py()


def without_footer(path: Path) -> None:
    write_cell(pq.read_table(path).replace_schema_metadata(), path)


def with_footer(text: str):
    return lambda path: write_cell(pq.read_table(path).replace_schema_metadata({FOOTER_KEY: text.encode()}), path)


OTHER = {
    "settings_fingerprint": "0123",
    "tokens_sha256": {},
    "wall_s": {},
    "model": {"digest": ""},
    "compressed_digest": "",
}
DAMAGE = {
    "missing": ("missing", Path.unlink),
    "empty": ("broken", lambda path: path.write_bytes(b"")),
    "truncated": ("broken", lambda path: path.write_bytes(path.read_bytes()[:-20])),
    "half": ("broken", lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])),
    "garbage": ("broken", lambda path: path.write_bytes(b"PAR1" + b"\xff" * 500 + b"PAR1")),
    "written by others": ("broken", lambda path: pq.write_table(pq.read_table(path), path)),
    "no footer": ("broken", without_footer),
    "footer no JSON": ("broken", with_footer("{")),
    "footer a list": ("broken", with_footer("[]")),
    "footer empty": ("broken", with_footer("{}")),
    "other digest": ("stale", with_footer(json.dumps(OTHER))),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_the_cell_is_named(resolved, damage):
    wanted, spoil = DAMAGE[damage]
    spoil(Path(CELL.path))
    assert state(CELL, resolved) == wanted
    with pytest.raises(UserError) as caught:
        collect(resolved)
    assert "1 of 18 cells" in str(caught.value)
    assert f"{wanted}: {CELL.path}" in str(caught.value)


def test_read_footer_names_a_broken_file(resolved):
    Path(CELL.path).write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"seed-1\.parquet is a corrupt cell file"):
        read_footer(Path(CELL.path))


def test_changed_task_settings_make_its_cells_stale_and_no_others(resolved):
    tasks = {**toy.STUDY["tasks"], "mood": {"file": "tasks/mood.yaml", "protocol": {"learning_rate": 2e-3}}}
    changed = resolve({**toy.STUDY, "tasks": tasks}, "test")
    states = {cell: state(cell, changed) for cell in toy_run.grid.all_cells(changed)}
    assert {cell.task for cell, found in states.items() if found == "stale"} == {"mood"}
    assert {cell.task for cell, found in states.items() if found == "done"} == {"colours"}
    with pytest.raises(UserError, match="8 of 18 cells") as caught:
        collect(changed)
    assert str(caught.value).count("stale: ") == 8


def test_changed_code_makes_cells_stale(resolved):
    footer = read_footer(Path(CELL.path))
    settings = {**footer["settings"], "code": "0000000000000000"}
    from junkdna.storage.fingerprint import canonical_json, digest

    footer |= {"settings": settings, "settings_fingerprint": digest(canonical_json(settings))}
    with_footer(json.dumps(footer))(Path(CELL.path))
    assert state(CELL, resolved) == "stale"


def test_swapped_files_are_stale(resolved):
    """A file under another cell's name has that cell's settings in its footer."""
    other = parse_cell_path(CELL.key.replace("seed-1", "seed-0"))
    shutil.copy(other.path, CELL.path)
    assert state(CELL, resolved) == "stale"


def other_tokens(cell) -> Path:
    """The cell's encoded evaluation rows, made anew with one example less."""
    path = Path(cell.tokens_path("evaluate"))
    write_tokens(read_tokens(path).slice(1), path)
    return path


def test_cells_from_other_encoded_examples_are_stale(resolved):
    other_tokens(CELL)
    states = {cell: state(cell, resolved) for cell in toy_run.grid.all_cells(resolved)}
    assert {cell.task for cell, found in states.items() if found == "stale"} == {"mood"}
    assert {cell.task for cell, found in states.items() if found == "done"} == {"colours"}


def test_cells_from_two_versions_of_the_examples_are_not_joined(resolved):
    """Also where the tokens file is no longer there to compare with."""
    tokens = other_tokens(CELL)
    toy_run.run(CELL, resolved)
    tokens.unlink()
    assert state(CELL, resolved) == "done"
    with pytest.raises(UserError, match=rf"were computed from different versions of {tokens}"):
        collect(resolved)


def test_examples_of(resolved):
    table = examples_of(CELL)
    assert table.columns == ["id", "gold", "prediction", "correct"]
    assert table.height == 40
    row = pq.read_table(CELL.path).to_pylist()[0]
    assert table.rows(named=True) == [{name: example[name] for name in table.columns} for example in row["examples"]]
    assert (table["gold"] == table["prediction"]).mean() == table["correct"].mean() == row["score"]


def test_examples_of_other_columns(resolved):
    table = examples_of(CELL, ("margin", "id", "scores"))
    assert table.columns == ["margin", "id", "scores"]
    row = pq.read_table(CELL.path).to_pylist()[0]
    assert table["scores"].to_list() == [example["scores"] for example in row["examples"]]


def test_a_cell_file_without_a_column_is_named(resolved):
    with pytest.raises(UserError, match=r"seed-1\.parquet is a corrupt cell file .*colour"):
        examples_of(CELL, ("id", "colour"))


def joined(**changes) -> pl.DataFrame:
    row = {"cell": "a", "metric": "accuracy", "score": 0.5, "chance": 0.25, "majority": 1.0, "truncated": 0.0,
           "achieved_sparsity": 0.5, "effective_bits_per_weight": 9.0}  # fmt: skip
    return pl.DataFrame([{**row, "cell": "first"}, {**row, **changes}], schema_overrides={"score": pl.Float64})


def test_check_lets_whole_tables_pass():
    check(joined())
    check(joined(score=1.0, chance=0.0))


@pytest.mark.parametrize("column", ["score", "chance", "majority", "truncated", "achieved_sparsity"])
@pytest.mark.parametrize("value", [1.0001, -0.0001, float("nan"), float("inf"), None])
def test_check_names_a_share_outside_its_range(column, value):
    with pytest.raises(UserError, match=rf"cell 'a': {column} is .* 0\.\.1"):
        check(joined(**{column: value}))


@pytest.mark.parametrize("value", [16.01, -0.01, float("nan"), None])
def test_check_names_bits_beyond_dense(value):
    with pytest.raises(UserError, match=r"cell 'a': effective_bits_per_weight is .* 0\.\.16"):
        check(joined(effective_bits_per_weight=value))


@pytest.mark.parametrize("metric", ["matthews", "pearson", "spearman"])
def test_correlations_may_be_negative(metric):
    check(joined(metric=metric, score=-1.0))
    check(joined(metric=metric, score=1.0))
    for value in (-1.0001, 1.0001, float("nan"), None):
        with pytest.raises(UserError, match=rf"cell 'a': score is .* -1\.\.1 as {metric}"):
            check(joined(metric=metric, score=value))
    with pytest.raises(UserError, match="chance"):
        check(joined(metric=metric, chance=-0.1))


def test_the_range_is_that_of_each_cells_own_metric():
    """The first cell is scored by accuracy, the second by another metric."""
    for metric in ("f1", "exact_match", "lenient_match", "token_f1"):
        with pytest.raises(UserError, match="cell 'a': score"):
            check(joined(metric=metric, score=-0.5))
    broken = joined(metric="matthews").with_columns(score=pl.Series([-0.5, 0.5]))
    with pytest.raises(UserError, match=r"cell 'first': score is -0\.5"):
        check(broken)


def test_check_names_a_cell_that_stands_twice():
    with pytest.raises(UserError, match="'first' occurs twice"):
        check(joined(cell="first"))


def test_collected_file_reads_back(resolved):
    output = Path("results/cells.parquet")
    toy_run.table_jobs.collect(output, toy_run.document(resolved))
    table = pl.read_parquet(output)
    assert table.drop("rows_note").equals(collect(resolved))
    notes = dict(table.select("task", "rows_note").unique().iter_rows())
    assert notes == {
        "colours": "left out of the rows to evaluate: 6 with an empty passage (columns.require)",
        "mood": "",
    }
    assert isinstance(pq.read_schema(output).field("score").type, type(pa.float64()))
