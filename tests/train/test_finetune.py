"""The four transfer modes on a tiny BERT: masks that hold, one data order, one head, one schedule."""

from collections import Counter
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from job_settings import training_settings
from torch import nn
from toy_training import LANGUAGE_MODELS, NAMES, load, training
from transformers import get_linear_schedule_with_warmup

from junkdna.compress import masks as masking
from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.errors import UserError
from junkdna.evaluate.formats import classifier
from junkdna.resumable import Loop
from junkdna.seeds import seed_for
from junkdna.study.cell_settings import TrainingSettings
from junkdna.train import finetune
from junkdna.train.finetune import fine_tune, learning_rate_factor, optimizer_steps

KEY = ("mood", 0)
MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")
PROTOCOL = training_settings(epochs=2, batch_size=8, learning_rate=1e-3, warmup_fraction=0.34, weight_decay=0.1)
STEPS = 6  # 20 rows: batches of 8, 8, 4 in each of 2 epochs; 2 steps of warm-up


class Run:
    """A trained model and what it was trained from."""

    def __init__(self, folder: Path, mode: str, sparsity: float = 0.5, key: tuple = KEY, **options) -> None:
        prune_head = options.pop("prune_head", False)
        spy = options.pop("spy", lambda batches, run: batches)
        data = options.pop("data", None) or training()
        dtype = options.pop("dtype", torch.float32)
        self.model, self.head = load(folder, data.format, ("tiny", *key))
        self.model.to(dtype)
        self.prunables = prunable(self.model, self.head if prune_head else None)
        self.masks = dict(magnitude(matrices(self.prunables), 0.0 if mode == "dense" else sparsity, None))
        self.before = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.report = fine_tune(
            self.model, self.prunables, self.masks, mode, data, replace(PROTOCOL, **options), key,
            Loop(lambda batches: spy(batches, self)),
        )  # fmt: skip
        self.after = {name: p.detach() for name, p in self.model.named_parameters()}


@pytest.fixture(scope="module")
def folder(toy_world_once: Path) -> Path:
    return toy_world_once / "model"


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Run]:
    return {mode: Run(folder, mode) for mode in MODES}


@pytest.fixture(scope="module", params=NAMES)
def format_runs(folder: Path, request) -> dict[str, Run]:
    return {mode: Run(folder, mode, data=training(request.param)) for mode in MODES}


def same_weights(one: Run, other: Run) -> bool:
    return all(torch.equal(one.after[name], other.after[name]) for name in one.after)


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


def padded(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    rows = [torch.tensor(row) for row in rows]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    real = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return {"input_ids": ids, "attention_mask": real}


def classified(model: nn.Module, rows: list[list[int]], starts: list[int]) -> torch.Tensor:
    segments = [(torch.arange(len(row)) >= start).long() for row, start in zip(rows, starts, strict=True)]
    return model(**padded(rows), token_type_ids=nn.utils.rnn.pad_sequence(segments, batch_first=True)).logits


def language_model_loss(model: nn.Module, data, batch: list[int]) -> torch.Tensor:
    """Minus the mean of log p over the tokens of all answers, one text at a time, without padding."""
    losses = []
    for i in batch:
        pairs = zip(data.columns["options"][i], data.columns["option_starts"][i], strict=True)
        for number, (option, start) in enumerate(pairs):
            if number == data.columns["answer"][i] or data.format in ("generate", "likelihood"):
                ids = torch.tensor(data.columns["query"][i] + option)
                logp = model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)
                own = -logp[torch.arange(len(ids) - 1), ids[1:]]
                losses.append(own[len(ids) - 1 - (len(option) - start) :])
    return torch.cat(losses).mean()


def hand_written_loss(model: nn.Module, data, batch: list[int]) -> torch.Tensor:
    """Each objective as its formula, option by option, in the order of texts in which dropout is drawn."""
    if data.format in LANGUAGE_MODELS:
        return language_model_loss(model, data, batch)
    queries, answers = [data.columns["query"][i] for i in batch], [data.columns["answer"][i] for i in batch]
    if data.format == "regressor":
        outputs = classified(model, queries, [data.columns["second_start"][i] for i in batch])
        return sum((out[0] - data.columns["target"][i]) ** 2 for out, i in zip(outputs, batch, strict=True)) / len(
            batch
        )
    if data.format == "classifier":
        scores = list(classified(model, queries, [data.columns["second_start"][i] for i in batch]))
    elif data.format == "cross_encoder":
        texts = [pair for i in batch for pair in data.columns["options"][i]]
        outputs = iter(classified(model, texts, [start for i in batch for start in data.columns["option_starts"][i]]))
        scores = [torch.cat([next(outputs) for _ in data.columns["options"][i]]) for i in batch]
    else:
        sides = [padded(queries), padded([option for i in batch for option in data.columns["options"][i]])]
        query, option = (
            [state[real.bool()].mean(0) for state, real in zip(model(**side)[0], side["attention_mask"], strict=True)]
            for side in sides
        )
        option = iter(option)
        scores = [
            torch.stack([torch.cosine_similarity(q, next(option), dim=0) for _ in data.columns["options"][i]]) / 0.05
            for q, i in zip(query, batch, strict=True)
        ]
    return sum(row.logsumexp(0) - row[answer] for row, answer in zip(scores, answers, strict=True)) / len(batch)


def hand_written(folder: Path, data, warmup: int, shifted: bool) -> dict[str, torch.Tensor]:
    """Plain AdamW under transformers' schedule, its own padding, no masks; `shifted`: see the test."""
    model = load(folder, data.format, ("tiny", *KEY))[0].double()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, STEPS)
    batches = []
    for epoch in range(2):
        generator = torch.Generator().manual_seed(seed_for("data_order", *KEY, epoch))
        batches += torch.randperm(20, generator=generator).split(8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("dropout", *KEY))
        model.train()
        for number, batch in enumerate(batches):
            if shifted and number < warmup:
                optimizer.param_groups[0]["lr"] = 1e-3 * (number + 1) / warmup
            hand_written_loss(model, data, batch.tolist()).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return dict(model.named_parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("fraction", "warmup", "shifted"), [(0.0, 0, False), (0.34, 2, True)])
def test_dense_is_plain_adamw_under_transformers_schedule(folder, name, fraction, warmup, shifted):
    """Equal up to rounding (the loop uses the fused kernel) without warm-up. With it the conventions differ:
    transformers' first step has rate 0 and its warm-up step i has i/w, ours (i + 1)/w, so no step is lost; from
    step w on both are the same. The hand-written loop takes the shifted warm-up in the second case.

    In float64: where the true gradient is 0 (biases of attention keys; the bias of a head whose outputs are compared
    with one another), AdamW makes steps out of float32's rounding. Llama's norms and angles stay float32 always."""
    run = Run(folder, "dense", data=training(name), warmup_fraction=fraction, dtype=torch.float64)
    wanted = hand_written(folder, training(name), warmup, shifted)
    for key, value in run.after.items():
        atol = 1e-7 if name in LANGUAGE_MODELS else 1e-9
        torch.testing.assert_close(value, wanted[key].detach(), atol=atol, rtol=0)
    moved = max(float((run.after[key] - run.before[key]).abs().max()) for key in run.after)
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


def test_optimizer_runs_on_the_schedule(folder, monkeypatch):
    rates = []
    step = finetune._step

    def spy(model, optimizer, *rest):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(model, optimizer, *rest)

    monkeypatch.setattr(finetune, "_step", spy)
    Run(folder, "dense")
    assert rates == pytest.approx([1e-3 * f for f in (1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4)])


# --- fewer rows: how many steps, over which batches -----------------------------------------------------------------


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
