"""Equivalence with the dense model in the table of behavior."""

import numpy as np
import polars as pl
import pytest
import toy
import toy_run
from planted_behavior import (
    REPLICATES,
    STUDY,
    fact,
    row_of,
    table,
)

from junkdna.analysis import cell_answers, picked_options
from junkdna.analysis.behavior import behavior
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.scores import Scores
from junkdna.study.cell import knob_text
from junkdna.study.grid import reference
from junkdna.study.load import resolve


def test_equivalence_is_the_90_percent_interval_within_the_margin(planted_study):
    resolved, _, facts = planted_study
    scores = Scores(CellAnswers(resolved, {}), REPLICATES)
    found = behavior(resolved, facts, scores)
    for row in found.iter_rows(named=True):
        assert row["equivalent"] == (None if row["equivalence_p"] is None else row["equivalence_p"] < 0.05)
    planned = {cell.key: cell for cell in toy_run.grid.all_cells(resolved)}
    few = found.filter(pl.col("equivalence_p").is_not_null() & (pl.col("n_seeds") == 1))
    assert few.height >= 3
    for row in few.iter_rows(named=True):
        cell = next(
            cell for cell in planned.values()
            if (cell.model, cell.task, cell.compression.tag, cell.protocol)
            == (row["model"], row["task"], row["compression"], row["protocol"])
            and (knob_text(cell.knobs) if cell.knobs else "") == row["knobs"]
        )  # fmt: skip
        panel = scores.panel([cell_answers.Group((reference(cell),)), cell_answers.Group((cell,))])
        dense, other = panel.replicates - 0.25  # the planted chance
        lost = (dense - other) / dense
        inside = np.quantile(lost, 0.05) > -0.05 and np.quantile(lost, 0.95) < 0.05
        assert inside == row["equivalent"], row


@pytest.mark.parametrize(("broken", "wanted"), [(0, True), (4, True), (60, False)])
def test_a_small_drop_is_equivalent_and_a_large_one_is_not(world, monkeypatch, broken, wanted):
    resolved = resolve({**STUDY, "experiments": {"masks": {**STUDY["experiments"]["masks"], "compressions": toy.HALF}}},
                       "test")  # fmt: skip
    n, right = 1000, np.arange(1000) % 10 > 0
    frames = {}
    for cell in toy_run.grid.all_cells(resolved):
        turned = right & (np.arange(n) >= (broken if cell.compression.level else 0) * 10 / 9)
        picked = np.where(turned, 0.0, 1.0)
        frames[cell] = pl.DataFrame({
            "id": [str(i) for i in range(n)], "cluster": pl.Series([None] * n, dtype=pl.String), "gold": [0.0] * n,
            "prediction": picked, "correct": 1 - picked, "scores": np.stack([1 - picked, picked], axis=1).tolist(),
            "option_bytes": pl.Series([None] * n, dtype=pl.List(pl.Int32)),
        })  # fmt: skip
    for place in (cell_answers, picked_options):
        monkeypatch.setattr(place, "examples_of", lambda cell, columns: frames[cell].select(columns))
    facts = pl.DataFrame([fact(cell, resolved, frame) for cell, frame in frames.items()])
    row = row_of(table(resolved, facts), task="hues")
    assert row["broken"] == pytest.approx(broken / n, abs=1e-3)
    assert row["equivalent"] is wanted


def test_equivalence_is_not_tested_where_it_cannot_be(planted_study):
    """A dense model at its baseline; one seed of a trained cell."""
    resolved, _, facts = planted_study
    at_baseline = table(resolved, facts.with_columns(chance=0.99, majority=0.99))
    assert at_baseline.filter(pl.col("kind") != "regress")["equivalence_p"].null_count() > 0
    assert row_of(at_baseline, experiment="per_token")["equivalent"] is None
    one = table(resolved, facts.filter((pl.col("transfer") == "none") | (pl.col("seed") == 0)))
    assert one.filter(experiment="modes")["equivalence_p"].to_list() == [None, None]
    assert row_of(one, experiment="per_token")["equivalence_p"] is not None
