"""Plain tables: every form gives the numbers that its rows say."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from junkdna.cli.grade import Options, grade
from junkdna.errors import UserError
from junkdna.grade.answers import Reading
from junkdna.grade.plain_table import read_table

pytestmark = pytest.mark.usefixtures("no_page")
N = 90
PLAIN = Reading()
DRAW = np.random.default_rng(3)
GOLD = DRAW.integers(0, 4, N)
SCORES = {name: DRAW.normal(0, 1, (N, 4)) + skill * np.eye(4)[GOLD] for name, skill in (("dense", 2.5), ("small", 1.2))}
GIVEN = {name: scores.argmax(axis=1) for name, scores in SCORES.items()}


def frame(name: str, **more: object) -> pl.DataFrame:
    """Predictions as letters."""
    letters = np.array([*"ABCD"])
    return pl.DataFrame({"id": np.arange(N), "gold": letters[GOLD], "prediction": letters[GIVEN[name]], **more})


def graded(folder: Path, write: object, suffix: str, reading: Reading = PLAIN) -> Path:
    for name in GIVEN:
        write(name, folder / f"{name}{suffix}")
    words = [f"{name}={folder / name}{suffix}" for name in GIVEN]
    list(grade(words[0], [f"magnitude-0.5={folder / 'small'}{suffix}"], reading, Options(folder / "out")))
    return folder / "out/tables"


def expect(tables: Path) -> dict:
    """Checks what follows from right and wrong alone; returns the row of behavior."""
    right = {name: given == GOLD for name, given in GIVEN.items()}
    [drop] = pl.read_parquet(tables / "drops.parquet").filter(method="magnitude").to_dicts()
    assert drop["drop"] == pytest.approx(right["dense"].mean() - right["small"].mean())
    assert (drop["chance"], drop["n_examples"], drop["metric"]) == (0.25, N, "accuracy")
    assert drop["majority"] == pytest.approx(np.bincount(GOLD).max() / N)
    assert drop["retention"] == pytest.approx((right["small"].mean() - 0.25) / (right["dense"].mean() - 0.25))
    [change] = pl.read_parquet(tables / "behavior.parquet").to_dicts()
    broken, fixed = int((right["dense"] & ~right["small"]).sum()), int((~right["dense"] & right["small"]).sum())
    assert change["flips"] == pytest.approx((broken + fixed) / N)
    assert change["mcnemar_p"] == pytest.approx(binomtest(broken, broken + fixed).pvalue)
    return change


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_predictions(tmp_path: Path, suffix: str) -> None:
    writers = {
        ".csv": lambda name, path: frame(name).write_csv(path),
        ".tsv": lambda name, path: frame(name).write_csv(path, separator="\t"),
        ".parquet": lambda name, path: frame(name).write_parquet(path),
        ".jsonl": lambda name, path: frame(name).write_ndjson(path),
    }
    change = expect(graded(tmp_path, writers[suffix], suffix, Reading(options=4)))
    assert change["kl_divergence"] is None  # no scores, no probabilities


def as_list(name: str, path: Path) -> None:
    pl.DataFrame({"id": np.arange(N), "gold": GOLD, "scores": SCORES[name].tolist()}).write_parquet(path)


def as_text(name: str, path: Path) -> None:
    texts = [json.dumps(scores) for scores in SCORES[name].tolist()]
    pl.DataFrame({"id": np.arange(N), "gold": GOLD, "scores": texts}).write_csv(path)


def as_columns(name: str, path: Path) -> None:
    columns = {f"score_{at}": SCORES[name][:, at] for at in range(4)}
    pl.DataFrame({"id": np.arange(N), "gold": GOLD, **columns}).write_csv(path)


@pytest.mark.parametrize(("write", "suffix"), [(as_list, ".parquet"), (as_text, ".csv"), (as_columns, ".csv")])
def test_scores_of_options(tmp_path: Path, write: object, suffix: str) -> None:
    change = expect(graded(tmp_path, write, suffix))
    assert change["agreement"] == pytest.approx((GIVEN["dense"] == GIVEN["small"]).mean())
    p, q = (np.exp(s) / np.exp(s).sum(axis=1, keepdims=True) for s in (SCORES["dense"], SCORES["small"]))
    assert change["kl_divergence"] == pytest.approx((p * np.log(p / q)).sum(axis=1).mean(), rel=1e-4)


def test_without_the_number_of_options_the_baseline_is_zero(tmp_path: Path) -> None:
    tables = graded(tmp_path, lambda name, path: frame(name).write_csv(path), ".csv")
    [drop] = pl.read_parquet(tables / "drops.parquet").filter(method="magnitude").to_dicts()
    assert (drop["chance"], drop["metric"]) == (0, "exact_match")
    assert drop["retention"] == pytest.approx((GIVEN["small"] == GOLD).sum() / (GIVEN["dense"] == GOLD).sum())


def test_tasks_options_and_difficulty_are_columns(tmp_path: Path) -> None:
    more = {"task": ["one", "two"] * (N // 2), "options": [4] * N, "difficulty": [1, 2, 3] * (N // 3)}
    tables = graded(tmp_path, lambda name, path: frame(name, **more).write_csv(path), ".csv")
    bins = pl.read_parquet(tables / "difficulty.parquet").filter(task="two", method="magnitude")
    assert bins["bin"].to_list() == ["1", "2", "3"]
    inside = [np.array([at % 2 == 1 and at % 3 == level for at in range(N)]) for level in range(3)]
    assert bins["score"].to_list() == pytest.approx([(GIVEN["small"] == GOLD)[each].mean() for each in inside])
    assert bins["chance"].to_list() == [0.25] * 3
    claims = pl.read_parquet(tables / "claims.parquet")
    assert {"question difficulty of one", "question difficulty of two"} <= {*claims["unit"]}


def test_tasks_of_one_name(tmp_path: Path) -> None:
    more = {"task": ["a b", "a-b"] * (N // 2)}
    with pytest.raises(UserError, match="tasks 'a b' and 'a-b' would both be called 'a-b'"):
        graded(tmp_path, lambda name, path: frame(name, **more).write_csv(path), ".csv")
    assert not (tmp_path / "out").exists()


def test_questions_of_one_cluster_are_drawn_together(tmp_path: Path) -> None:
    """Each answer ten times over: the interval is that of the distinct answers, not a narrower one."""
    widths = []
    for copies, cluster in ((1, False), (10, False), (10, True)):
        folder = tmp_path / f"{copies}{cluster}"
        folder.mkdir()

        def write(name: str, path: Path, copies: int = copies, cluster: bool = cluster) -> None:
            table = pl.concat([frame(name)] * copies).with_columns(id=pl.int_range(pl.len()))
            table = table.with_columns(cluster=pl.col("id") % N) if cluster else table
            table.write_csv(path)

        tables = graded(folder, write, ".csv", Reading(options=4))
        [drop] = pl.read_parquet(tables / "drops.parquet").filter(method="magnitude").to_dicts()
        widths.append(drop["drop_high"] - drop["drop_low"])
    assert widths[1] < 0.5 * widths[0]
    assert widths[2] == pytest.approx(widths[0], rel=0.1)


def test_numbers_as_labels(tmp_path: Path) -> None:
    """1, 1.0 and "1" are one label: pandas writes whole numbers next to an empty field as 1.0."""
    path = tmp_path / "t.csv"
    path.write_text("id,gold,prediction\na,1,1.0\nb,2,\nc,01,1\n", encoding="utf-8")
    task = read_table(path, Reading()).tasks["questions"]
    assert [answer.correct for answer in task.answers.values()] == [1, 0, 0]
    assert "1 empty predictions count as wrong" in task.notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,gold\n1,A\n", "no column 'prediction' or scores"),
        ("name,gold,prediction\n1,A,A\n", "no column 'id'"),
        ("id,gold,prediction\n1,A,A\n1,B,B\n", "row 2: question '1' of task questions is there twice"),
        ("id,gold,prediction\n,A,A\n", "row 1 has no id"),
        ("id,gold,prediction\n1,,A\n", "row 1 has no gold"),
        ("id,gold,prediction\n", "has no rows"),
        ("", "is empty"),
        ("id,gold,scores\n1,0,\"[1, NaN]\"\n", "row 1: scores [1, nan]: one is NaN"),
        ("id,gold,scores\n1,0,[1]\n", "there are fewer than two"),
        ("id,gold,scores\n1,0,high\n", "is not a list"),
        ("id,gold,scores\n1,0,\"[1, \"\"x\"\"]\"\n", "are not numbers"),
        ("id,gold,scores\n1,2,\"[1, 2]\"\n", "gold is '2', but with scores it is the position of the right option"),
        ("id,gold,score_0,score_1\n1,B,1,2\n", "gold is 'B'"),
        ("id,gold,prediction,options\n1,A,A,one\n", "options is 'one'"),
        ("id,gold,prediction\n1,A\n", "has 2 fields"),
        ("id,gold,score_0,score_2\n1,0,1,2\n", "no column score_1, but score_2"),
        ("id,gold,prediction,score_1\n1,A,A,2\n", "no column score_0, but score_1"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        read_table(path, Reading())
    assert words in str(raised.value)
    assert "t.csv" in str(raised.value)


def test_options_after_the_last_may_be_empty_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,gold,score_0,score_1,score_2\na,0,3,2,\nb,2,1,2,3\n", encoding="utf-8")
    answers = read_table(path, Reading()).tasks["questions"].answers
    assert [(answer.options, answer.correct) for answer in answers.values()] == [(2, 1), (3, 1)]


def test_scores_count_and_not_the_prediction_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,gold,prediction,scores\na,1,0,"[1, 2]"\n', encoding="utf-8")
    task = read_table(path, Reading()).tasks["questions"]
    assert task.answers["a"].correct == 1
    assert "the column prediction is not read" in " ".join(task.notes)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("id", encoding="utf-8")
    with pytest.raises(UserError, match="is not a Parquet file"):
        read_table(path, Reading())


def test_an_unknown_difficulty_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,gold,prediction,level\n1,A,A,2\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown column 'levels'.*Did you mean 'level'"):
        read_table(path, Reading(difficulty="levels"))


@pytest.mark.parametrize("value", [["A"], {"label": "A"}, b"A"])
@pytest.mark.parametrize("column", ["id", "gold", "prediction", "task", "options", "cluster"])
def test_values_of_several_parts_are_refused(tmp_path: Path, column: str, value: object) -> None:
    rows = frame("dense", task="t", options=4, cluster="c").drop(column)
    path = tmp_path / "a.parquet"
    rows.with_columns(pl.Series(column, [value] * N)).write_parquet(path)
    with pytest.raises(UserError, match=rf"row 1: {column} is .*it must be one text or number"):
        read_table(path, PLAIN)


@pytest.mark.parametrize("column", ["difficulty", "cluster"])
def test_tables_that_disagree_about_a_question_are_refused(tmp_path: Path, column: str) -> None:
    def write(name: str, path: Path) -> None:
        frame(name, **{column: [1 + (name == "small" and at == 7) for at in range(N)]}).write_csv(path)

    with pytest.raises(UserError, match=f"the {column} differs in 1 of {N} questions between .*: 7. Likely cause"):
        graded(tmp_path, write, ".csv")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("column", ["difficulty", "cluster"])
def test_one_table_may_lack_what_the_dense_one_says_of_a_question(tmp_path: Path, column: str) -> None:
    def write(name: str, path: Path) -> None:
        frame(name, **({column: [1, 2] * (N // 2)} if name == "dense" else {})).write_csv(path)

    assert graded(tmp_path, write, ".csv").is_dir()


def test_the_only_metric_of_a_table_is_accuracy(tmp_path: Path) -> None:
    table = tmp_path / "dense.csv"
    frame("dense", task=["one", "two"] * (N // 2)).write_csv(table)
    for metrics in ({"": "accuracy"}, {"one": "accuracy"}):
        assert read_table(table, Reading(metrics=metrics)).tasks["one"].metric == "accuracy"
    with pytest.raises(UserError, match="--metric acc_norm: a plain table of answers has one metric, accuracy"):
        read_table(table, Reading(metrics={"": "acc_norm"}))
    with pytest.raises(UserError, match=r"--metric two=f1: a plain table of answers has one metric"):
        read_table(table, Reading(metrics={"two": "f1"}))
    with pytest.raises(UserError, match=r"--metric.*'tow'.*two"):
        read_table(table, Reading(metrics={"tow": "accuracy"}))
