"""The four transfer modes on a tiny BERT classifier: masks that hold, one data order, one head, one schedule."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import get_linear_schedule_with_warmup

from junkdna import transfer
from junkdna.compress import masks as masking
from junkdna.compress.magnitude import mask as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.models import load_classifier
from junkdna.seeds import seed_for
from junkdna.transfer import Training, fine_tune, learning_rate_factor

KEY = ("mood", 0)
PROTOCOL = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "warmup_fraction": 0.34, "weight_decay": 0.1}
STEPS = 6  # 20 rows: batches of 8, 8, 4 in each of 2 epochs; 2 steps of warm-up


def training(rows: int = 20) -> Training:
    rng = np.random.default_rng(4)
    queries = [rng.integers(5, 25, rng.integers(3, 12)).tolist() for _ in range(rows)]
    return Training(queries, [k % 5 + 1 for k in range(rows)], [query[0] % 2 for query in queries])


class Run:
    """A trained model and what it was trained from."""

    def __init__(self, folder: Path, mode: str, sparsity: float = 0.5, key: tuple = KEY, **options) -> None:
        prune_head = options.pop("prune_head", False)
        spy = options.pop("spy", lambda batches, run: batches)
        self.model, self.head = load_classifier(folder, 2, ("tiny", *key))
        self.prunables = prunable(self.model, prune_head=prune_head, head_names=self.head if prune_head else ())
        self.masks = magnitude(matrices(self.prunables), 0.0 if mode == "dense" else sparsity, None)
        self.before = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.report = fine_tune(
            self.model, self.prunables, self.masks, mode, training(), {**PROTOCOL, **options}, key,
            lambda batches: spy(batches, self),
        )  # fmt: skip
        self.after = {name: p.detach() for name, p in self.model.named_parameters()}


@pytest.fixture(scope="module")
def folder(toy_world_once: Path) -> Path:
    return toy_world_once / "model"


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Run]:
    return {mode: Run(folder, mode) for mode in ("dense", "sparse", "sparse_to_dense", "dense_freeze")}


def same_weights(one: Run, other: Run) -> bool:
    return all(torch.equal(one.after[name], other.after[name]) for name in one.after)


def test_sparse_holds_its_zeros_and_trains_the_rest(runs):
    run = runs["sparse"]
    for each in run.prunables:
        kept = run.masks[each.name]
        assert not each.matrix()[~kept].any()
        assert (each.matrix()[kept] != run.before[each.name][kept]).float().mean() > 0.9
    total, _ = masking.achieved(run.masks)
    zeros = sum(int((each.matrix() == 0).sum()) for each in run.prunables)
    assert zeros == total * sum(mask.numel() for mask in run.masks.values())


def test_sparse_to_dense_starts_from_zeros_and_regrows(folder):
    at_start = []

    def spy(batches, run):
        at_start.append(masking.violations(run.prunables, run.masks))
        return iter(batches)

    run = Run(folder, "sparse_to_dense", spy=spy)
    assert at_start == [0]
    for each in run.prunables:
        assert each.matrix()[~run.masks[each.name]].count_nonzero() > 0.9 * (~run.masks[each.name]).sum()


def test_dense_freeze_keeps_the_small_weights_bit_for_bit(runs):
    run = runs["dense_freeze"]
    for each in run.prunables:
        kept, before = run.masks[each.name], run.before[each.name]
        assert torch.equal(each.matrix()[~kept], before[~kept])
        assert before[~kept].all(), "frozen at their values, not at 0"
        assert (each.matrix()[kept] != before[kept]).float().mean() > 0.9


def test_dense_moves_everything(runs):
    run = runs["dense"]
    assert all((each.matrix() != run.before[each.name]).float().mean() > 0.9 for each in run.prunables)


def test_embeddings_and_head_train_in_every_mode(runs):
    for run in runs.values():
        for name in ("bert.embeddings.word_embeddings.weight", "classifier.weight", "classifier.bias"):
            assert not torch.equal(run.before[name], run.after[name])


def test_modes_and_sparsities_give_different_models(folder, runs):
    different = [*runs.values(), Run(folder, "sparse", sparsity=0.8)]
    heads = [run.after["classifier.weight"] for run in different]
    for i, one in enumerate(heads):
        assert all((one - other).abs().max() > 1e-6 for other in heads[:i])


def test_at_sparsity_zero_all_modes_are_dense(folder, runs):
    """The modes differ by their masks alone."""
    for mode in ("sparse", "sparse_to_dense", "dense_freeze"):
        assert same_weights(Run(folder, mode, sparsity=0.0), runs["dense"])


def test_data_order_and_head_are_those_of_the_seed(folder, monkeypatch):
    seen: list[list[list[int]]] = []
    inputs = transfer.classifier_inputs
    monkeypatch.setattr(
        transfer, "classifier_inputs", lambda m, q, s, batch, d: (seen[-1].append(batch), inputs(m, q, s, batch, d))[1]
    )

    def observed(mode, **options):
        seen.append([])
        return Run(folder, mode, **options).before["classifier.weight"]

    first = observed("dense")
    for mode, sparsity in (("sparse", 0.5), ("sparse", 0.9), ("sparse_to_dense", 0.5), ("dense_freeze", 0.7)):
        assert torch.equal(observed(mode, sparsity=sparsity), first)
        assert seen[-1] == seen[0]
    other = observed("dense", key=("mood", 1))
    assert seen[-1] != seen[0]
    assert not torch.equal(other, first)
    epochs = [[row for batch in part for row in batch] for part in (seen[0][:3], seen[0][3:])]
    assert [len(batch) for batch in seen[0]] == [8, 8, 4] * 2
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def hand_written(folder: Path, warmup: int, shifted: bool) -> dict[str, torch.Tensor]:
    """Plain AdamW under transformers' schedule, its own padding, no masks; `shifted`: see the test."""
    model, _ = load_classifier(folder, 2, ("tiny", *KEY))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, STEPS)
    data, batches = training(), []
    for epoch in range(2):
        generator = torch.Generator().manual_seed(seed_for("data_order", *KEY, epoch))
        batches += torch.randperm(20, generator=generator).split(8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("dropout", *KEY))
        model.train()
        for number, batch in enumerate(batches):
            rows = [torch.tensor(data.queries[i]) for i in batch]
            ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
            real = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
            segments = nn.utils.rnn.pad_sequence(
                [(torch.arange(len(row)) >= data.starts[i]).long() for i, row in zip(batch, rows, strict=True)],
                batch_first=True,
            )
            labels = torch.tensor([data.answers[i] for i in batch])
            if shifted and number < warmup:
                optimizer.param_groups[0]["lr"] = 1e-3 * (number + 1) / warmup
            model(input_ids=ids, attention_mask=real, token_type_ids=segments, labels=labels).loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return dict(model.named_parameters())


@pytest.mark.parametrize(("fraction", "warmup", "shifted"), [(0.0, 0, False), (0.34, 2, True)])
def test_dense_is_plain_adamw_under_transformers_schedule(folder, fraction, warmup, shifted):
    """Equal up to rounding (the loop uses the fused kernel) without warm-up. With it the conventions differ:
    transformers' first step has rate 0 and its warm-up step i has i/w, ours (i + 1)/w, so no step is lost; from
    step w on both are the same. The hand-written loop takes the shifted warm-up in the second case."""
    run = Run(folder, "dense", warmup_fraction=fraction)
    wanted = hand_written(folder, warmup, shifted)
    for name, value in run.after.items():
        torch.testing.assert_close(value, wanted[name].detach(), atol=2e-6, rtol=2e-5)
    moved = max(float((run.after[name] - run.before[name]).abs().max()) for name in run.after)
    assert moved > 1e-3


@pytest.mark.parametrize(("steps", "fraction"), [(100, 0.06), (100, 0.0), (7, 0.5), (1, 0.0), (3, 0.9), (2, 0.9)])
def test_schedule_against_transformers(steps, fraction):
    warmup = round(steps * fraction)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, steps)
    theirs = schedule.lr_lambdas[0]
    for step in range(steps):
        wanted = (step + 1) / warmup if step < warmup else theirs(step)
        assert learning_rate_factor(step, steps, fraction) == pytest.approx(wanted)
        if step + 1 < warmup:
            assert learning_rate_factor(step, steps, fraction) == pytest.approx(theirs(step + 1))


def test_schedule_peaks_at_one_and_ends_near_zero():
    factors = [learning_rate_factor(step, 1000, 0.06) for step in range(1000)]
    assert max(factors) == 1
    assert min(factors) > 0
    assert factors[-1] == pytest.approx(1 / 940)
    assert factors[:60] == sorted(factors[:60])
    assert factors[60:] == sorted(factors[60:], reverse=True)


def test_optimiser_runs_on_the_schedule(folder, monkeypatch):
    rates = []
    step = transfer._step

    def spy(model, optimizer, *rest):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(model, optimizer, *rest)

    monkeypatch.setattr(transfer, "_step", spy)
    Run(folder, "dense")
    assert rates == pytest.approx([1e-3 * f for f in (1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4)])


def test_prune_head_masks_the_head_too(folder):
    off, on = Run(folder, "sparse", sparsity=0.9), Run(folder, "sparse", sparsity=0.9, prune_head=True)
    assert "classifier.weight" not in off.masks
    assert off.after["classifier.weight"].all()
    pruned = ~on.masks["classifier.weight"]
    assert pruned.any()
    assert not on.after["classifier.weight"][pruned].any()
    frozen = Run(folder, "dense_freeze", sparsity=0.9, prune_head=True)
    assert torch.equal(frozen.after["classifier.weight"][pruned], frozen.before["classifier.weight"][pruned])


def test_global_generator_is_neither_read_nor_moved(folder, runs):
    torch.manual_seed(12345)
    before = torch.get_rng_state()
    run = Run(folder, "sparse")
    assert torch.equal(before, torch.get_rng_state())
    assert same_weights(run, runs["sparse"])
    assert run.report == runs["sparse"].report


@pytest.mark.parametrize("mode", ["sparse", "dense_freeze"])
@pytest.mark.parametrize("skip", ["all", "last"])
def test_mask_that_does_not_hold_stops_the_run(folder, monkeypatch, mode, skip):
    """`last` is the authors' loop, which leaves before it masks the last update."""
    calls = []
    hold = transfer._hold

    def faulty(*arguments):
        calls.append(1)
        if skip == "last" and len(calls) < STEPS:
            hold(*arguments)

    monkeypatch.setattr(transfer, "_hold", faulty)
    with pytest.raises(RuntimeError, match=rf"masked weights moved during {mode} training"):
        Run(folder, mode)
    assert len(calls) == STEPS


def test_report_counts_steps_and_loss_falls(folder):
    report = Run(folder, "dense", epochs=12).report
    assert report.steps == 36
    assert report.last_loss < report.first_loss


def test_model_is_left_in_eval_mode(runs):
    assert not any(module.training for run in runs.values() for module in run.model.modules())
