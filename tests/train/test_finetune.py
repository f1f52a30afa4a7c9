"""The four transfer modes on a tiny BERT and a tiny Llama: masks that hold, one data order, one head."""

from dataclasses import replace

import pytest
import tiny_models
import torch
from finetune_runs import KEY, PROTOCOL, STEPS, Run, same_weights
from torch import nn
from toy_training import NAMES, load, training
from transformers import DebertaConfig, DebertaForSequenceClassification

from junkdna.compress import masks as masking
from junkdna.errors import UserError
from junkdna.evaluate.formats import classifier
from junkdna.train import finetune
from junkdna.train.finetune import fine_tune


def test_sparse_holds_its_zeros_and_trains_the_rest(format_runs):
    run = format_runs["sparse"]
    for each in run.prunables:
        kept = run.masks[each.name]
        assert not each.matrix()[~kept].any()
        assert (each.matrix()[kept] != run.before[each.name][kept]).float().mean() > 0.9
    zeros = sum(int((each.matrix() == 0).sum()) for each in run.prunables)
    assert zeros == sum(int((~mask).sum()) for mask in run.masks.values())


@pytest.mark.parametrize("name", NAMES)
def test_sparse_to_dense_starts_from_zeros_and_regrows(folder, name):
    at_start = []

    def spy(batches, run):
        at_start.append(masking.violations(run.prunables, run.masks))
        return iter(batches)

    run = Run(folder, "sparse_to_dense", spy=spy, data=training(name))
    assert at_start == [0]
    for each in run.prunables:
        assert each.matrix()[~run.masks[each.name]].count_nonzero() > 0.9 * (~run.masks[each.name]).sum()


def test_dense_freeze_keeps_the_small_weights_bit_for_bit(format_runs):
    run = format_runs["dense_freeze"]
    for each in run.prunables:
        kept, before = run.masks[each.name], run.before[each.name]
        assert torch.equal(each.matrix()[~kept], before[~kept])
        assert before[~kept].all(), "frozen at their values, not at 0"
        assert (each.matrix()[kept] != before[kept]).float().mean() > 0.9


def test_dense_moves_everything(format_runs):
    run = format_runs["dense"]
    assert all((each.matrix() != run.before[each.name]).float().mean() > 0.9 for each in run.prunables)


def test_embeddings_and_head_train_in_every_mode(format_runs):
    for run in format_runs.values():
        tables = ("word_embeddings.weight", "embed_tokens.weight")
        names = [name for name in run.before if name.endswith(tables)] + run.head
        assert len(names) == 1 + len(run.head)
        for name in names:
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


@pytest.mark.parametrize("name", NAMES)
def test_data_order_and_head_are_those_of_the_seed(folder, monkeypatch, name):
    seen: list[list[list[int]]] = []
    step = finetune._step
    monkeypatch.setattr(
        finetune, "_step", lambda m, o, data, batch, *more: (seen[-1].append(batch), step(m, o, data, batch, *more))[1]
    )

    def observed(mode, **options):
        seen.append([])
        run = Run(folder, mode, data=training(name), **options)
        return {key: run.before[key] for key in run.head}

    def same(one, other):
        return all(torch.equal(one[key], other[key]) for key in one)

    first = observed("dense")
    for mode, sparsity in (("sparse", 0.5), ("sparse", 0.9), ("sparse_to_dense", 0.5), ("dense_freeze", 0.7)):
        assert same(observed(mode, sparsity=sparsity), first)
        assert seen[-1] == seen[0]
    other = observed("dense", key=("mood", 1))
    assert seen[-1] != seen[0]
    assert not first or not same(other, first)
    epochs = [[row for batch in part for row in batch] for part in (seen[0][:3], seen[0][3:])]
    assert [len(batch) for batch in seen[0]] == [8, 8, 4] * 2
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1]


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
    hold = finetune._hold

    def faulty(*arguments):
        calls.append(1)
        if skip == "last" and len(calls) < STEPS:
            hold(*arguments)

    monkeypatch.setattr(finetune, "_hold", faulty)
    with pytest.raises(RuntimeError, match=rf"masked weights moved during {mode} training"):
        Run(folder, mode)
    assert len(calls) == STEPS


def test_report_counts_steps_and_loss_falls(folder):
    report = Run(folder, "dense", epochs=12).report
    assert report.steps == 36
    assert report.last_loss < report.first_loss


def test_model_is_left_in_eval_mode(runs):
    assert not any(module.training for run in runs.values() for module in run.model.modules())


# --- precision --------------------------------------------------------------------------------------------------------


def test_bfloat16_products_change_the_numbers_little_and_keep_float32_weights(folder, runs):
    run = Run(folder, "dense", precision="bfloat16")
    assert {weight.dtype for weight in run.after.values()} == {torch.float32}
    assert run.report.last_loss == pytest.approx(runs["dense"].report.last_loss, rel=0.05)
    assert not same_weights(run, runs["dense"])
    assert same_weights(run, Run(folder, "dense", precision="bfloat16"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_have_the_precision_and_losses_float32(folder, monkeypatch, precision):
    model, _ = load(folder, "classifier", ("tiny", *KEY))
    products, losses = set(), set()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda _module, _given, out: products.add(out.dtype))
    loss = classifier.loss
    monkeypatch.setattr(classifier, "loss", lambda outputs, labels: losses.add(outputs.dtype) or loss(outputs, labels))
    fine_tune(model, [], {}, "dense", training(), replace(PROTOCOL, precision=precision), KEY)
    assert products == {getattr(torch, precision)}
    assert losses == {torch.float32}


def test_a_model_that_bfloat16_cannot_run_is_refused_with_the_fix(folder):
    """DeBERTa of version 1 fills scores with the least number of float32, also where they are bfloat16."""
    known, _ = load(folder, "classifier", ("tiny", *KEY))
    config = {**tiny_models.RELATIVE, "vocab_size": known.config.vocab_size, "num_labels": known.config.num_labels}
    model = DebertaForSequenceClassification(DebertaConfig(**config))
    with pytest.raises(UserError, match=r"cannot be trained with `precision: bfloat16`.*Set `precision: float32`"):
        fine_tune(model, [], {}, "dense", training(), replace(PROTOCOL, precision="bfloat16"), KEY)
    assert fine_tune(model, [], {}, "dense", training(), PROTOCOL, KEY).last_loss > 0
