"""Clusters of examples that share a passage: what is drawn, what it does to intervals, and where it is read from."""

import numpy as np
import polars as pl
import pytest
import toy
import toy_run

from junkdna.analysis import cell_answers
from junkdna.analysis.cell_answers import HALVES, CellAnswers, Group
from junkdna.analysis.draws import Draws, clusters
from junkdna.analysis.effects import effects
from junkdna.analysis.scores import Answers, Scores
from junkdna.seeds import seed_for
from junkdna.study.load import resolve

SIZE, COUNT = 5, 60
N = SIZE * COUNT
IDS = tuple(f"row-{i}" for i in range(N))
CLUSTER = np.arange(N) % COUNT


def test_whole_clusters_are_drawn():
    drawn = np.concatenate([counts for _, counts in Draws(IDS, 2500, CLUSTER).blocks()])
    assert drawn.shape == (2500, N)
    by_cluster = drawn.reshape(2500, SIZE, COUNT)
    assert (by_cluster == by_cluster[:, :1]).all()
    assert (by_cluster[:, 0].sum(axis=1) == COUNT).all()
    np.testing.assert_allclose(by_cluster[:, 0].mean(axis=0), 1, atol=5 * 2500**-0.5)
    assert by_cluster[:, 0].var() == pytest.approx(1 - 1 / COUNT, rel=0.02)


def test_examples_without_a_passage_are_their_own_cluster():
    found = clusters(["a", None, "b", "a", None])
    assert found[0] == found[3]
    assert len({*found.tolist()}) == 4
    assert sorted({*found.tolist()}) == [0, 1, 2, 3]
    assert clusters(["a", "b", None, None]) is None
    assert clusters([None] * 4) is None


def of(right: np.ndarray, cluster: np.ndarray | None) -> Answers:
    return Answers("accuracy", IDS, np.ones(N), right[None], (0,), cluster)


def interval(cluster: np.ndarray | None, right: np.ndarray) -> dict:
    groups = {"dense": of(np.arange(N) % 9 > 0, cluster), "pruned": of(right, cluster)}
    return effects(Scores(groups.__getitem__, 4000), "pruned", "dense", 0.25)


def test_clusters_widen_the_interval_to_that_of_their_means():
    """All answers of a passage are alike, so the score has the standard error of the mean of 60 passages, not of 300
    examples."""
    right = (np.random.default_rng(4).random(COUNT) < 0.6)[CLUSTER].astype(float)
    spread = {}
    for name, cluster in (("examples", None), ("clusters", CLUSTER)):
        row = interval(cluster, right)
        assert row["score"] == right.mean()
        spread[name] = (row["score_high"] - row["score_low"]) / (2 * 1.96)
    p = right.mean()
    assert spread["examples"] == pytest.approx((p * (1 - p) / N) ** 0.5, rel=0.1)
    assert spread["clusters"] == pytest.approx((p * (1 - p) / COUNT) ** 0.5, rel=0.1)


def test_a_perfect_score_counts_passages():
    """Wilson's lower limit of 60 of 60 right is 60 / (60 + 1.96^2)."""
    assert interval(CLUSTER, np.ones(N))["score_low"] == pytest.approx(60 / (60 + 1.959964**2), abs=1e-6)
    assert interval(None, np.ones(N))["score_low"] == pytest.approx(300 / (300 + 1.959964**2), abs=1e-6)


def test_tasks_with_the_same_ids_have_their_own_clusters(world, monkeypatch):
    cells = {cell.task: cell for cell in toy_run.grid.all_cells(resolve(toy.STUDY, "test"))}
    names = {"colours": ["p", "p", "q"], "mood": [None] * 3}

    def examples_of(cell, columns):
        table = pl.DataFrame({"id": list("abc"), "gold": [1.0] * 3, "prediction": [1.0] * 3})
        return table.with_columns(cluster=pl.Series(names[cell.task], dtype=pl.String)).select(columns)

    monkeypatch.setattr(cell_answers, "examples_of", examples_of)
    read = CellAnswers(resolve(toy.STUDY, "test"), {})
    found = {task: read(Group((cell,))).cluster for task, cell in cells.items()}
    assert found["mood"] is None
    assert found["colours"].tolist() == [0, 0, 1]


def test_clusters_are_read_from_the_cells(world, monkeypatch):
    resolved = resolve(toy.STUDY, "test")
    cell = toy_run.grid.all_cells(resolved)[0]
    for names, wanted in ((["p", "q", "p", None], [0, 1, 0, 2]), (["p", "q", "r", None], None)):
        table = pl.DataFrame({
            "id": list("abcd"), "cluster": names, "gold": [1.0] * 4, "prediction": [1.0, 0.0, 1.0, 1.0],
        })  # fmt: skip
        monkeypatch.setattr(cell_answers, "examples_of", lambda cell, columns, table=table: table.select(columns))
        found = CellAnswers(resolved, {})(Group((cell,))).cluster
        if wanted is None:
            assert found is None
        else:
            assert [found.tolist().index(each) for each in found] == [wanted.index(each) for each in wanted]


def halves(world: object, monkeypatch: pytest.MonkeyPatch, names: list[str | None]) -> list[list[bool]]:
    """Which examples each half of an evaluation set has."""
    n = len(names)
    table = pl.DataFrame({"id": IDS[:n], "cluster": pl.Series(names, dtype=pl.String), "gold": [1.0] * n,
                          "prediction": [1.0] * n})  # fmt: skip
    monkeypatch.setattr(cell_answers, "examples_of", lambda cell, columns: table.select(columns))
    resolved = resolve(toy.STUDY, "test")
    cell = toy_run.grid.all_cells(resolved)[0]
    read = CellAnswers(resolved, {})
    found = [read(Group((cell,), half)).subset.tolist() for half in HALVES]
    assert [a != b for a, b in zip(*found, strict=True)] == [True] * n
    alone = [seed_for("half", cell.task, each) % 2 == 0 for each in IDS[:n]]
    return [found[0], alone]


def test_a_passage_is_in_one_half(world, monkeypatch):
    """The halves share no noise, so examples of one passage belong together; others keep their half."""
    names = [None if at % 6 == 5 else f"passage {at % 40}" for at in range(N)]
    first, alone = halves(world, monkeypatch, names)
    sides = {
        name: {side for side, each in zip(first, names, strict=True) if each == name} for name in {*names} - {None}
    }
    assert {len(each) for each in sides.values()} == {1}
    assert 8 <= sum(True in each for each in sides.values()) <= 32
    without = [at for at, name in enumerate(names) if name is None]
    assert [first[at] for at in without] == [alone[at] for at in without]


@pytest.mark.parametrize("names", [[None] * 50, [f"passage {at}" for at in range(50)]])
def test_examples_that_share_no_passage_keep_their_half(world, monkeypatch, names):
    first, alone = halves(world, monkeypatch, names)
    assert first == alone
