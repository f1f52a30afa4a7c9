"""Scores of groups with their replicates: against slow bootstraps; seeds, subsets, clusters."""

import numpy as np
import pytest
from bootstrap_cases import all_counts, answers, coin, ids, sample, scores_of
from scipy import stats
from sklearn.metrics import f1_score, matthews_corrcoef

from junkdna.analysis import scores as module
from junkdna.analysis.draws import Draws, clusters

# --- metrics ----------------------------------------------------------------------------------------------------------


def correlation(function, gold: np.ndarray, given: np.ndarray) -> float:
    return float(function(gold, given).statistic) if len(set(gold)) > 1 < len(set(given)) else 0.0


SLOW = {
    "accuracy": lambda gold, given: (gold == given).mean(),
    "matthews": matthews_corrcoef,
    "f1": lambda gold, given: f1_score(gold, given, zero_division=0),
    "pearson": lambda gold, given: correlation(stats.pearsonr, gold, given),
    "spearman": lambda gold, given: correlation(stats.spearmanr, gold, given),
    "exact_match": lambda _, credit: credit.mean(),
    "token_f1": lambda _, credit: credit.mean(),
}


def given_for(name: str, gold: np.ndarray, seeds: int) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=(seeds, len(gold)))
    if name in ("accuracy", "matthews", "f1"):
        return np.where(noise > 0.5, 1 - gold, gold)
    if name == "exact_match":
        return (noise > 0).astype(float)
    return 1 / (1 + np.exp(-gold - 2 * noise))


@pytest.mark.parametrize("name", SLOW)
def test_metrics_agree_with_a_slow_bootstrap(name: str) -> None:
    """Every replicate: the metric of each seed on the drawn rows, and their mean."""
    seeds, n, replicates = 3, 40, 60
    gold = coin((n,), 0.4, 0)
    given = given_for(name, gold, seeds)
    panel = scores_of(replicates, all=answers(given, gold, name)).panel(["all"])
    drawn = [sample(counts) for counts in all_counts(n, replicates)]
    wanted = [np.mean([SLOW[name](gold[rows], row[rows]) for row in given]) for rows in drawn]
    assert panel.replicates[0] == pytest.approx(wanted, abs=2e-7)
    by_seed = [SLOW[name](gold, row) for row in given]
    assert panel.value == pytest.approx([np.mean(by_seed)], abs=1e-12)
    left = [np.mean(np.delete(by_seed, out)) for out in range(seeds)]
    assert panel.left_out[0] == pytest.approx(left, abs=1e-12)


def test_replicates_of_right_answers_are_exact() -> None:
    """A mean over three seeds is a sum of thirds: rounded first, its replicates hang on the order of the additions."""
    seeds, n, replicates = 3, 997, 200
    given = coin((seeds, n), 0.7, 0)
    panel = scores_of(replicates, all=answers(given, np.ones(n), "accuracy")).panel(["all"])
    right = all_counts(n, replicates).astype(int) @ given.sum(axis=0).astype(int)
    assert panel.replicates[0].tolist() == (right.astype(np.float32) / np.float32(seeds * n)).tolist()


def test_metrics_of_one_evaluation_set_do_not_mix() -> None:
    gold = coin((50,), 0.5, 0)
    groups = {name: answers(given_for(name, gold, 2), gold, name) for name in SLOW}
    together = scores_of(100, **groups).panel(list(groups))
    for at, (name, group) in enumerate(groups.items()):
        alone = scores_of(100, **{name: group}).panel([name])
        assert together.replicates[at] == pytest.approx(alone.replicates[0], abs=1e-6)
        assert together.value[at] == alone.value[0]


# --- draws that are shared --------------------------------------------------------------------------------------------


def test_groups_with_the_same_examples_share_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, blocks = [], Draws.blocks
    monkeypatch.setattr(Draws, "blocks", lambda draws: (drawn.append(draws.ids), blocks(draws))[1])
    rows = {name: answers(coin((1, 30), 0.6, seed)) for seed, name in enumerate("abc")}
    other = answers(coin((1, 30), 0.6, 9), ids=ids(30, "other"))
    scores = scores_of(200, **rows, other=other)
    panel = scores.panel([*rows, "other"])
    assert drawn == [ids(30), ids(30, "other")]
    scores.panel(["c", "other", "a"])
    assert len(drawn) == 2  # replicates are kept
    scores.add(["a"])
    assert len(drawn) == 2
    counts = all_counts(30, 200)
    for at, group in enumerate(rows.values()):
        assert panel.replicates[at] == pytest.approx(counts @ group.given[0] / 30, abs=1e-6)


def test_many_groups_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {f"g{at}": answers(coin((2, 30), 0.6, at)) for at in range(7)}
    whole = scores_of(100, **groups).panel(list(groups))
    monkeypatch.setattr(module, "MEANS_AT_ONCE", 3)
    parts = scores_of(100, **groups).panel(list(groups))
    assert np.allclose(whole.replicates, parts.replicates, atol=1e-6)


def test_the_panel_has_the_order_of_the_groups() -> None:
    groups = {"good": answers(coin((1, 60), 0.9, 0)), "bad": answers(coin((1, 60), 0.2, 1))}
    scores = scores_of(50, **groups)
    forth, back = scores.panel(["good", "bad"]), scores.panel(["bad", "good"])
    assert forth.value.tolist() == back.value[::-1].tolist()
    assert np.array_equal(forth.replicates, back.replicates[::-1])
    assert forth.seeds == 1
    assert forth.left_out.shape == (2, 0)


# --- seeds ------------------------------------------------------------------------------------------------------------


def test_a_deterministic_cell_counts_for_every_seed() -> None:
    """It has one of the seeds, and leaving that one out does not leave it without a score."""
    trained, fixed = coin((3, 80), 0.6, 0), coin((1, 80), 0.8, 1)
    panel = scores_of(50, trained=answers(trained), fixed=answers(fixed)).panel(["fixed", "trained"])
    assert panel.seeds == 3
    assert panel.left_out[0].tolist() == [fixed.mean()] * 3
    assert panel.left_out[1] == pytest.approx([np.delete(trained.mean(axis=1), s).mean() for s in range(3)])


def test_a_seed_is_left_out_of_every_group_that_has_it() -> None:
    first, second = coin((3, 40), 0.6, 0), coin((2, 40), 0.6, 1)
    groups = {"first": answers(first, seeds=(0, 1, 2)), "second": answers(second, seeds=(2, 5))}
    panel = scores_of(50, **groups).panel(list(groups))
    a, b = first.mean(axis=1), second.mean(axis=1)
    assert panel.left_out.shape[1] == 4  # 0, 1, 2, 5
    assert panel.seeds == 2
    assert panel.left_out[0] == pytest.approx([a[1:].mean(), a[[0, 2]].mean(), a[:2].mean(), a.mean()])
    assert panel.left_out[1] == pytest.approx([b.mean(), b.mean(), b[1], b[0]])


def test_scores_of_each_seed() -> None:
    rows = coin((2, 40), 0.6, 0)
    scores = scores_of(50, all=answers(rows, seeds=(4, 7)))
    assert scores.by_seed("all") == {4: rows[0].mean(), 7: rows[1].mean()}
    assert scores.n_examples("all") == 40


# --- subsets and clusters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "matthews"])
def test_a_subset_keeps_the_draws_of_all_examples(metric: str) -> None:
    gold, half = coin((40,), 0.5, 0), np.arange(40) % 2 == 0
    given = given_for(metric, gold, 2)
    whole, part = answers(given, gold, metric), answers(given, gold, metric, subset=half)
    scores = scores_of(60, whole=whole, part=part)
    panel = scores.panel(["whole", "part"])
    drawn = [[at for at in sample(counts) if half[at]] for counts in all_counts(40, 60)]
    wanted = [np.mean([SLOW[metric](gold[rows], row[rows]) for row in given]) for rows in drawn]
    assert panel.replicates[1] == pytest.approx(wanted, abs=2e-7)
    assert panel.value[1] == pytest.approx(np.mean([SLOW[metric](gold[half], row[half]) for row in given]))
    assert (scores.n_examples("whole"), scores.n_examples("part")) == (40, 20)


def test_a_replicate_without_an_example_of_the_subset_is_undefined() -> None:
    one = np.arange(5) == 2
    panel = scores_of(500, one=answers(np.ones((1, 5)), subset=one)).panel(["one"])
    missed = all_counts(5, 500)[:, 2] == 0
    assert missed.any()
    assert np.array_equal(np.isnan(panel.replicates[0]), missed)
    assert (panel.replicates[0][~missed] == 1).all()


def test_a_subset_without_examples_has_no_score() -> None:
    scores = scores_of(100, none=answers(np.ones((2, 5)), subset=np.zeros(5, bool)))
    assert np.isnan(list(scores.by_seed("none").values())).all()
    assert np.isnan(scores.panel(["none"]).replicates).all()


def test_clusters_are_drawn_whole() -> None:
    rows, cluster = coin((2, 12), 0.6, 0), clusters([f"passage {at // 3}" for at in range(12)])
    panel = scores_of(80, all=answers(rows, cluster=cluster)).panel(["all"])
    drawn = [sample(counts) for counts in all_counts(12, 80, cluster)]
    assert panel.replicates[0] == pytest.approx([rows[:, each].mean() for each in drawn], abs=2e-7)


def test_copies_of_examples_do_not_narrow_an_interval_of_clusters() -> None:
    """100 questions asked four times each know as much as 100 questions."""
    once = coin((1, 100), 0.6, 3)
    copied, cluster = once.repeat(4, axis=1), np.arange(100).repeat(4)
    groups = {"once": answers(once), "copied": answers(copied), "clustered": answers(copied, cluster=cluster)}
    width = {}
    for name, group in groups.items():
        fit = scores_of(4000, **{name: group}).panel([name]).fit(lambda m: m)
        width[name] = float(fit.example_half_width()[0])
    assert width["clustered"] == pytest.approx(width["once"], rel=0.1)
    assert width["copied"] == pytest.approx(width["once"] / 2, rel=0.1)
