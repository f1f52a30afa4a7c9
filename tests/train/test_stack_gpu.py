"""Stacks of cells on a GPU: steps that are recorded or compiled, and companions that change no bit."""

import gc
import logging
from types import MethodType

import pytest
import torch
from job_settings import training_settings
from toy_training import LANGUAGE_MODELS, NAMES, training
from transformers import BertConfig, BertForSequenceClassification, BertModel, LlamaConfig, LlamaForCausalLM

from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.train import stacked_steps
from junkdna.train.finetune import fine_tune
from junkdna.train.stack import fine_tune_stack
from junkdna.train.stack_members import Member
from junkdna.train.stack_memory import cell_bytes
from junkdna.train.train_rows import TrainRows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
KEY = ("mood", 0)
CELLS = (("dense", 0.0), ("sparse", 0.5), ("sparse_to_dense", 0.5), ("dense_freeze", 0.5))
SIZE = 8


def decoder() -> torch.nn.Module:
    config = LlamaConfig(
        vocab_size=64, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(1)
    return LlamaForCausalLM(config).eval().to("cuda")


def model_of(name: str) -> torch.nn.Module:
    if name in LANGUAGE_MODELS:
        return decoder()
    config = BertConfig(
        vocab_size=64, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=64, num_labels=1 if name in ("cross_encoder", "regressor") else 2,
    )  # fmt: skip
    torch.manual_seed(1)
    made = BertModel(config) if name == "bi_encoder" else BertForSequenceClassification(config)
    return made.eval().to("cuda")


def protocol(precision: str = "bfloat16", **more: object):
    settings = {"epochs": 8, "batch_size": 8, "learning_rate": 1e-3, "warmup_fraction": 0.1, "weight_decay": 0.1}
    return training_settings(**{**settings, **more}, precision=precision)


def member(model: torch.nn.Module, mode: str, sparsity: float) -> Member:
    prunables = prunable(model, None)
    masks = dict(magnitude(matrices(prunables), sparsity, None)) if mode != "dense" else {}
    weights = {key: value.detach().clone() for key, value in model.named_parameters()}
    if mode in ("sparse", "sparse_to_dense"):
        for each in prunables:
            weights[each.name].mul_(masks[each.name].to("cuda"))
    return Member(mode, weights, masks)


def trained(name: str, cells=CELLS, rows: int = 24, **more: object):
    model = model_of(name)
    members = [member(model, *cell) for cell in cells]
    data = training(name, rows=rows, options=3)
    return fine_tune_stack(model, prunable(model, None), members, SIZE, data, protocol(**more), KEY)


def first(weights: dict) -> dict:
    return {name: weight[0].cpu() for name, weight in weights.items()}


@pytest.mark.parametrize("name", NAMES)
def test_recorded_steps_equal_steps_from_python(name: str, monkeypatch) -> None:
    recorded, losses = trained(name)
    monkeypatch.setattr(stacked_steps, "RECORDED_USES", 10**9)
    plain, expected = trained(name)
    assert losses == expected
    for key, value in plain.items():
        assert torch.equal(recorded[key], value), key


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_companions_change_no_bit(precision: str, compiled: bool, monkeypatch) -> None:
    if compiled:
        monkeypatch.setattr(stacked_steps, "COMPILED_STEPS", 1)
    own = ("sparse", 0.5)
    one, _ = trained("classifier", [own], precision=precision)
    two, _ = trained("classifier", [own, ("dense", 0.0), ("sparse", 0.9)], precision=precision)
    three, _ = trained("classifier", [own, *CELLS, ("dense_freeze", 0.8)], precision=precision)
    for key, value in first(one).items():
        assert torch.equal(first(two)[key], value), key
        assert torch.equal(first(three)[key], value), key


def test_the_place_in_a_stack_changes_no_bit() -> None:
    own = ("sparse", 0.5)
    before, _ = trained("classifier", [own, ("dense", 0.0)])
    after, _ = trained("classifier", [("dense", 0.0), ("sparse", 0.9), own])
    for key, value in before.items():
        assert torch.equal(value[0], after[key][2]), key


def test_a_cell_that_diverges_leaves_the_others_alone() -> None:
    model = model_of("classifier")
    data = training("classifier", rows=24)

    def run(broken: bool) -> dict:
        members = [member(model, "dense", 0.0), member(model, "dense", 0.0)]
        if broken:
            members[1].weights["classifier.weight"].fill_(float("inf"))
        return fine_tune_stack(model, prunable(model, None), members, SIZE, data, protocol(), KEY)[0]

    whole, broken = run(False), run(True)
    assert not torch.isfinite(broken["classifier.weight"][1]).all()
    for key, value in first(whole).items():
        assert torch.equal(first(broken)[key], value), key


@pytest.mark.parametrize("name", NAMES)
def test_a_float32_stack_follows_the_plain_loop(name: str) -> None:
    """Without dropout, whose draws differ, the losses of all steps agree."""
    model, data = model_of(name), training(name, rows=24, options=3)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    members = [member(model, *cell) for cell in CELLS]
    rules = protocol("float32", learning_rate=1e-4)
    _, losses = fine_tune_stack(model, prunable(model, None), members, SIZE, data, rules, KEY)
    start = {key: value.detach().clone() for key, value in model.named_parameters()}
    for of_stack, (mode, sparsity) in zip(losses, CELLS, strict=True):
        model.load_state_dict(start, strict=False)
        prunables = prunable(model, None)
        masks = dict(magnitude(matrices(prunables), sparsity, None)) if mode != "dense" else {}
        alone = fine_tune(model, prunables, masks, mode, data, rules, KEY)
        assert of_stack.first_loss == pytest.approx(alone.first_loss, rel=2e-3)
        assert of_stack.last_loss == pytest.approx(alone.last_loss, rel=2e-2)


def test_a_model_that_waits_for_the_cpu_is_not_recorded(caplog) -> None:
    model = model_of("classifier")
    inner = model.bert.pooler.forward

    def waits(self, hidden):
        torch.cuda.synchronize()
        return inner(hidden)

    model.bert.pooler.forward = MethodType(waits, model.bert.pooler)
    data = training("classifier", rows=24)
    with caplog.at_level(logging.WARNING):
        found, _ = fine_tune_stack(
            model, prunable(model, None), [member(model, "dense", 0.0)], SIZE, data, protocol(), KEY
        )
    assert "cannot be recorded" in caplog.text
    expected, _ = trained("classifier", [("dense", 0.0)])
    for key, value in first(expected).items():
        assert torch.equal(first(found)[key], value), key


def test_a_stack_resumes_to_the_same_bits() -> None:
    from junkdna.resumable import Loop

    class Broken(Loop):
        """Saves after step 9, and stops; `resumed` starts from there."""

        state: dict | None = None

        def __call__(self, name, items, save, load):
            if self.state is not None:
                load({key: value.clone() for key, value in self.state.items()})
                yield from items[10:]
                return
            for at, item in enumerate(items):
                yield item
                if at == 9:
                    Broken.state = {key: value.detach().cpu().clone() for key, value in save().items()}
                    raise KeyboardInterrupt

    def run(loop: Loop) -> tuple:
        model = model_of("classifier")
        members = [member(model, *cell) for cell in CELLS]
        data = training("classifier", rows=24)
        return fine_tune_stack(model, prunable(model, None), members, SIZE, data, protocol(), KEY, loop)

    whole, losses = run(Loop())
    with pytest.raises(KeyboardInterrupt):
        run(Broken())
    again, resumed = run(Broken())
    assert losses == resumed
    for key, value in whole.items():
        assert torch.equal(again[key], value), key


def test_a_stack_of_many_shapes_takes_no_more_memory_than_twice_the_estimate() -> None:
    """Recorded steps share their memory, and so do the steps before them that warm up."""
    config = BertConfig(
        vocab_size=64, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024, num_labels=2
    )
    torch.manual_seed(1)
    model = BertForSequenceClassification(config).eval().to("cuda")
    rows = training("classifier", rows=512)
    lengths = torch.randint(8, 128, (512,), generator=torch.Generator().manual_seed(2)).tolist()
    queries = [[5 + (k + place) % 20 for place in range(length)] for k, length in enumerate(lengths)]
    bare = {name: column for name, column in rows.columns.items() if not name.startswith("option")}
    data = TrainRows(format="classifier", columns={**bare, "query": queries, "second_start": [1] * 512})
    rules = protocol(epochs=4, batch_size=8)  # six widths
    estimate = SIZE * cell_bytes(model, data, rules)
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    fine_tune_stack(model, prunable(model, None), [member(model, "dense", 0.0)], SIZE, data, rules, KEY)
    assert torch.cuda.max_memory_reserved() - before < 2 * estimate
