"""Which score of a log is compared, for every kind of task that lm-eval has."""

from pathlib import Path

import polars as pl
import pytest
from made_logs import choices, hashed, text_row, write_rows

from junkdna.cli.grade import Options, grade
from junkdna.grade.answers import Reading

pytestmark = pytest.mark.usefixtures("no_page")
N = 40


def drop_of(folder: Path, rows: dict[str, list[dict]], **metrics: str) -> dict:
    """The row of drops of model b against model a, with what was printed and its behavior."""
    for name, each in rows.items():
        write_rows(folder / name, "task", each)
    reading = Reading({name or "": metric for name, metric in metrics.items()})
    words = [f"{name}={folder / name}" for name in rows]
    lines = list(grade(words[0], words[1:], reading, Options(folder / "out")))
    [row] = pl.read_parquet(folder / "out/tables/drops.parquet").filter(pl.col("method") != "dense").to_dicts()
    [change] = pl.read_parquet(folder / "out/tables/behavior.parquet").to_dicts()
    return row | {"lines": lines, "change": change}


def test_acc_norm_before_acc_unless_named(tmp_path: Path) -> None:
    rows = {"a": choices(N, 1, 4.0), "b": choices(N, 2, 3.0)}
    found = drop_of(tmp_path, rows)
    assert found["title"] == "task (acc_norm)"
    assert found["dense_score"] == pytest.approx(sum(row["acc_norm"] for row in rows["a"]) / N)
    named = drop_of(tmp_path, rows, task="acc")
    assert named["title"] == "task (acc)"
    assert named["drop"] == pytest.approx(
        sum(one["acc"] - two["acc"] for one, two in zip(*rows.values(), strict=True)) / N
    )


def test_one_of_several_filters(tmp_path: Path) -> None:
    def log(strict: int, flexible: int) -> list[dict]:
        rows = []
        for name, right in (("strict", strict), ("flexible", flexible)):
            rows += [text_row(at, "1" if at < right else "0", "1", filter=name) for at in range(N)]
        return rows

    rows = {"a": log(20, 30), "b": log(10, 28)}
    found = drop_of(tmp_path, rows)
    assert (found["dense_score"], found["drop"]) == pytest.approx((0.5, 0.25))
    assert any("filter strict; the log also has flexible" in line for line in found["lines"])
    other = drop_of(tmp_path, rows, task="exact_match,flexible")
    assert (other["dense_score"], other["drop"]) == pytest.approx((0.75, 0.05))
    assert not any("also has" in line for line in other["lines"])


def test_partial_credit_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    def log(values: list[float]) -> list[dict]:
        return [text_row(at, "t", "u") | {"metrics": ["rouge"], "rouge": value} for at, value in enumerate(values)]

    found = drop_of(tmp_path, {"a": log([0.5] * N), "b": log([at / N for at in range(N)])})
    assert (found["metric"], found["title"]) == ("token_f1", "task (rouge)")
    assert found["drop"] == pytest.approx(0.5 - sum(range(N)) / N**2)
    assert found["change"]["mcnemar_p"] is None


def test_log_likelihood_of_one_text(tmp_path: Path) -> None:
    """LAMBADA: accuracy says whether the word is the most likely one; perplexity is no score of a question."""

    def log(right: int) -> list[dict]:
        fields = {"metrics": ["perplexity", "acc"], "filtered_resps": [["-3.2", "True"]]}
        return [
            hashed(text_row(at, "", "word")) | fields | {"perplexity": -3.2, "acc": float(at < right)}
            for at in range(N)
        ]

    found = drop_of(tmp_path, {"a": log(30), "b": log(20)})
    assert (found["dense_score"], found["score"], found["chance"]) == (0.75, 0.5, 0)
    assert found["title"] == "task (acc)"


def test_several_right_answers_keep_the_credit_of_the_log(tmp_path: Path) -> None:
    """The log counts a second right answer, so its accuracy is not that of its target."""
    rows = {"a": [row | {"acc_norm": 1.0} for row in choices(N, 1, 1.0)], "b": choices(N, 2, 1.0)}
    found = drop_of(tmp_path, rows)
    assert (found["dense_score"], found["chance"], found["metric"]) == (1, 0, "exact_match")
    assert found["score"] == pytest.approx(sum(row["acc_norm"] for row in rows["b"]) / N)
    assert any("does not follow from the logged likelihoods" in line for line in found["lines"])
