"""Effects of a group against its dense reference: against slow loops and SciPy, in exact cases, where undefined."""

import numpy as np
import pytest
from bootstrap_cases import all_counts, answers, coin, effects, effects_of, ids, sample
from scipy import stats

NAMES = ("score", "drop", "relative_score", "retention")


def slow(score: float, dense: float, baseline: float) -> tuple[float, ...]:
    return score, dense - score, 100 * score / dense, (score - baseline) / (dense - baseline)


@pytest.mark.parametrize("seeds", [1, 3])
def test_effects_agree_with_slow_loops(seeds: int) -> None:
    """Loops over replicates and drawn examples, over left-out seeds, and the formula of the limits."""
    n, replicates, baseline = 40, 150, 0.25
    score, dense = coin((seeds, n), 0.5, 0), coin((seeds, n), 0.8, 1)
    row = effects(score, dense, baseline, replicates)
    wanted = slow(score.mean(), dense.mean(), baseline)
    drawn = [sample(counts) for counts in all_counts(n, replicates)]
    replicated = np.array([slow(score[:, each].mean(), dense[:, each].mean(), baseline) for each in drawn])
    rest = [[s for s in range(seeds) if s != out] for out in range(seeds)] if seeds > 1 else []
    left = np.array([slow(score[each].mean(), dense[each].mean(), baseline) for each in rest])
    for at, name in enumerate(NAMES):
        lower, upper = np.quantile(replicated[:, at], [0.025, 0.975])
        seed_part = 0.0
        if seeds > 1:
            variance = (seeds - 1) / seeds * ((left[:, at] - left[:, at].mean()) ** 2).sum()
            seed_part = stats.t.ppf(0.975, seeds - 1) ** 2 * variance
        assert row[name] == pytest.approx(wanted[at])
        assert row[f"{name}_low"] == pytest.approx(wanted[at] - np.sqrt(seed_part + (wanted[at] - lower) ** 2))
        assert row[f"{name}_high"] == pytest.approx(wanted[at] + np.sqrt(seed_part + (upper - wanted[at]) ** 2))
    assert row["dense_score"] == pytest.approx(dense.mean())


def test_one_seed_agrees_with_scipy() -> None:
    """Paired percentile bootstrap of 400 examples; 4,000 resamples know an end to about 0.002."""
    score, dense = coin((1, 400), 0.55, 2), coin((1, 400), 0.8, 3)
    row = effects(score, dense, 0.25, 4000)
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


# --- exact cases ------------------------------------------------------------------------------------------------------


def test_score_equal_to_dense_retains_exactly_everything() -> None:
    """Draws are paired, so the ratio is 1 in every replicate; unpaired ones would give a wide interval."""
    dense = coin((2, 60), 0.7, 4)
    row = effects(dense, dense, 0.25, 500)
    assert row["retention"] == row["retention_low"] == row["retention_high"] == 1
    assert row["relative_score"] == row["relative_score_low"] == row["relative_score_high"] == 100
    assert row["drop"] == row["drop_low"] == row["drop_high"] == 0
    assert row["score_low"] < row["score"] < row["score_high"]


def test_seeds_are_paired_even_if_they_differ_much() -> None:
    level = np.repeat([[0.0], [1.0], [1.0]], 50, axis=1)  # one seed always wrong: only seeds matter
    row = effects(level, level, 0.25, 300)
    assert row["drop_low"] == row["drop_high"] == 0
    assert (row["score_low"], row["score_high"]) == (0, 1)  # t of two degrees of freedom reaches beyond the range


def test_score_at_the_baseline_retains_nothing() -> None:
    score, dense = np.zeros((1, 80)), coin((1, 80), 0.9, 5)
    score[0, ::4] = 1
    row = effects(score, dense, 0.25, 500)
    assert row["retention"] == 0
    assert row["retention_low"] < 0 < row["retention_high"]


def test_retention_is_not_clipped() -> None:
    below = effects(np.zeros((1, 80)), coin((1, 80), 0.9, 5), 0.25, 500)
    assert below["retention"] == pytest.approx(-0.25 / (below["dense_score"] - 0.25))
    assert below["relative_score"] == 0
    above = effects(coin((1, 80), 0.9, 5), coin((1, 80), 0.6, 6), 0.25, 500)
    assert above["retention_high"] > above["retention"] > 1
    assert above["relative_score"] > 100


def test_negative_scores_retain_less_than_nothing() -> None:
    """A correlation has no chance above 0 to be corrected for; a negative dense one leaves nothing to retain."""
    gold = coin((200,), 0.5, 8)
    good, bad = np.where(coin((1, 200), 0.1, 9), 1 - gold, gold), np.where(coin((1, 200), 0.8, 10), 1 - gold, gold)
    parts = [answers(rows, gold, "matthews") for rows in (good, bad)]
    row = effects_of(parts[1], parts[0], 0.0, 300)
    assert row["score"] < row["score_high"] < 0
    assert row["retention"] == pytest.approx(row["score"] / row["dense_score"])
    assert row["relative_score"] == pytest.approx(100 * row["retention"])
    assert row["drop"] > 1
    none = effects_of(parts[0], parts[1], 0.0, 300)
    assert none["retention"] is none["relative_score"] is none["retention_low"] is None


def test_seeds_that_differ_widen_the_interval() -> None:
    """Same examples, same mean score: once two equal seeds, once one good and one bad."""
    n, dense = 200, np.ones((2, 200))
    alike, apart = np.zeros((2, n)), np.zeros((2, n))
    alike[:, : n // 2] = 1
    apart[0, : n * 8 // 10] = 1
    apart[1, : n * 2 // 10] = 1
    one, other = effects(alike, dense, 0.0, 1000), effects(apart, dense, 0.0, 1000)
    assert one["drop"] == pytest.approx(other["drop"]) == 0.5
    assert other["drop_high"] - other["drop_low"] > 2 * (one["drop_high"] - one["drop_low"])
    single = effects(alike[:1], dense[:1], 0.0, 1000)
    assert (single["drop_low"], single["drop_high"]) == pytest.approx((one["drop_low"], one["drop_high"]))


def test_limits_of_a_drop_stay_in_the_range_of_the_metric() -> None:
    """Two runs that differ have a t of 12.7, and accuracy cannot fall by more than 1."""
    rows = np.array([np.arange(100) < 90, np.arange(100) < 10], float)
    row = effects(rows, np.ones((2, 100)), 0.0, 500)
    assert (row["drop_low"], row["drop_high"]) == (-1, 1)


def test_more_seeds_narrow_the_interval() -> None:
    def width(seeds: int) -> float:
        levels = 0.5 + 0.2 * np.linspace(-1, 1, seeds)
        rows = np.array([np.arange(100) < round(100 * level) for level in levels], float)
        row = effects(rows, np.ones((seeds, 100)), 0.0, 500)
        return row["retention_high"] - row["retention_low"]

    assert width(2) > 3 * width(3) > 3 * width(6)


def test_a_deterministic_dense_model_counts_for_every_seed() -> None:
    score, dense = coin((3, 100), 0.5, 1), coin((1, 100), 0.8, 2)
    row, repeated = effects(score, dense, 0.25, 300), effects(score, dense.repeat(3, axis=0), 0.25, 300)
    assert row == pytest.approx(repeated)


def test_more_examples_narrow_the_interval() -> None:
    def width(n: int) -> float:
        row = effects(coin((1, n), 0.5, 7), np.ones((1, n)), 0.0, 1000)
        return row["drop_high"] - row["drop_low"]

    assert width(100) / width(1600) == pytest.approx(4, rel=0.2)


# --- undefined and unbounded ------------------------------------------------------------------------------------------


def right(n: int, of: int) -> np.ndarray:
    return (np.arange(of) < n).astype(float)[None]


@pytest.mark.parametrize("known", [25, 24, 10])
def test_retention_is_null_unless_dense_is_above_the_baseline(known: int) -> None:
    row = effects(coin((1, 100), 0.2, 6), right(known, 100), 0.25, 500)
    assert row["retention"] is row["retention_low"] is row["retention_high"] is None
    assert row["drop_low"] <= row["drop"] <= row["drop_high"]


def test_retention_is_unbounded_where_dense_may_be_at_the_baseline() -> None:
    """Above it, but not in every replicate: the estimate is shown, and the data do not limit it."""
    row = effects(coin((1, 100), 0.2, 6), right(30, 100), 0.25, 500)
    assert row["retention"] == pytest.approx((row["score"] - 0.25) / 0.05)
    assert row["retention_low"] is row["retention_high"] is None
    clear = effects(coin((1, 100), 0.2, 6), right(60, 100), 0.25, 500)
    assert clear["retention_low"] < clear["retention"] < clear["retention_high"]


def test_dense_always_wrong_has_no_percent() -> None:
    row = effects(np.zeros((1, 30)), np.zeros((1, 30)), 0.25, 200)
    assert row["relative_score"] is row["relative_score_low"] is None
    assert row["drop"] == 0


def test_percent_is_unbounded_where_a_resample_of_dense_is_all_wrong() -> None:
    row = effects(np.zeros((1, 30)), right(1, 30), 0.0, 200)  # about a third of the resamples miss it
    assert row["relative_score"] == 0
    assert row["relative_score_low"] is row["relative_score_high"] is None


# --- scores of exactly 0 and 1 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [0, 1])
@pytest.mark.parametrize("metric", ["accuracy", "exact_match"])
def test_a_score_of_exactly_0_or_1_has_wilsons_interval(score: int, metric: str) -> None:
    """All bootstrap replicates are equal, but 49 examples do not show that the model is always right."""
    rows = np.full((1, 49), float(score))
    row = effects_of(answers(rows, metric=metric), answers(np.ones((1, 49)), metric=metric), 0.25, 300)
    theirs = stats.binomtest(49 * score, 49).proportion_ci(0.95, method="wilson")
    assert (row["score_low"], row["score_high"]) == pytest.approx((theirs.low, theirs.high))
    assert row["drop_low"] == row["drop_high"] == 1 - score  # a contrast keeps the bootstrap


def test_other_scores_keep_the_bootstrap_within_their_range() -> None:
    row = effects(right(48, 49), np.ones((1, 49)), 0.25, 300)
    assert 0.9 < row["score_low"] < row["score"] < row["score_high"] == 1


def test_a_perfect_f1_is_no_fraction_of_examples() -> None:
    gold = coin((60,), 0.5, 1)
    perfect = answers(gold[None], gold, "f1")
    row = effects_of(perfect, perfect, 0.0, 300)
    assert row["score"] == row["score_low"] == row["score_high"] == 1


def test_examples_of_other_names_have_other_draws() -> None:
    rows, dense = coin((1, 50), 0.5, 1), np.ones((1, 50))
    assert effects(rows, dense, 0.0, 100) == effects(rows, dense, 0.0, 100)
    assert effects(rows, dense, 0.0, 100)["drop_low"] != effects(rows, dense, 0.0, 100, "other")["drop_low"]
    assert answers(rows).ids == ids(50)
