"""Findings over the study's pairs of an easy and a hard task, under one series or under two that are compared."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_cells import MadeCells
from made_studies import CHOICE, CONTEXT, LEVELS, PRUNED, study
from planted_claims import PAIRS, control, controlled, paired_bits, paired_control, paired_world, untrained
from planted_truth import World, evidence
from scipy import stats

from junkdna.analysis.claim_catalog import load
from junkdna.analysis.findings import Finding
from junkdna.study.cell import Cell
from junkdna.study.claim_settings import ClaimSettings

TEN = (*CHOICE, "hellaswag", "piqa", "copa", "winogrande")
FIVE = [{"easy": easy, "hard": hard} for easy, hard in zip(TEN[::2], TEN[1::2], strict=True)]
SIDES = [(f"task{at}", f"task{at + 5}") for at in range(5)]
RANDOM = {"method": "random", "sparsity": [*LEVELS]}
MARGIN = ClaimSettings().margin
GENERATOR = np.random.default_rng


def found(claim: str, world: World, seeds: int = 3, sides: list | None = None, study_number: int = 0) -> list[Finding]:
    pairs = [{"easy": easy, "hard": hard} for easy, hard in sides or SIDES]
    return [*load(claim).study_findings(evidence(world, seeds, study_number, 300, ClaimSettings(pairs=pairs)))]


def two_sided(values: list[float], bound: float) -> float:
    """Two-sided p-value of "the mean is `bound`" by scipy's own test."""
    return float(stats.ttest_1samp(values, bound).pvalue)


# --- the mean ---------------------------------------------------------------------------------------------------------


def test_a_control_has_a_finding_of_each_pair_and_one_of_their_mean() -> None:
    *pairs, mean = found("small_weights_specific", paired_control(0.2, 0.1)(GENERATOR(1)))
    assert [each.unit for each in pairs] == [f"{hard} against {easy}, against random sparse" for easy, hard in SIDES]
    assert mean.unit == "mean of 5 pairs, against random sparse"
    assert [each.primary for each in (*pairs, mean)] == [False] * 5 + [True]
    effects = [each.estimate for each in pairs]
    interval = stats.ttest_1samp(effects, 0).confidence_interval(0.95)
    assert (mean.estimate, mean.low, mean.high) == pytest.approx((np.mean(effects), *interval))
    assert mean.p_supported == pytest.approx(two_sided(effects, MARGIN))
    assert (mean.setting, mean.n_tasks, mean.n_seeds, mean.losses) == ("magnitude sparse", 10, 3, "")


def test_quantization_has_means_at_matched_bits_and_loss_of_which_one_is_primary() -> None:
    rows = found("not_in_quantization", paired_bits(0.3, 0.1, 0.05)(GENERATOR(1)))
    assert len(rows) == 12
    assert {each.unit: each.primary for each in rows if each.unit.startswith("mean of")} == {
        "mean of 5 pairs, against rtn sparse at matched bits": True,
        "mean of 5 pairs, against rtn sparse at matched mean loss": False,
    }
    assert not any(each.primary for each in rows[:5])


@pytest.mark.parametrize("gap", [0.06, 0.3])
def test_the_gap_under_pruning_and_the_effect_must_both_hold_on_average(gap: float) -> None:
    """At a gap near the margin the effect alone is clear, and decides nothing."""
    rows = found("not_in_quantization", paired_bits(gap, -0.2, 0.03)(GENERATOR(2)))
    pairs, mean = rows[:5], rows[5]
    effect = two_sided([each.estimate for each in pairs], 0)
    steep = two_sided([float(each.details.split()[1]) for each in pairs], MARGIN)  # "pruning 0.312 (...); ..."
    assert effect < 0.05
    assert (steep < 0.05) == (gap == 0.3)
    assert mean.p_supported == pytest.approx(max(effect, steep), rel=0.05)
    assert mean.p_contradicted > 0.9
    assert mean.scale_free


# --- what is untestable -----------------------------------------------------------------------------------------------

WORLDS = {
    "small_weights_specific": paired_control(0.2, 0.1)(GENERATOR(1)),
    "not_in_quantization": paired_bits(0.3, 0.1, 0.05)(GENERATOR(1)),
}


def means(claim: str, **given: object) -> list[Finding]:
    return [each for each in found(claim, WORLDS[claim], **given) if each.unit.startswith("mean of")]


@pytest.mark.parametrize("claim", WORLDS)
def test_fewer_than_five_pairs_have_no_mean(claim: str) -> None:
    rows = means(claim, sides=SIDES[:4])
    assert {each.reason for each in rows} == {"4 testable pairs; at least 5 are needed"}
    assert {each.unit.partition(",")[0] for each in rows} == {"mean of 4 pairs"}


@pytest.mark.parametrize("claim", WORLDS)
def test_pairs_that_share_a_task_have_no_mean(claim: str) -> None:
    rows = means(claim, sides=[*SIDES[:4], ("task4", "task8")])
    assert {each.reason for each in rows} == {"task8 is in two pairs, which are then not independent"}


@pytest.mark.parametrize("claim", WORLDS)
@pytest.mark.parametrize("seeds", [1, 2])
def test_one_seed_of_trained_models_is_never_decided(claim: str, seeds: int) -> None:
    for each in found(claim, WORLDS[claim], seeds):
        assert each.testable
        assert each.decidable == (seeds > 1)
        assert each.reason == ("one seed: the spread between seeds is unknown" if seeds == 1 else "")


def test_a_control_that_depends_on_the_seed_casts_doubt_on_the_mean() -> None:
    """Random masks, without training: the curves of magnitude pruning alone would be beyond doubt."""
    plain = untrained(controlled(control(0, PAIRS), side=PAIRS))
    seeded = replace(plain, series=(plain.series[0], replace(plain.series[1], method="random")))
    assert [found("small_weights_specific", each, 1)[-1].decidable for each in (plain, seeded)] == [True, False]


def test_a_pair_of_trained_models_without_a_common_level_leaves_the_others() -> None:
    """Six pairs, of which five can be tested."""
    sides = [(f"task{at}", f"task{at + 6}") for at in range(6)]
    settings = ClaimSettings(pairs=[{"easy": easy, "hard": hard} for easy, hard in sides])
    seen = evidence(paired_world(0.3, 0.1, 6)(GENERATOR(1)), 3, 0, 300, settings)
    kept = {"task5": ["magnitude-0.5"], "task11": ["magnitude-0.6"]}
    curves = [each.at(kept.get(each.condition.task, ("magnitude-0.5", "magnitude-0.6"))) for each in seen.curves]
    *_, last, mean = load("steeper_when_harder").study_findings(replace(seen, curves=tuple(curves)))
    assert last.reason == "the conditions have no level in common"
    assert (mean.testable, mean.n_tasks, "task11" in mean.details) == (True, 10, False)


# --- tables -----------------------------------------------------------------------------------------------------------


def steep(cell: Cell) -> float:
    """The hard tasks lose more under magnitude pruning and not under random pruning."""
    hard = TEN.index(cell.task) % 2 and cell.compression.method == "magnitude"
    return 0.85 - (0.5 if hard else 0.35) * cell.compression.nominal_sparsity


def made_pairs(made: Callable, control_tasks: tuple[str, ...] = TEN) -> MadeCells:
    controls = {"compressions": [RANDOM], "tasks": [*control_tasks], "seeds": [0, 1]}
    return made(study(TEN, small={"compressions": PRUNED}, controls=controls, claims={"pairs": FIVE}), steep)


def test_curves_of_several_experiments_are_compared(made: Callable) -> None:
    rows = made_pairs(made).claims("small_weights_specific")
    assert [row["experiment"] for row in rows] == [""] * 6
    assert rows[-1]["unit"].startswith("mean of 5 pairs, against random")
    assert rows[-1]["estimate"] > 0


def test_the_order_of_cells_does_not_matter(made: Callable) -> None:
    cells = made_pairs(made)
    shuffled = MadeCells(cells.resolved, cells.facts.sample(fraction=1, shuffle=True, seed=3))
    assert shuffled.claims("small_weights_specific") == cells.claims("small_weights_specific")


def test_a_pair_that_only_one_of_the_series_has_is_named_once(made: Callable) -> None:
    rows = made_pairs(made, TEN[:9]).claims("small_weights_specific")
    [lacking] = [row for row in rows if row["unit"] == "winogrande against copa"]
    assert (lacking["verdict"], lacking["primary"], lacking["model"]) == ("untestable", False, "")
    assert lacking["reason"] == (
        "no curves of both under magnitude pruning and under a control with the same model, transfer mode and protocol"
    )
    assert [row["unit"].partition(",")[0] for row in rows if row["primary"]] == ["mean of 4 pairs"]


def test_without_quantization_every_pair_says_so_and_no_mean_is_there(made: Callable) -> None:
    rows = made_pairs(made).claims("not_in_quantization")
    assert [row["unit"] for row in rows] == [f"{pair['hard']} against {pair['easy']}" for pair in FIVE]
    assert {row["reason"].partition(" with ")[0] for row in rows} == {
        "no curves of both under pruning and under quantization"
    }


@pytest.mark.parametrize("claim", ["steeper_when_harder", "small_weights_specific"])
def test_a_pair_does_not_replace_the_knob_of_an_experiment(made: Callable, claim: str) -> None:
    """The pair has the levels of both experiments, but only the knob's findings are primary."""
    levels = {"low": [0.3, 0.5, 0.9], "high": [0.5, 0.7, 0.9]}
    parts = {
        name: {"compressions": [{"method": method, "sparsity": some} for method in ("magnitude", "largest")], **CONTEXT}
        for name, some in levels.items()
    }
    pair = {"easy": {"task": "sciq", "knobs": {"context": "passage"}}, "hard": "sciq"}
    rows = made(study(("sciq",), **parts, claims={"pairs": [pair]})).claims(claim)
    knobs = [row for row in rows if row["unit"].startswith("context of sciq")]
    assert {row["experiment"] for row in knobs if row["primary"]} == {"low", "high"}
    assert any(row["unit"].startswith("sciq against sciq context=passage") and row["estimate"] for row in rows)
