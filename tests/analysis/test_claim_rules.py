"""Rules of the claims that one case each would break: what may not be compared, merged, or called supported."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from bootstrap_cases import ids
from made_studies import CONTEXT, PRUNED, steady, study, trained
from made_studies import LEVELS as PRUNED_LEVELS
from planted_claims import LEVELS, control, controlled, curve, quantized, recovery, untrained
from planted_truth import Planted, World, evidence
from scipy.special import ndtr, ndtri

from junkdna.analysis import across_tasks
from junkdna.analysis.cell_answers import Bins, CellAnswers
from junkdna.analysis.claim_catalog import load
from junkdna.analysis.claims_table import claims, headlines
from junkdna.analysis.curves import Condition
from junkdna.analysis.findings import Finding, decide
from junkdna.analysis.scores import Answers, Scores
from junkdna.study.cell import Cell
from junkdna.study.claim_settings import ClaimSettings

SHIFTS = np.array([0.35, 0.5, 0.7])


def findings(claim: str, world: World, seeds: int = 1, settings: ClaimSettings | None = None) -> list[Finding]:
    """The findings of one drawn study."""
    module, seen = load(claim), evidence(world, seeds, 0, 500, settings)
    return [*module.findings(seen), *(module.study_findings(seen) if settings else ())]


# --- what is no evidence ----------------------------------------------------------------------------------------------


def test_quantization_that_loses_everything_is_no_evidence_that_difficulty_does_not_matter() -> None:
    found = findings("not_in_quantization", untrained(quantized(0.3, 0, 1.0)))
    lost = "all levels of rtn none lose more than 0.9: conditions that lost everything do not differ"
    assert {each.reason for each in found} == {lost}


def test_controls_are_not_compared_with_quantization(made: Callable) -> None:
    compressions = [
        *PRUNED,
        {"method": "random", "sparsity": [*PRUNED_LEVELS]},
        {"method": "largest", "sparsity": [*PRUNED_LEVELS]},
        {"method": "rtn", "bits": [3, 4, 8]},
    ]  # fmt: skip
    rows = made(study(("sciq",), only={"compressions": compressions, **CONTEXT})).claims("not_in_quantization")
    assert {row["setting"] for row in rows} == {"smallest weights pruned (magnitude)"}


def test_every_number_format_is_compared_by_its_bits(made: Callable) -> None:
    compressions = [
        {"method": "magnitude", "sparsity": [0.6, 0.7, 0.8]},
        {"method": "rtn", "bits": [4]},
        {"method": "rtn", "format": ["nvfp4", "mxfp4"]},
    ]
    rows = made(study(("sciq",), only={"compressions": compressions, **CONTEXT})).claims("not_in_quantization")
    others = {row["unit"].partition(", against ")[2] for row in rows}
    assert others == {
        f"{name} at matched {by}" for name in ("RTN", "RTN NVFP4", "RTN MXFP4") for by in ("bits", "mean loss")
    }
    assert {row["reason"] for row in rows if "matched bits" in row["unit"]} == {""}


@pytest.mark.parametrize(("n", "verdicts"), [(29, {"untestable"}), (400, {"supported"})])
def test_a_few_examples_are_untestable(made: Callable, n: int, verdicts: set) -> None:
    rows = made(study(("sciq",), only=CONTEXT), n=n).claims("monotone")
    assert {row["verdict"] for row in rows} == verdicts
    assert {"29 independent examples; at least 30 are needed" in row["reason"] for row in rows} == {n == 29}


def test_pairs_that_share_a_task_have_no_mean() -> None:
    settings = ClaimSettings(pairs=[{"easy": f"task{at}", "hard": "task5"} for at in range(5)])
    kept = np.repeat([[0.7, 0.55, 0.4]], 6, 0)
    world = World((Planted("magnitude", LEVELS[2:5], kept, "none"),), (0.8,) * 6, (0.25,) * 6, scatter=0, tasks=True)
    last = findings("steeper_when_harder", world, settings=settings)[-1]
    assert last.unit == "mean of 5 pairs"
    assert last.reason == "task5 is in two pairs, which are then not independent"


def test_a_gap_that_is_undefined_on_half_of_the_examples_is_named() -> None:
    """Matthews correlation can be at most 0 for a model that knows a little."""
    kept = np.full((5, 2), 0.5)
    world = World((Planted("magnitude", ("0.5", "0.6"), kept, "none"),), (0.8, 0.7, 0.6, 0.5, 0.06), (0.5,) * 5,
                  scatter=0, examples=100, tasks=True)  # fmt: skip
    reasons = {reason for study_number in range(8) for reason in matthews_reasons(world, study_number)}
    assert "on half of the examples of task4, dense scores at most 0: its gap is undefined" in reasons


def matthews_reasons(world: World, study_number: int) -> list[str]:
    seen = evidence(world, 1, study_number, 200)
    accuracy = seen.scores.answers_of

    def answers(group: object) -> Answers:
        found = accuracy(group)
        gold = (np.arange(len(found.ids)) // 2 % 2).astype(float)
        return replace(found, metric="matthews", gold=gold, given=np.where(found.given == 1, gold, 1 - gold))

    curves = tuple(replace(each, metric="matthews", chance=0.0, majority=0.0) for each in seen.curves)
    human = {Condition(f"task{at}"): 0.9 for at in range(5)}
    seen = replace(seen, scores=Scores(answers, 200), curves=curves, human=human)
    return [each.reason for each in across_tasks.findings(seen)]


# --- seeds ------------------------------------------------------------------------------------------------------------


def modes(seeds: list[int], **more: object) -> dict:
    return trained(seeds, **more) | {"transfer": ["dense", "sparse"]}


def test_one_seed_does_not_replace_five(made: Callable) -> None:
    rows = made(study(("mnli",), one=modes([0]), five=modes([0, 1, 2, 3, 4]))).claims("monotone")
    assert [(row["experiment"], row["n_seeds"], row["verdict"]) for row in rows] == [("five", 5, "supported")]


def test_one_more_level_with_one_seed_is_a_row_of_its_own(made: Callable) -> None:
    wide = modes([0], compressions=[{"method": "magnitude", "sparsity": [0.1, *PRUNED_LEVELS]}])
    rows = made(study(("mnli",), five=modes([0, 1, 2, 3, 4]), wide=wide)).claims("monotone")
    assert [(row["experiment"], row["n_seeds"], row["verdict"]) for row in rows] == [
        ("five", 5, "supported"),
        ("wide", 1, "undecided"),
    ]


def test_rows_of_the_whole_study_use_all_seeds_and_no_level_with_one_seed(made: Callable) -> None:
    pair = {"pairs": [{"easy": "mnli", "hard": "qnli"}]}
    more = modes([0], compressions=[{"method": "magnitude", "sparsity": [0.95]}])
    data = study(("mnli", "qnli"), some=modes([0, 1]), others=modes([2, 3, 4]), more=more, claims=pair)
    [row] = [row for row in made(data).claims("steeper_when_harder") if row["unit"] == "qnli against mnli"]
    assert row["n_seeds"] == 5
    assert "magnitude-0.95" not in row["levels"]


def test_tasks_in_another_order_are_the_same_row(made: Callable) -> None:
    tasks = ("sciq", "csqa", "arc_easy")
    rows = made(study(tasks, one={}, other={"tasks": [*reversed(tasks)]})).claims()
    units = [(row["claim"], row["unit"]) for row in rows]
    assert len(units) == len({*units})


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_a_steady_fall_with_a_small_certain_rise_is_not_contradicted() -> None:
    """A rise between the margin and `rise` lets both rules hold; contradicted is what is not supported."""
    world = untrained(curve(0.95, 0.85, 0.6, 0.675, 0.4, 0.2, examples=20_000))
    [found] = findings("monotone", world)
    assert found.p_supported < 0.05
    assert decide([found])[0].verdict == "supported"


@pytest.mark.parametrize("claim", ["pairs", "tasks", "not_in_quantization"])
def test_an_equal_shift_of_ability_is_not_called_steeper_on_every_scale(claim: str) -> None:
    """The same shift of an ability costs a hard condition a larger share of what it knows, and the same d'."""
    count = {"pairs": 10, "tasks": 8, "not_in_quantization": 3}[claim]
    known = np.linspace(0.85, 0.35, count)
    kept = ndtr(ndtri(known)[:, None] - SHIFTS) / known[:, None]
    series = [Planted("magnitude", ("0.5", "0.75", "0.85"), kept, "none")]
    if claim == "not_in_quantization":
        series += [Planted("rtn", ("4bit",), np.ones((count, 1)), "none")]
    world = World(tuple(series), tuple(known), (0.25,) * count, scatter=0, examples=1000,
                  tasks=claim != "not_in_quantization")  # fmt: skip
    pairs = [{"easy": f"task{at}", "hard": f"task{at + 5}"} for at in range(5)]
    settings = ClaimSettings(pairs=pairs) if claim == "pairs" else None
    name = claim if claim == "not_in_quantization" else "steeper_when_harder"
    found = findings(name, world, settings=settings)[-1 if settings else 0]
    assert found.estimate > 0.05
    assert found.scale_free in ("undecided", "against the claim")


def test_facts_are_those_of_both_series() -> None:
    world = quantized(0.3, 0, 0)
    pruned = replace(world.series[0], collapse=0.5)
    for claim, series in (("not_in_quantization", (pruned, world.series[1])),
                          ("small_weights_specific", tuple(replace(each, collapse=0.3 * (at == 0)) for at, each in
                                                           enumerate(controlled(control(0)).series)))):  # fmt: skip
        seen = evidence(replace(world, series=series), 3, 1, 300)
        found = next(load(claim).findings(seen))
        assert found.collapsed == len(seen.collapsed) > 0


def test_p_values_are_at_most_1() -> None:
    assert Finding(unit="", setting="", model="", p_supported=2.0, p_contradicted=2.0).p == 1


def test_the_detectable_effect_is_on_the_scale_of_the_estimate() -> None:
    """That of recovery is a retention: one that low would be found to be less than 1 - margin."""
    [found] = findings("irreversible", recovery(0.85), 5)
    assert 0.7 < found.detectable < 0.95
    below = findings("not_in_quantization", quantized(0.2, 0, 0), 5)[0]
    assert 0 < below.detectable < below.high - below.low


def test_every_model_has_its_own_headline(made: Callable) -> None:
    import polars as pl

    both = study(("sciq",), only={"models": ["dec", "flat"], **CONTEXT})
    both["models"] = {**both["models"], "flat": {"kind": "decoder", "local": "flat"}}
    cells = made(both, lambda cell: steady(cell) if cell.model == "dec" else 0.85, 600)
    heads = headlines(pl.DataFrame(cells.claims()))
    assert {model: head.verdict for model, head in heads["monotone"].items()} == {
        "dec": "supported", "flat": "contradicted",
    }  # fmt: skip


def test_every_pair_without_curves_has_a_row(made: Callable) -> None:
    pairs = [{"easy": "sciq", "hard": {"task": "sciq", "knobs": {"options": at}}} for at in (2, 3)]
    rows = made(study(("sciq",), claims={"pairs": pairs})).claims("steeper_when_harder")
    assert {row["unit"] for row in rows if row["reason"].startswith("no pruning curves of both")} == {
        "sciq options=2 against sciq", "sciq options=3 against sciq",
    }  # fmt: skip


def test_quantization_outside_the_bits_of_pruning_says_so(made: Callable) -> None:
    few = [{"method": "magnitude", "sparsity": [0.1, 0.2]}, {"method": "rtn", "bits": [3]}]
    rows = made(study(("sciq",), only={"compressions": few, **CONTEXT})).claims("not_in_quantization")
    [bits] = [row["reason"] for row in rows if row["unit"].endswith("bits")]
    assert bits.endswith("(bits 3.00 to 3.00) is within the range of pruning (12.80 to 16.00)")


def test_all_recovery_lengths_are_about_one_condition_and_the_same_levels(made: Callable) -> None:
    """The hardest condition that can be tested, and the levels at which `sparse` loses, at the shortest length."""
    wide = trained([0, 1, 2], recovery=[1, 3], knobs={"data_fraction": [10, 50, 100]})

    def right(cell: Cell) -> float:
        fraction, long = dict(cell.knobs).get("data_fraction", 100), cell.protocol.endswith("-x3")
        dense = {10: 0.355, 50: 0.7 + 0.2 * long, 100: 0.85}[fraction]
        if cell.transfer == "sparse" and not long:
            return dense - 0.4 * cell.compression.nominal_sparsity
        return dense - 0.1 * (cell.transfer == "sparse_to_dense")

    rows = made(study(("mnli",), only=wide), right).claims("irreversible")
    assert len(rows) == 2
    assert {(row["unit"], row["levels"]) for row in rows} == {(rows[0]["unit"], rows[0]["levels"])}
    assert "50 %" in rows[0]["unit"]
    assert all(row["estimate"] is not None for row in rows)


@pytest.mark.parametrize(("bins", "reason"), [
    ({}, "no question is in a bin; at least two bins are needed"),
    ({"a": range(400)}, "all questions with a difficulty are in bin a; at least two bins are needed"),
    ({"a": range(200), "b": range(200, 400)}, ""),
])  # fmt: skip
def test_a_difficulty_with_fewer_than_two_bins_has_an_untestable_row(made: Callable, bins: dict, reason: str) -> None:
    cells = made(study(("arc_easy_grades",)))
    names = ids(400, "arc_easy_grades")
    found = Bins(tuple(bins), {names[at]: name for name, rows in bins.items() for at in rows})
    answers = CellAnswers(cells.resolved, {"arc_easy_grades": found})
    answers.baselines = lambda group: (0.25, 0.35)
    table = claims(cells.resolved, cells.facts, Scores(answers, 500), {"arc_easy_grades": found})
    [row] = [row for row in table.iter_rows(named=True) if row["unit"].startswith("question difficulty")]
    assert row["reason"] == reason
    assert (row["verdict"] == "untestable") == bool(reason)


def test_the_table_says_which_margin_was_used(made: Callable) -> None:
    rows = made(study(("sciq",), claims={"margin": 0.3})).claims()
    assert {row["margin"] for row in rows} == {0.3}
