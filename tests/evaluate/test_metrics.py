"""Predictions, margins, metrics, baselines and the signs of a broken run."""

import subprocess
import sys
import warnings
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from junkdna.evaluate import metrics
from junkdna.evaluate.metrics import METRICS
from junkdna.study.metrics import METRIC_KINDS, METRIC_RANGES, perfect_score

NAN, INF = float("nan"), float("inf")


def outcome(*rows: list[float], gold: list[int]) -> metrics.Outcome:
    return metrics.outcome([np.array(row, dtype=np.float32) for row in rows], np.array(gold))


# --- predictions and margins ------------------------------------------------------------------------------------------


def test_prediction_is_the_highest_score():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(500, 4)).astype(np.float32)
    gold = rng.integers(0, 4, 500)
    result = metrics.outcome(list(scores), gold)
    assert (result.prediction == scores.argmax(1)).all()
    assert METRICS["accuracy"].value(result.gold, result.prediction) == accuracy_score(gold, scores.argmax(1))


def test_rows_may_differ_in_length():
    result = outcome([0, 1], [0, 0, 0, 2], [3, 1, 2], gold=[1, 3, 2])
    assert result.prediction.tolist() == [1, 3, 0]
    assert result.margin.tolist() == [1, 2, -1]


def test_margin_is_gold_less_best_other_and_positive_exactly_when_right_without_a_tie():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 4, (400, 3)).astype(np.float32)  # coarse: many ties
    gold = rng.integers(0, 3, 400)
    result = metrics.outcome(list(scores), gold)
    for row, answer, margin in zip(scores, gold, result.margin, strict=True):
        assert margin == row[answer] - max(value for i, value in enumerate(row) if i != answer)
        assert (margin > 0) == (list(row).index(max(row)) == answer and list(row).count(max(row)) == 1)


def test_among_equals_the_lowest_position_wins():
    result = outcome([1, 1, 0], [0, 1, 1], gold=[1, 1])
    assert result.prediction.tolist() == [0, 1]
    assert result.margin.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("row", "gold", "prediction", "margin"),
    [
        ([NAN, 0.5, 0.2], 0, 1, -INF),
        ([0.5, NAN, 0.2], 0, 0, 0.3),
        ([NAN, NAN, NAN], 1, 0, 0.0),
        ([-INF, -INF], 1, 0, 0.0),
        ([INF, INF, 1.0], 1, 0, 0.0),
        ([INF, 1.0], 0, 0, INF),
    ],
)
def test_scores_that_are_no_number_lose(row, gold, prediction, margin):
    result = outcome(row, gold=[gold])
    assert result.prediction[0] == prediction
    assert result.margin[0] == pytest.approx(margin)


def collapsed(result):
    return metrics.collapsed(result.prediction, result.margin)


def test_a_run_of_nothing_but_nan_is_collapsed():
    assert collapsed(outcome(*[[NAN, NAN]] * 3, gold=[0, 1, 0]))


def test_gold_must_be_one_a_row():
    with pytest.raises(ValueError, match="shorter"):
        outcome([1, 0], [0, 1], gold=[0])


def test_collapse():
    spread = outcome([1, 0], [0, 1], [1, 0], gold=[0, 0, 1])
    one_class = outcome([1, 0], [2, 1], [3, 0], gold=[0, 0, 1])
    all_tied = outcome([1, 1, 1], [2, 2], gold=[2, 1])
    assert not collapsed(spread)
    assert collapsed(one_class)
    assert collapsed(all_tied)


@pytest.mark.parametrize(
    ("numbers", "wanted"), [([2.5] * 4, True), ([2.5, 2.5, 2.5, 2.6], False), ([NAN] * 4, True), ([NAN, 1.0], False)]
)
def test_collapse_of_numbers(numbers, wanted):
    assert metrics.collapsed(np.array(numbers)) is wanted


@pytest.mark.parametrize("dtype", [None, object])
@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["", "", ""], True),
        (["", " ", "\n"], True),
        (["Paris", "Paris ", "Paris"], True),
        (["Paris", "", "Paris"], False),
        (["Paris", "Rome", "Oslo"], False),
    ],
)
def test_collapse_of_texts(texts, wanted, dtype):
    assert metrics.collapsed(np.array(texts, dtype=dtype)) is wanted


# --- metrics against scikit-learn and SciPy ---------------------------------------------------------------------------


def correlation(function):
    """SciPy's coefficient, 0 where a side is constant."""
    return lambda gold, given: (
        0.0 if len(set(gold)) == 1 or len(set(given)) == 1 else float(function(gold, given).statistic)
    )


def coefficient(gold, given) -> float:
    """scikit-learn's, which warns where a single class is present."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return matthews_corrcoef(gold, given)


ORACLES = {
    "accuracy": accuracy_score,
    "matthews": coefficient,
    "f1": lambda gold, given: f1_score(gold, given, labels=[1], average="macro", zero_division=0),
    "pearson": correlation(stats.pearsonr),
    "spearman": correlation(stats.spearmanr),
    "exact_match": lambda gold, credit: sum(credit) / len(credit),
    "lenient_match": lambda gold, credit: sum(credit) / len(credit),
    "token_f1": lambda gold, credit: sum(credit) / len(credit),
    "log2_likelihood_per_byte": lambda blind, values: sum(values) / len(values),
}


def sample(name: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gold and given values of a plausible run: imbalanced classes, numbers with many ties, credits."""
    rng = np.random.default_rng(seed)
    kinds = METRIC_KINDS[name]
    if "regress" in kinds:
        gold = rng.integers(0, 26, n) / 5
        given = gold + rng.normal(0, 1, n)
        return gold, np.round(given, 1) if seed % 2 else given.astype(np.float32).astype(float)
    if "likelihood" in kinds:
        return -rng.gamma(2, 1, n), -rng.gamma(2, 0.5, n)
    if "generate" in kinds:
        return np.full(n, NAN), rng.random(n) if name == "token_f1" else rng.integers(0, 2, n).astype(float)
    classes = 2 if name == "f1" else 2 + seed % 3
    gold = rng.choice(classes, n, p=np.array([5.0, 3, 1, 1])[:classes] / sum([5, 3, 1, 1][:classes]))
    return gold, np.where(rng.random(n) < 0.6, gold, rng.integers(0, classes, n))


def test_registry_and_names_agree():
    assert METRICS.keys() == METRIC_KINDS.keys() == METRIC_RANGES.keys() == ORACLES.keys()
    assert {kind for kinds in METRIC_KINDS.values() for kind in kinds} == {
        "classify", "pair", "regress", "choice", "generate", "likelihood"
    }  # fmt: skip
    for name, kinds in METRIC_KINDS.items():
        assert (METRICS[name].column == "correct") == (kinds == ("generate",)) == (METRICS[name].majority is None)


def test_names_are_light():
    code = "import sys, junkdna.study.metrics; print(*({'numpy', 'torch', 'scipy', 'sklearn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", METRICS)
def test_value_is_that_of_the_oracle(name, seed):
    gold, given = sample(name, 150, seed)
    assert METRICS[name].value(gold, given) == pytest.approx(ORACLES[name](gold, given), abs=1e-12)


@pytest.mark.parametrize(("n", "seed"), [(4, 0), (4, 1), (60, 2), (300, 3)])
@pytest.mark.parametrize("name", METRICS)
def test_resampled_is_the_oracle_on_repeated_rows(name, seed, n):
    """With 4 rows most replicates hold one class or one number only: the undefined cases are among them."""
    gold, given = sample(name, n, seed)
    counts = np.random.default_rng(100 + seed).multinomial(n, np.full(n, 1 / n), size=50).astype(float)
    found = METRICS[name].resampled(gold, given, counts)
    assert found.shape == (50,)
    for row, value in zip(counts.astype(int), found, strict=True):
        assert value == pytest.approx(ORACLES[name](np.repeat(gold, row), np.repeat(given, row)), abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_counts_need_not_sum_to_the_number_of_examples(name):
    gold, given = sample(name, 40, 3)
    counts = np.random.default_rng(1).integers(0, 6, (50, 40)).astype(float)
    wanted = [ORACLES[name](np.repeat(gold, row), np.repeat(given, row)) for row in counts.astype(int)]
    assert METRICS[name].resampled(gold, given, counts) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_values_stay_within_their_range_and_reach_its_top(name):
    low, high = METRIC_RANGES[name]
    for seed in range(40):
        gold, given = sample(name, 12, seed)
        counts = np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12), size=50).astype(float)
        values = METRICS[name].resampled(gold, given, counts)
        assert ((values >= low) & (values <= high)).all()
        perfect = np.ones(12) if METRICS[name].column == "correct" else gold
        perfect = np.zeros(12) if METRICS[name].gold_column == "blind" else perfect  # every token is certain
        if len(set(gold)) > 1 and (name != "f1" or 1 in gold):
            top = METRICS[name].resampled(gold, perfect, np.ones((1, 12)))
            assert top == pytest.approx([perfect_score(name)])
            assert top <= high


def test_correlations_reach_their_bottom():
    gold = np.array([0, 1, 1, 0, 1])
    for name in ("matthews", "pearson", "spearman"):
        assert METRICS[name].value(gold, 1 - gold) == pytest.approx(-1)
        assert METRICS[name].value(gold, 1 - gold) >= -1


def test_ranks_of_many_replicates_do_not_depend_on_how_they_are_cut(monkeypatch):
    gold, given = sample("spearman", 60, 1)
    counts = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), size=100).astype(float)
    whole = metrics.spearman(gold, given, counts)
    monkeypatch.setattr(metrics, "REPLICATE_CHUNK", 7)
    assert np.array_equal(metrics.spearman(gold, given, counts), whole)


def test_pearson_far_from_zero_loses_little():
    """Numbers of 1e6 that differ by 1: raw second moments alone would leave 4 digits."""
    rng = np.random.default_rng(5)
    gold = rng.normal(size=300)
    given = gold + rng.normal(size=300)
    counts = rng.multinomial(300, np.full(300, 1 / 300), size=100).astype(float)
    near, far = metrics.pearson(gold, given, counts), metrics.pearson(gold + 1e6, given + 1e6, counts)
    assert far == pytest.approx(near, abs=1e-8)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
@pytest.mark.parametrize("constant", [0.0, 0.1, 3.3, 1e9])
def test_correlation_with_a_constant_is_0(name, constant):
    gold = np.array([0.0, 1, 1, 0, 2])
    ones = np.ones((1, 5))
    assert METRICS[name].value(gold, np.full(5, constant)) == 0
    assert METRICS[name].value(np.full(5, constant), gold) == 0
    assert METRICS[name].resampled(gold, np.full(5, constant), ones) == [0]


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_replicates_that_miss_the_only_other_number_are_0(name):
    """Rounding leaves such a sample with a variance that is not exactly 0."""
    rng = np.random.default_rng(0)
    gold, given = rng.normal(size=50), np.append(np.full(49, 0.1), 1000.7)
    counts = np.append(rng.multinomial(50, np.full(49, 1 / 49), size=200), np.zeros((200, 1)), axis=1)
    assert (METRICS[name].resampled(gold, given, counts) == 0).all()
    assert (METRICS[name].resampled(gold, given, counts + 1) != 0).all()


@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.parametrize("broken", [NAN, INF, -INF])
def test_predictions_that_are_no_number_correlate_with_nothing(name, broken):
    gold = np.array([0.0, 1, 2, 3])
    given = np.array([0.0, 1, 2, broken])
    with np.errstate(all="raise"):
        assert METRICS[name].value(gold, given) == 0
        assert (METRICS[name].resampled(gold, given, np.array([[1.0, 2, 1, 0], [1, 1, 1, 1]])) == 0).all()


def test_f1_without_any_positive_is_0():
    assert METRICS["f1"].value(np.zeros(4), np.zeros(4)) == 0
    assert METRICS["f1"].value(np.zeros(4), np.ones(4)) == 0
    assert METRICS["f1"].value(np.ones(4), np.zeros(4)) == 0


@pytest.mark.parametrize("name", METRICS)
def test_over_seeds_is_the_mean_of_the_seeds(name):
    gold, _ = sample(name, 30, 0)
    given = np.stack([sample(name, 30, seed)[1] for seed in (0, 2, 4)])
    wanted = np.mean([METRICS[name].value(gold, row) for row in given])
    assert METRICS[name].over_seeds(gold, given) == pytest.approx(wanted, abs=1e-15)
    assert METRICS[name].over_seeds(gold, given[:1]) == METRICS[name].value(gold, given[0])


# --- baselines --------------------------------------------------------------------------------------------------------


def test_accuracy_floors():
    assert metrics.chance_baseline(np.array([2, 4, 4])) == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
    assert metrics.majority_baseline(np.array([0, 2, 2, 1])) == 0.5
    assert metrics.majority_baseline(np.array([3.0])) == 1


@pytest.mark.parametrize("gold", [(0, 1, 1, 0, 1), (1, 1, 1), (0, 0, 0, 1), (0, 0, 0), (1, 0)])
@pytest.mark.parametrize("name", ["accuracy", "f1", "matthews"])
def test_chance_is_the_mean_over_all_ways_of_guessing(name, gold):
    """Every one of the 2^n sequences of guesses, scored by scikit-learn."""
    mean = np.mean([ORACLES[name](gold, guess) for guess in product((0, 1), repeat=len(gold))])
    assert METRICS[name].chance(np.array(gold), np.full(len(gold), 2)) == pytest.approx(mean, abs=1e-12)


def test_chance_of_f1_with_three_classes():
    gold = np.array([0, 1, 2, 1, 1])
    mean = np.mean([ORACLES["f1"](gold, guess) for guess in product((0, 1, 2), repeat=5)])
    assert METRICS["f1"].chance(gold, np.full(5, 3)) == pytest.approx(mean, abs=1e-12)


def test_chance_of_matthews_with_three_classes():
    gold = np.array([0, 1, 2, 1, 1])
    assert np.mean([coefficient(gold, g) for g in product((0, 1, 2), repeat=5)]) == pytest.approx(0, abs=1e-12)
    assert METRICS["matthews"].chance(gold, np.full(5, 3)) == 0


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_chance_of_correlations_is_the_mean_over_all_orders_of_a_guess(name):
    gold, guess = [0.0, 1, 1, 4, 5], [2.0, 0, 3, 3.5, 1]
    assert np.mean([ORACLES[name](gold, order) for order in permutations(guess)]) == pytest.approx(0, abs=1e-12)
    assert METRICS[name].chance(np.array(gold), None) == 0


@pytest.mark.parametrize(("n", "share"), [(408, 0.68), (40_430, 0.37)])
def test_chance_of_f1_in_large_sets(n, share):
    """Near its limit 2 p q / (p + q), and within 4 standard errors of 400 drawn guesses."""
    gold = (np.arange(n) < share * n).astype(int)
    chance = METRICS["f1"].chance(gold, np.full(n, 2))
    assert chance == pytest.approx(2 * gold.mean() * 0.5 / (gold.mean() + 0.5), abs=2 / n)
    rng = np.random.default_rng(0)
    drawn = [METRICS["f1"].value(gold, rng.integers(0, 2, n)) for _ in range(400)]
    assert abs(np.mean(drawn) - chance) < 4 * np.std(drawn) / 20


@pytest.mark.parametrize("name", ["accuracy", "f1", "matthews", "pearson", "spearman"])
def test_majority_is_what_a_constant_prediction_can_reach_at_best(name):
    gold = np.random.default_rng(2).choice(2 if name == "f1" else 3, 50)
    best = max(ORACLES[name](gold, np.full(50, answer)) for answer in range(3))
    assert METRICS[name].majority(gold) == pytest.approx(best, abs=1e-15)


def test_the_best_constant_beats_guessing_in_f1():
    gold = np.array([0, 0, 0, 1])
    assert METRICS["f1"].majority(gold) > METRICS["f1"].chance(gold, np.full(4, 2))
    assert METRICS["f1"].majority(np.zeros(4)) == METRICS["f1"].chance(np.zeros(4), np.full(4, 2)) == 0
