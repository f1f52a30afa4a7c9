"""The table of matched losses against a bootstrap and a jackknife written out here."""

import numpy as np
import polars as pl
import pytest
from bootstrap_cases import all_counts
from made_studies import CONTEXT, study, trained
from scipy import stats

from junkdna.analysis import cell_answers
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.drops import drops
from junkdna.analysis.matched import SCHEMA, matched
from junkdna.analysis.result_columns import check_columns
from junkdna.analysis.scores import Scores
from junkdna.study.grid import all_cells, reference

N = 400


def tables(cells, partial=False):
    scores = Scores(CellAnswers(cells.resolved, {}), cells.resolved.study.bootstrap)
    compared = drops(cells.resolved, cells.facts, scores, partial)
    return compared, matched(cells.resolved, cells.facts, compared, scores, partial)


def answers_of(resolved, context: str, tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Right answers (seeds, n) of the dense and the compressed cells of a context."""
    cells = [
        cell for cell in all_cells(resolved)
        if cell.compression.tag == tag and dict(cell.knobs).get("context", "none") == context
    ]  # fmt: skip
    read = [
        [cell_answers.examples_of(each, ("prediction",))["prediction"].to_numpy() for each in pair]
        for pair in ((reference(cell), cell) for cell in sorted(cells, key=lambda cell: cell.seed))
    ]
    return tuple(np.stack(side) for side in zip(*read, strict=True))


def losses(dense_right: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """1 - retention for each row of weights; scores are means over the seeds."""
    dense, score = ((counts @ side.mean(axis=0)) / counts.sum(axis=-1) for side in (dense_right, right))
    return 1 - (score - 0.25) / (dense - 0.25)


def test_the_pair_and_its_losses_are_those_of_the_drops(made):
    compared, table = tables(made(study(("sciq",), only=CONTEXT)))
    assert table.schema == pl.Schema(SCHEMA)
    check_columns("matched", table)
    assert table["compression"].to_list() == [f"magnitude-{level}" for level in (0.3, 0.5, 0.7, 0.9)]
    for row in table.iter_rows(named=True):
        own = compared.filter(compression=row["compression"])
        easy, hard = (own.filter(knobs=row[f"{side}_knobs"]).row(0, named=True) for side in ("easy", "hard"))
        assert easy["difficulty"] < hard["difficulty"]
        assert row["mean_loss"] == pytest.approx(1 - (easy["retention"] + hard["retention"]) / 2)
        assert row["extra_loss"] == pytest.approx(easy["retention"] - hard["retention"])
        assert row["effective_bits_per_weight"] == easy["effective_bits_per_weight"]


def test_limits_are_percentiles_of_draws_that_both_conditions_share(made):
    cells = made(study(("sciq",), only=CONTEXT), n=N)
    _, table = tables(cells)
    row = table.row(1, named=True)
    knobs = {
        side: dict(part.split("=") for part in row[f"{side}_knobs"].split(",") if part) for side in ("easy", "hard")
    }
    counts = all_counts(N, cells.resolved.study.bootstrap, prefix="sciq").astype(float)
    easy, hard = (
        losses(*answers_of(cells.resolved, knobs[side].get("context", "none"), row["compression"]), counts)
        for side in ("easy", "hard")
    )
    for name, drawn in (("mean_loss", (easy + hard) / 2), ("extra_loss", hard - easy)):
        expected = np.percentile(drawn, [2.5, 97.5])
        assert [row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx(expected, abs=1e-5), name
    assert row["extra_loss_high"] - row["extra_loss_low"] < 1.2 * np.sqrt(easy.var() + hard.var()) * 2 * 1.96


def test_limits_over_seeds_add_the_jackknife(made):
    random = [{"method": "random", "sparsity": [0.5]}]
    cells = made(study(("sciq",), only={**CONTEXT, "compressions": random, "seeds": [0, 1, 2, 3]}), n=N)
    _, table = tables(cells)
    row = table.row(0, named=True)
    assert row["n_seeds"] == 4
    knobs = {
        side: dict(part.split("=") for part in row[f"{side}_knobs"].split(",") if part) for side in ("easy", "hard")
    }
    sides = [answers_of(cells.resolved, knobs[side].get("context", "none"), "random-0.5") for side in ("easy", "hard")]
    counts = all_counts(N, cells.resolved.study.bootstrap, prefix="sciq").astype(float)

    def extra(weights, kept):
        easy, hard = (losses(dense[:1], right[kept], weights) for dense, right in sides)
        return hard - easy

    full, every = np.ones((1, N)), [0, 1, 2, 3]
    estimate = extra(full, every)[0]
    left = np.array([extra(full, [at for at in every if at != out])[0] for out in every])
    seed_part = stats.t.ppf(0.975, 3) ** 2 * 3 / 4 * ((left - left.mean()) ** 2).sum()
    low, high = np.percentile(extra(counts, every), [2.5, 97.5])
    expected = [
        estimate - np.sqrt(seed_part + (estimate - low) ** 2),
        estimate + np.sqrt(seed_part + (high - estimate) ** 2),
    ]
    assert row["extra_loss"] == pytest.approx(estimate)
    assert [row["extra_loss_low"], row["extra_loss_high"]] == pytest.approx(expected, abs=1e-5)


def test_one_condition_has_no_pair_and_a_missing_cell_leaves_its_level_out(made):
    assert tables(made(study(("sciq",))))[1].is_empty()
    cells = made(study(("sciq",), only=CONTEXT)).without(
        lambda cell: cell.compression.tag == "magnitude-0.5" and bool(cell.knobs)
    )
    _, table = tables(cells, partial=True)
    assert table["compression"].to_list() == ["magnitude-0.3", "magnitude-0.7", "magnitude-0.9"]


def test_fine_tuned_models_are_left_out(made):
    cells = made(study(("mnli",), only=trained([0, 1], knobs={"data_fraction": [25, 100]})))
    assert tables(cells)[1].is_empty()
