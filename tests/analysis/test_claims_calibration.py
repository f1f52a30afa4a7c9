"""Rates of wrong and right verdicts, and coverage of intervals, in studies with planted truth.

`benchmarks/claims_calibration.py` prints the same rates for all worlds and numbers of seeds. All draws are seeded, so a
test gives the same result every time. The bounds are quantiles of the binomial distribution: a rule that keeps its
nominal rate passes them with a probability of at least 0.999, and each of the mutations below fails one.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import planted_claims
import pytest
from planted_claims import NULLS, control, finding, ladder, quantized, verdict
from planted_coverage import cell_covered, contrast_covered
from planted_truth import Planted, World, evidence
from scipy import stats

from junkdna.analysis.across_pairs import Mean
from junkdna.analysis.claims import not_in_quantization, small_weights_specific, steeper_when_harder
from junkdna.analysis.curves import Curve
from junkdna.analysis.findings import SUPPORTED, UNDECIDED, distinct
from junkdna.analysis.intervals import Fit, Panel
from junkdna.analysis.scores import Scores
from junkdna.study.claim_settings import ClaimSettings

SEEDS, STUDIES, REPLICATES = 3, 100, 400
QUIET, LOUD = (
    "C2 at the margin, n = 2,000, scatter 0.03",
    "C2 at the margin, scatter 0.3, much of it alike at all levels",
)
TASKS, RISE = "C2 8 tasks unrelated to difficulty", "C1 rise 0.10 (its margin)"
ALIKE = "C3 keeps 0.70, scatter 0.3, alike at all levels"
RECOVERED, HALF = "C3 recovered, 0.6 of runs collapse", "C4 quantization half as steep"
NOMINAL = {QUIET: 0.025, LOUD: 0.025, TASKS: 0.025, RISE: 0.05, RECOVERED: 0.025, HALF: 0.025}
PAIRS = "C5 five pairs at the margin, all alike"


def supported(name: str, studies: int = STUDIES) -> int:
    return sum(verdict(name, SEEDS, study, REPLICATES) == SUPPORTED for study in range(studies))


def most(name: str) -> int:
    """The most studies in which a rule with its nominal rate supports the claim, except with a chance of 0.001."""
    return int(stats.binom.ppf(0.999, STUDIES, NOMINAL[name]))


@pytest.mark.parametrize("name", NOMINAL)
def test_false_claims_are_rarely_supported(name: str) -> None:
    """100 studies of three seeds. 0.025 is nominal at a margin (0.05 for a rise), and other nulls are further away."""
    assert supported(name) <= most(name)


@pytest.mark.parametrize(
    "name",
    [
        "C1 mean of 3 curves", "C2 gap 0.30", "C2 five pairs, 0.32 on average", "C3 keeps 0.70", "C5 control flat",
    ],
)  # fmt: skip
def test_true_claims_are_mostly_supported(name: str) -> None:
    """30 studies of three seeds; in the calibration, all of these rates are above 0.6."""
    assert supported(name, 30) >= stats.binom.ppf(0.01, 30, 0.6)


# ---- broken rules are noticed ----------------------------------------------------------------------------------------


def no_margin(patch: pytest.MonkeyPatch) -> None:
    p_above = Fit.p_above
    patch.setattr(Fit, "p_above", lambda fit, bound: p_above(fit, 0.0))


def no_seed_variance(patch: pytest.MonkeyPatch) -> None:
    fit_of = Panel.fit
    zero = lambda fit: Fit(fit.estimate, fit.replicates, np.zeros_like(fit.seed_variance), fit.seeds)  # noqa: E731
    patch.setattr(Panel, "fit", lambda panel, statistic: zero(fit_of(panel, statistic)))


def unpaired_seeds(patch: pytest.MonkeyPatch) -> None:
    """Every score leaves out another seed."""
    panel_of = Scores.panel

    def panel(scores: Scores, groups: list) -> Panel:
        found = panel_of(scores, groups)
        return Panel(
            found.value, found.replicates, np.stack([np.roll(row, at) for at, row in enumerate(found.left_out)])
        )

    patch.setattr(Scores, "panel", panel)


def no_test_of_rises(patch: pytest.MonkeyPatch) -> None:
    p_below, rise = Fit.p_below, ClaimSettings().rise
    patch.setattr(Fit, "p_below", lambda fit, bound: p_below(fit, bound) * (bound != rise))


def collapsed_runs_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Curve, "without", lambda curve, cells: curve)


def no_quantization_share(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planted_claims, "ClaimSettings", partial(ClaimSettings, quantization_share=0.99))


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (no_margin, QUIET), (no_seed_variance, LOUD),  (no_test_of_rises, RISE),
        (collapsed_runs_count, RECOVERED), (no_quantization_share, HALF),
    ],
)  # fmt: skip
def test_a_broken_rule_exceeds_its_bound(
    broken: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    assert supported(name) > most(name)


# ---- pairs -----------------------------------------------------------------------------------------------------------


def pairs_supported(name: str, studies: int = 40) -> int:
    """The verdict on a mean over pairs needs no draws, so there are hardly any."""
    return sum(verdict(name, SEEDS, study, 20) == SUPPORTED for study in range(studies))


@pytest.mark.parametrize("name", [PAIRS, "C4 five pairs, quantization half as steep"])
def test_false_claims_about_pairs_are_rarely_supported(name: str) -> None:
    assert pairs_supported(name) <= stats.binom.ppf(0.999, 40, 0.025)


def test_a_mean_that_is_compared_with_0_exceeds_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    p_above = Mean.p_above
    monkeypatch.setattr(Mean, "p_above", lambda mean, bound: p_above(mean, 0.0))
    assert pairs_supported(PAIRS) > stats.binom.ppf(0.999, 40, 0.025)


@pytest.mark.parametrize("name", ["C5 five pairs, control flat", "C4 five pairs, gap 0.2, quantization loses nothing"])
def test_true_claims_about_pairs_are_mostly_supported(name: str) -> None:
    assert pairs_supported(name, 10) >= stats.binom.ppf(0.01, 10, 0.6)


def test_unpaired_seeds_lose_the_power_that_pairing_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lucky run is better at all levels and dense, so that its retention is not. Unpaired, the spread of runs hides
    what is lost."""
    paired = supported(ALIKE, 30)
    unpaired_seeds(monkeypatch)
    assert paired >= 24
    assert supported(ALIKE, 30) <= 15


# ---- coverage --------------------------------------------------------------------------------------------------------


def coverage(covered: Callable, name: str, seeds: int, studies: int) -> dict[str, float]:
    drawn = [dict(covered(name, seeds, REPLICATES, study)) for study in range(studies)]
    return {outcome: float(np.mean([each[outcome] for each in drawn])) for outcome in drawn[0]}


def test_three_seeds_that_differ_much_are_covered() -> None:
    """200 studies. Runs scatter by 0.5 in the logit, about 8 points of accuracy: percentiles over redrawn seeds covered
    in about 82 % of studies."""
    found = coverage(cell_covered, "accuracy, scatter 0.5", 3, 200)
    assert found["drop"] >= 0.90
    assert found["retention"] >= 0.90
    assert found["drop, old"] < 0.90


@pytest.mark.parametrize(("scatter", "seeds"), [(0.0, 1), (0.2, 5), (0.5, 5)])
def test_intervals_of_cells_cover_about_as_often_as_they_say(scatter: float, seeds: int) -> None:
    """150 studies; the standard error of 0.95 is 0.018. Too much is allowed, because the parts are combined as if the
    noise of answers were not in the spread of seeds too."""
    found = coverage(cell_covered, f"accuracy, scatter {scatter}", seeds, 150)
    assert min(found["drop"], found["retention"]) >= 0.90


def test_contrasts_of_two_scattered_seeds_are_covered() -> None:
    """60 studies."""
    found = coverage(contrast_covered, "scatter 0.3", 2, 60)
    assert found["new"] >= 0.90
    assert found["new"] > found["old"]


# ---- nothing to compare, and doubt -----------------------------------------------------------------------------------


def across_tasks(world: World, study: int) -> object:
    return next(iter(steeper_when_harder.findings(evidence(world, 1, study, REPLICATES))))


def task_world(known: tuple[float, ...], examples: int) -> World:
    kept = np.tile([0.75, 0.55, 0.4], (len(known), 1))
    world = ladder(kept, known=known, tasks=True, levels=("0.5", "0.6", "0.7"), examples=examples)
    return planted_claims.untrained(world)


def test_tasks_that_are_all_equally_hard_are_untestable() -> None:
    found = across_tasks(task_world((1.0,) * 5, 40), 0)
    assert not found.testable
    assert found.reason == "the dense model finds all tasks equally hard"


def test_a_half_in_which_dense_is_below_its_baseline_is_untestable() -> None:
    found = [across_tasks(task_world((0.8, 0.7, 0.6, 0.5, 0.1), 60), study) for study in range(20)]
    assert all(np.isfinite(each.estimate) for each in found if each.testable)
    assert any("on half of the examples of task4" in each.reason for each in found)


def test_two_pruning_methods_against_one_quantization_are_two_findings() -> None:
    world = quantized(0.3, 0, 0.3)
    pruned, bits = world.series
    other = Planted("magnitude_layer", pruned.levels, pruned.retention)
    both = World((pruned, other, bits), world.known, world.baseline)
    found = [*not_in_quantization.findings(evidence(both, 2, 0, REPLICATES))]
    assert len(found) == 4
    assert all(distinct(found))


@pytest.mark.parametrize(("transfer", "decidable"), [("none", True), ("sparse", False)])
def test_one_run_of_trained_models_decides_nothing(transfer: str, decidable: bool) -> None:
    """Untrained ones that depend on no seed may be decided."""
    world = planted_claims.controlled(control(0))
    series = [Planted(method, each.levels, each.retention, transfer)
              for method, each in zip(("magnitude", "largest"), world.series, strict=True)]  # fmt: skip
    seen = evidence(World(tuple(series), world.known, world.baseline, scatter=0.0), 1, 0, REPLICATES)
    found = next(small_weights_specific.findings(seen))
    assert (found.decidable, found.p < 1) == (decidable, decidable)


def test_a_scenario_of_every_claim_is_false() -> None:
    assert {name[:2] for name in NULLS} == {"C1", "C2", "C3", "C4", "C5"}
    assert finding("C2 equal retention", 1, 0, REPLICATES).n_seeds == 1
    assert verdict("C5 control at its baseline", 3, 0, REPLICATES) not in (SUPPORTED, UNDECIDED)
