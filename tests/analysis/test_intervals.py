"""Intervals and p-values of a statistic: percentiles, jackknife, MOVER and Wilson, each against SciPy or by hand."""

import numpy as np
import pytest
from scipy import stats

from junkdna.analysis.intervals import Fit, Panel, wilson


def panel(seeds: int, replicates: int = 1000, cells: int = 3, rng_seed: int = 0) -> tuple[Panel, np.ndarray]:
    """A panel of made-up scores, and the score of each cell and seed that its means are of."""
    rng = np.random.default_rng(rng_seed)
    by_seed = rng.uniform(0.3, 0.9, (cells, seeds))
    value = by_seed.mean(axis=1)
    left_out = [np.delete(by_seed, s, axis=1).mean(axis=1) for s in range(seeds) if seeds > 1]
    drawn = (value[:, None] + rng.normal(0, 0.03, (cells, replicates))).astype(np.float32)
    return Panel(value, drawn, np.array(left_out).T.reshape(cells, len(left_out))), by_seed


def ratio(m: np.ndarray) -> np.ndarray:
    """A statistic that is not linear, with two values."""
    return np.stack([(m[1] - 0.2) / (m[0] - 0.2), m[2]])


def constant(values: np.ndarray) -> Panel:
    """One cell with a score for each seed, whose examples all agree."""
    left_out = np.array([[np.delete(values, s).mean() for s in range(len(values))]])
    return Panel(values.mean(keepdims=True), np.full((1, 500), values.mean()), left_out)


# --- one seed ---------------------------------------------------------------------------------------------------------


def test_one_seed_has_the_percentiles() -> None:
    fit = panel(1)[0].fit(ratio)
    low, high = fit.limits()
    wanted = np.quantile(fit.replicates.astype(float), [0.025, 0.975], axis=1)
    assert (low, high) == (pytest.approx(wanted[0]), pytest.approx(wanted[1]))
    assert fit.seeds == 1


def test_the_interval_is_the_middle_95_percent() -> None:
    fit = Fit(np.array([500.0]), np.arange(1001.0)[None], np.zeros(1), 1)
    assert [float(limit[0]) for limit in fit.limits()] == pytest.approx([25, 975])
    assert [float(limit[0]) for limit in fit.limits(0.5)] == pytest.approx([250, 750])
    assert fit.example_half_width() == pytest.approx([475])


def test_confidence_may_differ_between_values() -> None:
    fit = Fit(np.array([500.0, 500.0]), np.arange(1001.0)[None].repeat(2, axis=0), np.zeros(2), 1)
    low, high = fit.limits(np.array([0.95, 0.5]))
    assert low == pytest.approx([25, 250])
    assert high == pytest.approx([975, 750])


# --- several seeds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_jackknife_leaves_a_seed_out_of_all_cells_at_once(seeds: int) -> None:
    of, by_seed = panel(seeds)
    left = []
    for out in range(seeds):
        means = [np.mean([score for s, score in enumerate(row) if s != out]) for row in by_seed]
        left.append(((means[1] - 0.2) / (means[0] - 0.2), means[2]))
    columns = zip(*left, strict=True)
    wanted = [(seeds - 1) / seeds * sum((value - np.mean(values)) ** 2 for value in values) for values in columns]
    assert of.fit(ratio).seed_variance == pytest.approx(wanted)


def test_the_jackknife_of_a_mean_is_its_squared_standard_error() -> None:
    of, by_seed = panel(4)
    variance = of.fit(lambda m: m).seed_variance
    assert np.sqrt(variance) == pytest.approx(stats.sem(by_seed, axis=1))


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_limits_combine_both_sources_as_mover_does(seeds: int) -> None:
    fit = panel(seeds)[0].fit(ratio)
    t = stats.t.ppf(0.975, seeds - 1)
    for at, (low, high) in enumerate(zip(*fit.limits(), strict=True)):
        lower, upper = np.quantile(fit.replicates[at].astype(float), [0.025, 0.975])
        estimate, variance = fit.estimate[at], fit.seed_variance[at]
        assert low == pytest.approx(estimate - (t**2 * variance + (estimate - lower) ** 2) ** 0.5)
        assert high == pytest.approx(estimate + (t**2 * variance + (upper - estimate) ** 2) ** 0.5)
        assert low < lower
        assert high > upper


def test_without_a_spread_over_examples_it_is_the_t_test() -> None:
    values = np.array([0.61, 0.72, 0.55, 0.66])
    fit = constant(values).fit(lambda m: m)
    theirs = stats.ttest_1samp(values, 0.5)
    assert [float(limit[0]) for limit in fit.limits()] == pytest.approx([*theirs.confidence_interval(0.95)])
    for bound in (0.5, 0.6, 0.63):
        wanted = stats.ttest_1samp(values, bound, alternative="greater").pvalue
        assert fit.p_above(bound)[0] == pytest.approx(wanted, rel=1e-6)
        assert fit.p_below(bound)[0] == 1
    for bound in (0.65, 0.8):
        wanted = stats.ttest_1samp(values, bound, alternative="less").pvalue
        assert fit.p_below(bound)[0] == pytest.approx(wanted, rel=1e-6)
        assert fit.p_above(bound)[0] == 1


def test_without_a_spread_over_seeds_it_is_the_percentiles() -> None:
    of, _ = panel(3)
    same = Panel(of.value, of.replicates, of.value[:, None].repeat(3, axis=1))
    one = Panel(of.value, of.replicates, np.empty((3, 0)))
    assert np.allclose(same.fit(ratio).limits(), one.fit(ratio).limits())


# --- undefined values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("undefined", [0, 10, 25])
def test_undefined_replicates_count_against_each_limit(undefined: int) -> None:
    """As minus infinity for the lower limit and as infinity for the upper one."""
    replicates = np.random.default_rng(0).normal(size=1001)
    replicates[:undefined] = np.nan
    fit = Panel(np.zeros(1), replicates[None], np.empty((1, 0))).fit(lambda m: m)
    low, high = (float(limit[0]) for limit in fit.limits())
    assert low == pytest.approx(np.sort(np.nan_to_num(replicates, nan=-np.inf))[25])
    assert high == pytest.approx(np.sort(np.nan_to_num(replicates, nan=np.inf))[975])


def test_too_many_undefined_replicates_leave_both_sides_open() -> None:
    replicates = np.random.default_rng(0).normal(size=1001)
    replicates[:26] = np.nan
    for seeds in (0, 3):
        fit = Panel(np.zeros(1), replicates[None], np.zeros((1, seeds))).fit(lambda m: m)
        assert [float(limit[0]) for limit in fit.limits()] == [-np.inf, np.inf]
        assert (fit.p_above(-5)[0], fit.p_below(5)[0]) == pytest.approx((26 / 1001,) * 2, rel=0.1)


def test_infinite_replicates_are_undefined() -> None:
    replicates = np.random.default_rng(0).normal(size=1001)
    replicates[:30] = np.inf
    fit = Panel(np.zeros(1), replicates[None], np.empty((1, 0))).fit(lambda m: m)
    assert [float(limit[0]) for limit in fit.limits()] == [-np.inf, np.inf]


def test_a_statistic_that_is_undefined_without_one_seed_has_no_limits() -> None:
    of, _ = panel(3)
    holes = of.left_out.copy()
    holes[0, 1] = np.nan
    fit = Panel(of.value, of.replicates, holes).fit(ratio)
    low, high = fit.limits()
    assert (low[0], high[0]) == (-np.inf, np.inf)
    assert np.isfinite([low[1], high[1]]).all()


def test_an_undefined_estimate_is_never_significant() -> None:
    fit = panel(3)[0].fit(lambda m: np.full(m.shape, np.nan)[:1])
    assert (fit.p_above(0)[0], fit.p_below(0)[0]) == (1, 1)


# --- p-values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_p_value_is_the_level_at_which_the_limit_is_at_the_bound(seeds: int) -> None:
    fit = panel(seeds, replicates=5000)[0].fit(ratio)
    bound = fit.estimate - 0.05
    for at in range(2):
        p = fit.p_above(bound[at])[at]
        assert 1 / 5001 < p < 0.5
        assert fit.limits(1 - 2 * p)[0][at] == pytest.approx(bound[at], abs=1e-4)
        p = fit.p_below(fit.estimate[at] + 0.05)[at]
        assert fit.limits(1 - 2 * p)[1][at] == pytest.approx(fit.estimate[at] + 0.05, abs=1e-4)


def test_the_p_value_of_one_seed_is_the_share_of_replicates_beyond_the_bound() -> None:
    fit = panel(1, replicates=5000)[0].fit(ratio)
    bound = fit.estimate[1] - 0.04
    assert fit.p_above(bound)[1] == pytest.approx((fit.replicates[1] <= bound).mean(), rel=0.02)


def test_p_values_have_bounds() -> None:
    fit = Fit(np.array([0.5]), np.full((1, 1000), 0.5), np.zeros(1), 1)
    assert fit.p_above(0.1)[0] == pytest.approx(1 / 1001, rel=1e-3)  # as if one more draw were at the bound
    skewed = Fit(np.array([0.5]), np.linspace(-1, 0, 1000)[None], np.zeros(1), 1)
    assert skewed.p_above(0.4)[0] == 0.5  # above the bound, but the replicates are not
    assert fit.p_above(0.5)[0] == fit.p_below(0.5)[0] == 1


# --- Wilson -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "examples"), [(0, 1), (0, 49), (49, 49), (3, 20), (650, 650), (10, 10_000)])
def test_wilson_agrees_with_scipy(right: int, examples: int) -> None:
    theirs = stats.binomtest(right, examples).proportion_ci(0.95, method="wilson")
    assert wilson(right / examples, examples) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
