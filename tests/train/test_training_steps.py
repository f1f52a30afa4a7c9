"""Fewer rows: how many steps a training has, over which batches."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import pairwise

import pytest
import torch
from finetune_runs import PROTOCOL, STEPS, Run, same_weights
from hypothesis import given
from hypothesis import strategies as st
from job_settings import training_settings
from toy_training import training

from junkdna.errors import UserError
from junkdna.study.cell_settings import TrainingSettings
from junkdna.train import finetune
from junkdna.train.finetune import optimizer_steps


def batches_of(folder, monkeypatch, **options) -> tuple[list[list[int]], list[float]]:
    """The batches of a training, and the learning rate of each."""
    batches, rates, step = [], [], finetune._step

    def spy(model, optimizer, data, batch, *more):
        batches.append(batch)
        rates.append(optimizer.param_groups[0]["lr"])
        return step(model, optimizer, data, batch, *more)

    monkeypatch.setattr(finetune, "_step", spy)
    run = Run(folder, "dense", **options)
    monkeypatch.undo()
    assert run.report.steps == len(batches)
    return batches, rates


@pytest.mark.parametrize("match", ["epochs", "steps"])
def test_all_rows_train_alike_however_fractions_are_matched(folder, runs, match):
    run = Run(folder, "dense", match=match, data=training(full_rows=20))
    assert same_weights(run, runs["dense"])
    assert run.report == runs["dense"].report


def test_match_epochs_makes_fewer_steps_over_the_whole_schedule(folder, monkeypatch):
    batches, rates = batches_of(folder, monkeypatch, data=training(rows=5, full_rows=20))
    assert [len(batch) for batch in batches] == [5, 5]
    assert rates == pytest.approx([1e-3, 1e-3])  # round(2 * 0.34) = 1 step up, then down from the peak


@pytest.mark.parametrize("rows", [1, 5, 12, 19, 30])
def test_match_steps_goes_round_the_rows_as_often_as_it_takes(folder, monkeypatch, rows):
    """50 rows would make 14 steps; 19 and 30 rows make 3 and 4 in a round, so their last round is cut."""
    batches, rates = batches_of(folder, monkeypatch, match="steps", data=training(rows=rows, full_rows=50))
    _, full_rates = batches_of(folder, monkeypatch, data=training(rows=50))
    assert len(batches) == 14
    assert rates == full_rates, "the schedule of all rows"
    seen = Counter(row for batch in batches for row in batch)
    assert seen.keys() == set(range(rows))
    assert max(seen.values()) - min(seen.values()) <= 1
    order = [row for batch in batches for row in batch]
    rounds = [order[start : start + rows] for start in range(0, len(order) - rows + 1, rows)]
    assert all(sorted(each) == list(range(rows)) for each in rounds)
    assert rows < 5 or all(one != other for one, other in pairwise(rounds)), "each round is drawn anew"


def test_rounds_begin_as_the_epochs_do(folder, monkeypatch):
    """Same rows, same seed: the batches of match: steps begin with those of match: epochs."""
    by_epochs, _ = batches_of(folder, monkeypatch, data=training(rows=10, full_rows=20))
    by_steps, _ = batches_of(folder, monkeypatch, match="steps", data=training(rows=10, full_rows=20))
    assert by_steps[: len(by_epochs)] == by_epochs
    assert (len(by_epochs), len(by_steps)) == (4, STEPS)


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(1, 64), st.integers(1, 5))
def test_steps_are_counted_as_by_the_loader(rows, left_out, batch_size, epochs):
    protocol = training_settings(epochs=epochs, batch_size=batch_size)
    for match, counted in (("epochs", rows), ("steps", rows + left_out)):
        loader = torch.utils.data.DataLoader(range(counted), batch_size=batch_size)
        assert optimizer_steps(rows, rows + left_out, replace(protocol, match=match)) == epochs * len(loader)


def test_an_unknown_match_is_refused_where_settings_are_read():
    with pytest.raises(UserError, match=r"here: match: 'step' must be 'epochs' or 'steps'"):
        TrainingSettings.read({**asdict(PROTOCOL), "match": "step"}, "here")
