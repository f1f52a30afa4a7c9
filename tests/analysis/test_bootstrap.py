"""The bootstrap and its intervals: against slow oracles, in exact cases, and on planted truth."""

from collections import Counter

import numpy as np
import pytest
from bootstrap_cases import coin, effects, ids
from scipy import stats
from sklearn.metrics import f1_score, matthews_corrcoef

from junkdna.analysis import bootstrap
from junkdna.analysis.bootstrap import estimate, interval, resamples
from junkdna.evaluate.metrics import METRICS

# --- the bootstrap ----------------------------------------------------------------------------------------------------


def test_effects_agree_with_a_slow_bootstrap():
    """Loop over replicates, drawn seeds and examples, with the same draws."""
    seeds, n, replicates, chance = 3, 40, 150, 0.25
    score, dense = coin((seeds, n), 0.5, 0), coin((seeds, n), 0.8, 1)
    draws = resamples(ids(n), replicates)
    picks = np.random.default_rng(draws.seed).integers(0, seeds, (replicates, seeds))
    values = {"score": [], "drop": [], "relative_score": [], "retention": []}
    for r in range(replicates):
        counts = draws.counts_rn[r].astype(int)
        sample = [i for i in range(n) for _ in range(counts[i])]
        s = np.mean([score[k, i] for k in picks[r] for i in sample])
        d = np.mean([dense[k, i] for k in picks[r] for i in sample])
        values["score"].append(s)
        values["drop"].append(d - s)
        values["relative_score"].append(100 * s / d)
        values["retention"].append((s - chance) / (d - chance))
    row = effects(score, dense, chance, draws)
    for name, replicated in values.items():
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(
            tuple(np.quantile(replicated, [0.025, 0.975]))
        )
    assert row["drop"] == pytest.approx(dense.mean() - score.mean())
    assert row["relative_score"] == pytest.approx(100 * score.mean() / dense.mean())
    assert row["retention"] == pytest.approx((score.mean() - chance) / (dense.mean() - chance))


def correlation(function, gold: np.ndarray, given: np.ndarray) -> float:
    return float(function(gold, given).statistic) if len(set(gold)) > 1 < len(set(given)) else 0.0


SLOW = {
    "matthews": matthews_corrcoef,
    "f1": lambda gold, given: f1_score(gold, given, zero_division=0),
    "pearson": lambda gold, given: correlation(stats.pearsonr, gold, given),
    "spearman": lambda gold, given: correlation(stats.spearmanr, gold, given),
    "token_f1": lambda _, credit: credit.mean(),
}


@pytest.mark.parametrize("name", SLOW)
def test_metrics_agree_with_a_slow_bootstrap(name):
    """Score and drop of each metric, on the drawn rows and seeds, by scikit-learn and SciPy."""
    seeds, n, replicates = 3, 40, 40
    gold = coin((n,), 0.4, 0)
    noise = np.random.default_rng(1).normal(size=(2, seeds, n))
    if name in ("matthews", "f1"):
        dense, score = (np.where(noise[i] > level, 1 - gold, gold) for i, level in ((0, 1.0), (1, 0.3)))
    else:
        dense, score = 1 / (1 + np.exp(-gold - noise[0])), 1 / (1 + np.exp(-gold - 3 * noise[1]))
    draws = resamples(ids(n), replicates)
    picks = np.random.default_rng(draws.seed).integers(0, seeds, (replicates, seeds))
    values = {"score": [], "drop": []}
    for row, drawn in zip(draws.counts_rn.astype(int), picks, strict=True):
        s, d = (np.mean([SLOW[name](gold.repeat(row), x[k].repeat(row)) for k in drawn]) for x in (score, dense))
        values["score"].append(s)
        values["drop"].append(d - s)
    parts = [estimate(METRICS[name], gold, rows, draws) for rows in (score, dense)]
    row = bootstrap.effects(*parts, 0.0)
    for column, replicated in values.items():
        assert (row[f"{column}_low"], row[f"{column}_high"]) == pytest.approx(
            tuple(np.quantile(replicated, [0.025, 0.975])), abs=1e-12
        )
    s, d = (np.mean([SLOW[name](gold, rows) for rows in x]) for x in (score, dense))
    assert (row["score"], row["dense_score"], row["drop"]) == pytest.approx((s, d, d - s), abs=1e-12)


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_accuracy_is_to_the_bit_what_means_of_right_answers_give(seeds):
    """The formula before there were other metrics, on 0/1 rows."""
    n, draws = 347, resamples(ids(347), 200)
    gold = np.random.default_rng(0).integers(0, 4, n)
    given = np.where(coin((seeds, n), 0.6, 1) == 1, gold, (gold + 1) % 4)
    right_sn = (given == gold).astype(float)
    means_rs = draws.counts_rn @ right_sn.T / n
    picks = np.random.default_rng(draws.seed).integers(0, seeds, (200, seeds))
    found = estimate(METRICS["accuracy"], gold, given, draws)
    assert found.value == float(right_sn.mean())
    assert np.array_equal(found.value_r, np.take_along_axis(means_rs, picks, axis=1).mean(axis=1))
    stored = estimate(METRICS["exact_match"], None, right_sn.astype(np.float32), draws)
    assert (stored.value, stored.value_r.tolist()) == (found.value, found.value_r.tolist())


def test_one_seed_agrees_with_scipy():
    """Paired percentile bootstrap of 400 examples; 4,000 resamples know an end to about 0.002."""
    score, dense = coin((1, 400), 0.55, 2), coin((1, 400), 0.8, 3)
    row = effects(score, dense, 0.25, resamples(ids(400), 4000))
    statistics = {
        "drop": lambda s, d, axis: d.mean(axis) - s.mean(axis),
        "retention": lambda s, d, axis: (s.mean(axis) - 0.25) / (d.mean(axis) - 0.25),
    }
    for name, statistic in statistics.items():
        theirs = stats.bootstrap(
            (score[0], dense[0]), statistic, paired=True, method="percentile", n_resamples=4000,
            rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(tuple(theirs), abs=0.012)


def test_counts_are_whole_resamples():
    counts = resamples(ids(37), 500).counts_rn
    assert (counts == counts.round()).all()
    assert (counts.sum(1) == 37).all()
    assert counts.mean(0).std() < 0.15
    assert counts.var() == pytest.approx(1, rel=0.05)  # multinomial, not a permutation


def test_draws_belong_to_the_examples():
    assert np.array_equal(resamples(ids(20), 100).counts_rn, resamples(ids(20), 100).counts_rn)
    other = resamples(ids(20, "other"), 100)
    assert not np.array_equal(resamples(ids(20), 100).counts_rn, other.counts_rn)
    assert resamples(ids(20), 100).seed != other.seed


def test_seed_draws_are_independent_of_example_draws_and_shared_by_score_and_dense():
    draws = resamples(ids(50), 2000)
    level = np.repeat([[0.0], [1.0]], 50, axis=1)  # seed 0 always wrong, seed 1 always right: only seeds matter
    means = estimate(METRICS["accuracy"], np.ones(50), level, draws).value_r
    assert Counter(means.tolist()).keys() == {0.0, 0.5, 1.0}
    assert np.mean(means == 0.5) == pytest.approx(0.5, abs=0.05)
    row = effects(level, level, 0.25, draws)
    assert row["drop_low"] == row["drop_high"] == 0


# --- exact cases ------------------------------------------------------------------------------------------------------


def test_score_equal_to_dense_keeps_exactly_everything():
    """Draws are paired, so the ratio is 1 in every replicate; unpaired ones would give a wide interval."""
    dense = coin((2, 60), 0.7, 4)
    row = effects(dense, dense, 0.25, resamples(ids(60), 500))
    assert row["retention"] == row["retention_low"] == row["retention_high"] == 1
    assert row["relative_score"] == row["relative_score_low"] == row["relative_score_high"] == 100
    assert row["drop"] == row["drop_low"] == row["drop_high"] == 0
    assert row["score_low"] < row["score"] < row["score_high"]


def test_score_at_chance_keeps_nothing():
    score, dense = np.zeros((1, 80)), coin((1, 80), 0.9, 5)
    score[0, ::4] = 1
    row = effects(score, dense, 0.25, resamples(ids(80), 500))
    assert row["retention"] == 0
    assert row["retention_low"] < 0 < row["retention_high"]


def test_score_below_chance_keeps_less_than_nothing():
    row = effects(np.zeros((1, 80)), coin((1, 80), 0.9, 5), 0.25, resamples(ids(80), 500))
    assert row["retention"] < 0
    assert row["relative_score"] == 0


@pytest.mark.parametrize("p", [0.26, 0.24, 0.1])
def test_kept_is_null_where_dense_cannot_be_told_from_chance(p):
    dense = np.zeros((1, 100))
    dense[0, : int(100 * p)] = 1
    row = effects(coin((1, 100), 0.2, 6), dense, 0.25, resamples(ids(100), 500))
    assert row["retention"] is row["retention_low"] is row["retention_high"] is None
    assert row["drop_low"] <= row["drop"] <= row["drop_high"]


def test_resampled_scores_stay_within_their_range():
    row = effects(np.ones((3, 49)), np.ones((3, 49)), 0.25, resamples(ids(49), 300))
    assert row["score_low"] == row["score_high"] == 1


def test_negative_scores_keep_less_than_nothing():
    """A correlation has no chance above 0 to be corrected for; a dense one near 0 leaves nothing to keep."""
    gold, draws = coin((200,), 0.5, 8), resamples(ids(200), 300)
    good, bad = np.where(coin((1, 200), 0.1, 9), 1 - gold, gold), np.where(coin((1, 200), 0.8, 10), 1 - gold, gold)
    parts = {name: estimate(METRICS["matthews"], gold, rows, draws) for name, rows in (("good", good), ("bad", bad))}
    row = bootstrap.effects(parts["bad"], parts["good"], 0.0)
    assert row["score"] < row["score_high"] < 0
    assert row["retention"] == pytest.approx(row["score"] / row["dense_score"])
    assert row["relative_score"] == pytest.approx(100 * row["retention"])
    assert row["drop"] > 1
    none = bootstrap.effects(parts["good"], parts["bad"], 0.0)
    assert none["retention"] is none["relative_score"] is none["retention_low"] is None


def test_dense_always_wrong_has_no_percent():
    row = effects(np.zeros((1, 30)), np.zeros((1, 30)), 0.25, resamples(ids(30), 200))
    assert row["relative_score"] is row["relative_score_low"] is None
    assert row["drop"] == 0


def test_percent_is_null_where_a_resample_of_dense_is_all_wrong():
    dense = np.zeros((1, 30))
    dense[0, 0] = 1  # about a third of the resamples miss it
    row = effects(np.zeros((1, 30)), dense, 0.0, resamples(ids(30), 200))
    assert row["relative_score"] is None


def test_seeds_that_differ_widen_the_interval():
    """Same examples, same mean score: once two equal seeds, once one good and one bad."""
    n, dense = 200, np.ones((2, 200))
    alike, apart = np.zeros((2, n)), np.zeros((2, n))
    alike[:, : n // 2] = 1
    apart[0, : n * 8 // 10] = 1
    apart[1, : n * 2 // 10] = 1
    draws = resamples(ids(n), 1000)
    one, other = effects(alike, dense, 0.0, draws), effects(apart, dense, 0.0, draws)
    assert one["drop"] == pytest.approx(other["drop"]) == 0.5
    assert other["drop_high"] - other["drop_low"] > 2 * (one["drop_high"] - one["drop_low"])
    single = effects(alike[:1], dense[:1], 0.0, draws)
    assert (single["drop_low"], single["drop_high"]) == pytest.approx((one["drop_low"], one["drop_high"]))


def test_more_examples_narrow_the_interval():
    def width(n):
        row = effects(coin((1, n), 0.5, 7), np.ones((1, n)), 0.0, resamples(ids(n), 1000))
        return row["drop_high"] - row["drop_low"]

    assert width(100) / width(1600) == pytest.approx(4, rel=0.2)


def test_interval_is_the_middle_95_percent():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))


# --- planted truth ----------------------------------------------------------------------------------------------------

CHANCE, EXAMPLES, STUDIES = 0.25, 300, 300


def coverage(seeds: int, seed_sd: float, rng_seed: int) -> tuple[float, float]:
    """Share of simulated studies whose interval holds the true drop, and the true kept.

    An answer is right with probability logistic(level + item + run): item ~ N(0, 1.5) shared by all runs, run ~
    N(0, seed_sd) for each training run, dense and pruned apart; level 1.2 dense and 0.2 pruned. The truth is the
    expectation over items and runs.
    """
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    grid = stats.norm.ppf((np.arange(400) + 0.5) / 400) * np.hypot(1.5, seed_sd)
    dense, pruned = (logistic(level + grid).mean() for level in (1.2, 0.2))
    truth = {"drop": dense - pruned, "retention": (pruned - CHANCE) / (dense - CHANCE)}
    rng, draws = np.random.default_rng(rng_seed), resamples(ids(EXAMPLES), 800)
    hits = Counter()
    for _ in range(STUDIES):
        item = rng.normal(0, 1.5, EXAMPLES)
        right = [
            rng.random((seeds, EXAMPLES)) < logistic(level + item + rng.normal(0, seed_sd, (seeds, 1)))
            for level in (1.2, 0.2)
        ]
        row = effects(right[1].astype(float), right[0].astype(float), CHANCE, draws)
        for name, value in truth.items():
            hits[name] += row[f"{name}_low"] is not None and row[f"{name}_low"] <= value <= row[f"{name}_high"]
    return hits["drop"] / STUDIES, hits["retention"] / STUDIES


@pytest.mark.parametrize(("seeds", "seed_sd"), [(1, 0.0), (3, 0.2), (5, 0.2)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(seeds, seed_sd):
    """n = 300 studies of 300 examples, 800 replicates, generator seeds 10 + number of seeds; nominal 95 %.

    Standard error of a coverage of 0.95 is 0.013: 0.90 to 0.985 are what this test takes for it.
    """
    assert all(0.90 <= share <= 0.985 for share in coverage(seeds, seed_sd, 10 + seeds))


def test_intervals_are_too_wide_rather_than_too_narrow_without_a_seed_effect():
    """n = 300 studies, generator seed 3, three seeds that differ by chance alone: resampling seeds and examples
    counts the noise of single answers about three times (the crossed bootstrap is known for it), so coverage is
    above 0.95, up to 1."""
    assert all(share >= 0.95 for share in coverage(3, 0.0, 3))


@pytest.mark.xfail(strict=True, reason="percentile bootstrap over 3 seeds: its seed variance is 2/3 of the true one")
def test_three_seeds_that_differ_much_are_covered():
    """n = 300 studies, generator seed 5. Runs that scatter by 0.5 in the logit (about 8 points of accuracy) get
    intervals that hold the truth in about 82 % of studies instead of 95 %: three seeds cannot say more."""
    assert all(share >= 0.90 for share in coverage(3, 0.5, 5))
