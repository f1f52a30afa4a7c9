"""Claims on incomplete, broken or uninformative studies: a clear message or a row that names the reason, no crash."""

from dataclasses import replace
from itertools import pairwise

import polars as pl
import pytest
from made_cells import MadeCells
from made_studies import CHOICE, CONTEXT, PRUNED, steady, study, trained

from junkdna.analysis.claims import steeper_when_harder
from junkdna.analysis.claims_table import headlines
from junkdna.errors import UserError
from junkdna.study.cell import Cell


def test_a_sound_study_has_verdicts(made) -> None:
    """What the cases below break: without damage, the same study is decided."""
    rows = made(study(("sciq",), context=CONTEXT)).claims()
    verdicts = {(row["claim"], row["unit"]): row["verdict"] for row in rows}
    assert verdicts["monotone", "SciQ · no passage"] == "supported"
    assert verdicts["steeper_when_harder", "context of sciq"] == "supported"
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in rows)
    assert {row["reason"] for row in rows} == {""}


# --- the table of cells -----------------------------------------------------------------------------------------------


def test_a_cell_that_is_there_twice_is_refused(made) -> None:
    cells = made(study(("sciq",)))
    twice = MadeCells(cells.resolved, pl.concat([cells.facts, cells.facts.head(1)]))
    with pytest.raises(UserError, match=r"two rows of dec/sciq/plain/dense/none/default/seed-0\. Delete the table"):
        twice.claims()


def test_curves_of_two_protocols_stay_apart(made) -> None:
    """They answer differently by design, so no curve mixes them and no claim compares one with the other."""
    experiments = {
        "short": {"compressions": [{"method": "magnitude", "sparsity": [0.3, 0.5]}], **CONTEXT},
        "letters": {"compressions": [{"method": "magnitude", "sparsity": [0.7, 0.9]}, {"method": "random",
                    "sparsity": [0.5, 0.7]}], "protocol": "letters", **CONTEXT},
    }  # fmt: skip
    data = study(("sciq",), **experiments) | {"protocols": {"letters": {"decoder_choice": "mcq"}}}
    rows = made(data).claims()
    levels = {(row["experiment"], row["levels"]) for row in rows if row["claim"] == "monotone"}
    assert levels == {("short", "magnitude-0.3 magnitude-0.5"), ("letters", "magnitude-0.7 magnitude-0.9")}
    assert all(("protocol letters" in row["setting"]) == (row["experiment"] == "letters") for row in rows)
    [specific] = [row for row in rows if row["claim"] == "small_weights_specific"]
    assert "magnitude-0.3" not in specific["levels"]


def test_a_condition_without_its_dense_cell_is_left_out(made) -> None:
    cells = made(study(("sciq",), context=CONTEXT))
    partial = cells.without(lambda cell: cell.compression.method == "dense" and not cell.knobs)
    rows = partial.claims()
    assert {(row["claim"], row["unit"]) for row in rows} == {("monotone", "SciQ · with passage")}
    none = cells.without(lambda cell: cell.compression.method == "dense")
    assert none.claims() == []


def test_conditions_without_a_level_in_common_are_untestable(made) -> None:
    def gone(cell: Cell) -> bool:
        first = cell.compression.nominal_sparsity in (0.3, 0.5)
        return cell.compression.method != "dense" and first == (not cell.knobs)

    rows = made(study(("sciq",), context=CONTEXT)).without(gone).claims("steeper_when_harder")
    assert [(row["verdict"], row["reason"]) for row in rows] == [
        ("untestable", "the conditions have no level in common")
    ]


def test_one_level_is_no_curve(made) -> None:
    one = [{"method": "magnitude", "sparsity": 0.5}]
    [row] = made(study(("sciq",), only={"compressions": one})).claims("monotone")
    assert (row["verdict"], row["reason"]) == ("untestable", "1 level; at least 2 are needed")


def test_recovery_of_one_condition_and_damage_of_another_are_no_pair(made) -> None:
    cells = made(study(("mnli",), both=trained([0, 1], knobs={"data_fraction": [25, 100]})))
    partial = cells.without(
        lambda cell: (
            cell.transfer == ("sparse" if cell.knobs else "sparse_to_dense") and cell.compression.method != "dense"
        )
    )
    assert partial.claims("irreversible") == []


# --- seeds and collapsed runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["monotone", "irreversible"])
def test_one_seed_of_a_trained_cell_is_undecided(made, claim: str) -> None:
    def right(cell: Cell) -> float:
        return steady(cell) + 0.1 * (cell.transfer == "sparse_to_dense")

    several = made(study(("mnli",), only=trained([0, 1, 2, 3, 4])), right).claims(claim)
    assert [row["verdict"] for row in several] == ["supported"]
    one = made(study(("mnli",), only=trained([0])), right).claims(claim)
    assert [(row["verdict"], row["reason"], row["p"]) for row in one] == [
        ("undecided", "one seed: the spread between seeds is unknown", 1)
    ]
    assert one[0]["estimate"] == pytest.approx(several[0]["estimate"], abs=0.1)


def test_a_level_with_one_seed_left_is_undecided(made) -> None:
    cells = made(study(("mnli",), only=trained([0, 1, 2])))
    partial = cells.without(lambda cell: cell.compression.nominal_sparsity == 0.7 and cell.seed != 1)
    [row] = partial.claims("monotone")
    assert (row["verdict"], row["n_seeds"]) == ("undecided", 1)
    assert row["reason"].startswith("one seed")


def test_all_runs_collapsed_is_untestable(made) -> None:
    cells = made(study(("mnli",), only=trained([0, 1, 2])))
    rows = cells.collapsed(lambda cell: cell.compression.method != "dense").claims()
    assert {(row["verdict"], row["reason"]) for row in rows} == {("untestable", "every run has collapsed")}
    assert all(row["collapsed"] == 12 for row in rows)


def test_recovery_without_two_sound_runs_at_any_level_is_not_decided(made) -> None:
    cells = made(study(("mnli",), only=trained([0, 1, 2])))
    damaged = cells.collapsed(lambda cell: cell.transfer == "sparse_to_dense" and cell.seed != 2)
    [row] = damaged.claims("irreversible")
    assert (row["verdict"], row["details"]) == ("undecided", "no level has two runs that did not collapse")


# --- nothing to compare -----------------------------------------------------------------------------------------------


def test_a_dense_model_that_knows_too_little_is_untestable(made) -> None:
    rows = made(study(("sciq",), context=CONTEXT), lambda cell: 0.2).claims()
    assert {row["verdict"] for row in rows} == {"untestable"}
    assert all("from its baseline to a perfect score; at least 0.04 is needed" in row["reason"] for row in rows)
    assert all(row["estimate"] is row["low"] is row["p"] is row["q"] is None for row in rows)


@pytest.mark.parametrize("score", [0.8, 0.25])
def test_levels_at_which_nothing_or_everything_is_lost_are_untestable(made, score: float) -> None:
    def right(cell: Cell) -> float:
        return 0.8 if cell.compression.method == "dense" else score

    [row] = made(study(("sciq",), context=CONTEXT), right).claims("steeper_when_harder")
    assert (row["verdict"], row["reason"]) == ("untestable", "no level has a mean loss in 0.1 to 0.9")


@pytest.mark.parametrize("damage", [0.9, 0.02])
def test_a_control_whose_losses_do_not_overlap_is_untestable(made, damage: float) -> None:
    """Once random pruning destroys everything and once nothing, whatever magnitude pruning does."""

    def right(cell: Cell) -> float:
        return 0.85 - 0.6 * damage if cell.compression.method == "random" else steady(cell)

    both = [*PRUNED, {"method": "random", "sparsity": [0.1, 0.2]}]
    experiment = {"compressions": both, "seeds": [0, 1], **CONTEXT}
    [row] = made(study(("sciq",), only=experiment), right).claims("small_weights_specific")
    assert row["verdict"] == "untestable"
    assert "has a mean loss in 0.1 to 0.9 that magnitude pruning reaches too" in row["reason"]


def test_quantization_outside_the_bits_of_the_pruning_levels_is_untestable(made) -> None:
    few = [{"method": "magnitude", "sparsity": [0.1, 0.2]}, {"method": "rtn", "bits": [3, 4]}]
    rows = made(study(("sciq",), only={"compressions": few, **CONTEXT})).claims("not_in_quantization")
    assert {row["verdict"] for row in rows} == {"untestable"}
    assert [row["primary"] for row in rows] == [True, False]


@pytest.mark.parametrize("count", [2, 4])
def test_fewer_than_five_tasks_are_untestable(made, count: int) -> None:
    rows = made(study(CHOICE[:count])).claims("steeper_when_harder")
    across = [row for row in rows if row["unit"].startswith("across tasks")]
    assert across
    assert {(row["verdict"], row["reason"]) for row in across} >= {
        ("untestable", f"{count} tasks; at least 5 are needed")
    }
    assert {row["verdict"] for row in across} == {"untestable"}


def test_five_tasks_have_an_estimate(made) -> None:
    def right(cell: Cell) -> float:
        return 0.9 - (0.3 + 0.1 * CHOICE.index(cell.task)) * cell.compression.nominal_sparsity**2

    def offset(cell: Cell) -> float:
        return right(cell) - 0.05 * CHOICE.index(cell.task)

    rows = made(study(CHOICE[:5]), offset).claims("steeper_when_harder")
    [row] = [row for row in rows if row["unit"] == "across tasks, by dense error"]
    assert row["n_tasks"] == 5
    assert row["verdict"] != "untestable"
    assert row["low"] < row["estimate"] < row["high"]


# --- pairs ------------------------------------------------------------------------------------------------------------

TEN = (*CHOICE, "hellaswag", "piqa", "copa", "winogrande")
PAIRS = [{"easy": easy, "hard": hard} for easy, hard in pairwise(CHOICE)]


def test_fewer_than_five_pairs_are_untestable(made) -> None:
    rows = made(study(CHOICE[:4], claims={"pairs": PAIRS[:3]})).claims("steeper_when_harder")
    [row] = [row for row in rows if row["unit"] == "mean of 3 pairs"]
    assert (row["experiment"], row["verdict"]) == ("", "untestable")
    assert row["reason"].endswith("testable pairs; at least 5 are needed")


def test_a_pair_that_no_experiment_has_is_named(made) -> None:
    claims = {"pairs": [*PAIRS[:2], {"easy": {"task": "sciq", "knobs": {"context": "passage"}}, "hard": "csqa"}]}
    rows = made(study(CHOICE[:3], claims=claims)).claims("steeper_when_harder")
    named = {row["unit"]: row for row in rows}
    lacking = named["csqa against sciq context=passage"]
    assert (lacking["verdict"], lacking["primary"]) == ("untestable", False)
    assert lacking["reason"].startswith("no pruning curves of both")
    assert "csqa against sciq" in named
    assert "mean of 2 pairs" in named


def test_pairs_that_agree_exactly_have_a_verdict(made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spread of 0 between pairs must not divide by 0."""
    of = steeper_when_harder._pair
    monkeypatch.setattr(steeper_when_harder, "_pair", lambda *given: replace(of(*given), values=(0.2,)))
    pairs = [{"easy": easy, "hard": hard} for easy, hard in zip(TEN[::2], TEN[1::2], strict=True)]
    rows = made(study(TEN, claims={"pairs": pairs})).claims("steeper_when_harder")
    [row] = [row for row in rows if row["unit"] == "mean of 5 pairs"]
    assert row["estimate"] == pytest.approx(0.2)
    assert row["verdict"] == "supported"


# --- the other baseline -----------------------------------------------------------------------------------------------


def test_baselines_that_make_other_levels_informative_keep_the_same_rows(made) -> None:
    """Two experiments share a condition. Under the majority baseline other levels are informative, so that another of
    the two rows contains the other: the rows are those of the study's own baseline."""

    def right(cell: Cell) -> float:
        known = {0.3: 0.8, 0.5: 0.65, 0.7: 0.36, 0.9: 0.3}
        return known.get(cell.compression.nominal_sparsity, 0.85) - 0.02 * (not cell.knobs)

    few = [{"method": "magnitude", "sparsity": [0.3, 0.9]}]
    data = study(("sciq",), few={"compressions": few, **CONTEXT}, all=CONTEXT)
    rows = made(data, right).claims()
    assert len({(row["claim"], row["experiment"], row["unit"], row["setting"]) for row in rows}) == len(rows)
    assert {row["experiment"] for row in rows if row["claim"] == "monotone"} == {"all"}


def test_a_verdict_that_depends_on_the_baseline_is_flagged(made) -> None:
    """Dense is clearly above chance (0.25), and at the majority baseline (0.35)."""
    [row] = made(study(("sciq",)), lambda cell: 0.36 - 0.12 * (cell.compression.nominal_sparsity > 0.4)).claims()
    assert row["other_baseline"] == "untestable"


def test_an_empty_study_has_untestable_headlines(made) -> None:
    cells = made(study(("sciq",)))
    from junkdna.analysis.cell_answers import CellAnswers
    from junkdna.analysis.claims_table import claims
    from junkdna.analysis.scores import Scores

    empty = claims(cells.resolved, cells.facts.clear(), Scores(CellAnswers(cells.resolved, {}), 200), {})
    assert empty.is_empty()
    heads = headlines(empty)
    assert {head.verdict for by_model in heads.values() for head in by_model.values()} == {"untestable"}
    assert {head.reason for by_model in heads.values() for head in by_model.values()} == {
        "no experiment of the study tests it"
    }
