"""Bins of a published difficulty: the table against numpy, and claims on planted, random and reversed difficulties.

Examples and difficulties are made by the jobs of the workflow; the answers of the cells are made up.
"""

import copy
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy
import toy_run
from made_cells import fact

from junkdna.analysis import cell_answers
from junkdna.analysis.bins import read_bins, unusable_ratings
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.claims_table import claims
from junkdna.analysis.data_notes import check_data
from junkdna.analysis.difficulty_table import difficulty_table
from junkdna.analysis.result_columns import check_columns
from junkdna.analysis.scores import Scores
from junkdna.cli import jobs
from junkdna.errors import UserError
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.load import load_study
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved

N = 900
RIGHT = {"dense": (0.9, 0.9, 0.9), "magnitude-0.5": (0.85, 0.7, 0.5), "magnitude-0.7": (0.8, 0.6, 0.35)}
BINS = {"easy": [1], "middle": [2], "hard": [3]}
DIFFICULTY = {"title": "level", "source": "made up", "from": "level", "bins": BINS}
STUDY = {
    **toy.STUDY,
    "tasks": {"colours": {"file": "tasks/colours.yaml"}},
    "experiments": {"level": {"title": "Levels", "models": ["tiny"], "tasks": ["colours"],
                              "compressions": [{"method": "magnitude", "sparsity": [0.5, 0.7]}]}},
    "bootstrap": 1000,
}  # fmt: skip
OPTIONS = [0.0, 0.0, 0.0, 0.0]


def write_study(shown: np.ndarray, bins: dict = BINS, **keys: object) -> Resolved:
    """The study with the numbers `shown` as the published difficulty of its rows."""
    rows = [
        {"q": f"q{i} ?", "passage": "p", "level": int(level),
         **dict(zip(("right", "w1", "w2", "w3"), np.roll(toy.COLOURS, i).tolist(), strict=True))}
        for i, level in enumerate(shown)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), "data/colours.parquet")
    task = {**copy.deepcopy(toy.CHOICE_TASK), "difficulty": {**DIFFICULTY, "bins": bins}}
    toy.write_yaml(Path("tasks/colours.yaml"), task)
    toy.write_yaml(Path("config.yaml"), {**STUDY, **keys})
    resolved = load_study(Path("config.yaml"))
    for role in ("evaluate", "difficulty"):
        jobs.examples(toy_run.examples_file("colours", role), example_settings("colours", role, resolved))
    return resolved


def answers(resolved: Resolved, levels: np.ndarray, seed: int) -> dict[Cell, pl.DataFrame]:
    """What each cell answers: right as often as `RIGHT` says for the row's true level, paired across cells."""
    luck = np.random.default_rng(seed).random(len(levels))
    ids = pq.read_table(toy_run.examples_file("colours"))["id"].to_pylist()
    made, gold = {}, np.arange(len(ids)) % 4
    for cell in all_cells(resolved):
        right = luck < np.array(RIGHT[cell.compression.tag])[levels - 1]
        given = {"gold": gold, "prediction": np.where(right, gold, (gold + 1) % 4), "scores": [OPTIONS] * len(ids)}
        made[cell] = pl.DataFrame({"id": ids, "cluster": [None] * len(ids), **given})
    return made


def tables(
    monkeypatch: pytest.MonkeyPatch, shown: np.ndarray, levels: np.ndarray, seed: int = 0, bins: dict = BINS
) -> tuple[dict[str, pl.DataFrame], dict[Cell, pl.DataFrame]]:
    """The tables of the study, and the answers behind them."""
    resolved = write_study(shown, bins)
    made = answers(resolved, levels, seed)
    return analyzed(monkeypatch, resolved, made), made


def analyzed(
    monkeypatch: pytest.MonkeyPatch, resolved: Resolved, made: dict[Cell, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    monkeypatch.setattr(cell_answers, "examples_of", lambda cell, columns: made[cell].select(columns))
    cells = pl.DataFrame([fact(cell, resolved, accuracy(frame), frame.height) for cell, frame in made.items()])
    scores = Scores(CellAnswers(resolved, read_bins(resolved)), resolved.study.bootstrap)
    found = {"claims": claims(resolved, cells, scores, scores.answers_of.bins)}
    found["difficulty"] = difficulty_table(resolved, cells, scores)
    check_columns("difficulty", found["difficulty"])
    return found


def accuracy(frame: pl.DataFrame) -> float:
    return (frame["gold"] == frame["prediction"]).mean()


def ladder(found: dict[str, pl.DataFrame]) -> dict:
    """The finding about the question difficulty."""
    claims = found["claims"].filter(claim="steeper_when_harder", unit="question difficulty of colours")
    return claims.row(0, named=True)


def draw(seed: int, high: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, high, N)


def test_the_table_has_the_scores_of_each_bin(world, monkeypatch):
    levels, shown = draw(1), draw(2, high=5)  # 4 is in no bin
    found, made = tables(monkeypatch, shown, levels)
    table = found["difficulty"]
    assert table.select("compression", "bin", "bin_rank").rows() == [
        (tag, name, rank) for tag in RIGHT for rank, name in enumerate(BINS)
    ]
    for row in table.iter_rows(named=True):
        kept = shown == row["bin_rank"] + 1
        by_tag = {cell.compression.tag: (frame["gold"] == frame["prediction"]).to_numpy()
                  for cell, frame in made.items()}  # fmt: skip
        right, dense = by_tag[row["compression"]][kept], by_tag["dense"][kept]
        assert row["n_examples"] == kept.sum()
        assert (row["chance"], row["baseline"]) == (0.25, "chance")
        assert row["majority"] == pytest.approx(np.bincount(np.flatnonzero(kept) % 4).max() / kept.sum())
        assert row["score"] == pytest.approx(right.mean())
        assert row["dense_score"] == pytest.approx(dense.mean())
        assert row["drop"] == pytest.approx(dense.mean() - right.mean())
        assert row["retention"] == pytest.approx((right.mean() - 0.25) / (dense.mean() - 0.25))
        assert row["dense_known_share"] == pytest.approx((dense.mean() - 0.25) / 0.75)
        error = np.std(dense.astype(float) - right) / np.sqrt(kept.sum())
        width = (row["drop_high"] - row["drop_low"]) / 2
        assert width == pytest.approx(1.96 * error, rel=0.2, abs=1e-9)


def test_a_planted_difficulty_is_supported_and_its_reverse_contradicted(world, monkeypatch):
    levels = draw(100)
    row = ladder(tables(monkeypatch, levels, levels, seed=1000)[0])
    assert row["verdict"] == "supported"
    true = np.mean([(RIGHT[tag][0] - RIGHT[tag][2]) / 0.65 for tag in ("magnitude-0.5", "magnitude-0.7")])
    assert row["low"] < true < row["high"]
    assert row["n_examples"] == min(np.bincount(levels)[1:])
    found = tables(monkeypatch, levels, levels, seed=1000, bins=dict(reversed(BINS.items())))[0]
    assert ladder(found)["verdict"] == "contradicted"
    assert ladder(found)["estimate"] == pytest.approx(-row["estimate"])


@pytest.mark.parametrize("seed", range(4))
def test_a_random_difficulty_is_not_supported(world, monkeypatch, seed):
    row = ladder(tables(monkeypatch, draw(10 + seed), draw(20 + seed), seed)[0])
    assert row["verdict"] in ("undecided", "contradicted")
    assert row["low"] < 0.05


def test_a_claim_of_all_examples_does_not_change(world, monkeypatch):
    levels = draw(5)
    whole = pl.col("unit") != "question difficulty of colours"
    one = tables(monkeypatch, levels, levels)[0]["claims"].filter(whole, claim="monotone")
    other = tables(monkeypatch, draw(6), levels)[0]["claims"].filter(whole, claim="monotone")
    assert one.height > 0
    assert one.drop("q").equals(other.drop("q"))


def test_rows_in_no_bin_are_counted(world, monkeypatch):
    shown = draw(7, high=6)
    notes = check_data(write_study(shown))
    outside = int((shown > 3).sum())
    assert notes == {"colours": f"in no bin of level: {outside} with another, of {N} rows"}
    assert check_data(write_study(draw(7))) == {"colours": ""}


def test_a_bin_without_examples_has_no_rows(world, monkeypatch):
    levels = np.minimum(draw(8), 2)
    found = tables(monkeypatch, levels, levels)[0]
    assert found["difficulty"]["bin"].unique(maintain_order=True).to_list() == ["easy", "middle"]
    assert ladder(found)["verdict"] == "supported"


def test_a_study_without_a_difficulty_has_an_empty_table(world, monkeypatch):
    resolved = write_study(draw(9))
    made = answers(resolved, draw(9), 0)
    task = {**copy.deepcopy(toy.CHOICE_TASK)}
    toy.write_yaml(Path("tasks/colours.yaml"), task)
    plain = load_study(Path("config.yaml"))
    found = analyzed(monkeypatch, plain, made)
    assert found["difficulty"].height == 0
    assert not found["claims"]["unit"].str.contains("question difficulty").any()


def test_a_bin_of_one_class_has_no_known_share(world, monkeypatch):
    gold = np.arange(N) % 4  # as in `answers`
    shown = np.where(gold == 0, 1, 2)
    resolved = write_study(shown, {"one class": [1], "others": [2]}, claims={"baseline": "majority"})
    found = analyzed(monkeypatch, resolved, answers(resolved, draw(12), 0))
    table = found["difficulty"].filter(bin="one class")
    assert table["majority"].to_list() == [1.0] * 3
    assert table["dense_known_share"].null_count() == table["retention"].null_count() == 3
    assert ladder(found)["verdict"] == "untestable"


def test_a_stale_or_missing_file_of_difficulties_is_an_error_except_in_partial_results(world):
    resolved = write_study(draw(11))
    changed = {**copy.deepcopy(toy.CHOICE_TASK), "difficulty": {**DIFFICULTY, "pattern": "(.)"}}
    toy.write_yaml(Path("tasks/colours.yaml"), changed)
    stale = load_study(Path("config.yaml"))
    with pytest.raises(UserError, match=r"difficulty\.parquet"):
        read_bins(stale)
    assert read_bins(stale, partial=True) == {}
    assert [each.task for each in unusable_ratings(stale)] == ["colours"]
    assert unusable_ratings(resolved) == []
    toy_run.examples_file("colours", "difficulty").unlink()
    with pytest.raises(UserError, match=r"difficulty\.parquet"):
        read_bins(resolved)
    assert read_bins(resolved, partial=True) == {}
