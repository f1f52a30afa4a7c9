"""Which models can be trained as a stack."""

import pytest
import tiny_models
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    LongformerConfig,
    MixtralConfig,
    MPNetConfig,
)

from junkdna.train import stackable
from junkdna.train.stackable import unstackable

SMALL = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def small(config: type, **more: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config(**SMALL | more)).eval()


def test_what_vmap_cannot_run_is_told_before_training() -> None:
    found = unstackable(small(LongformerConfig, attention_window=[4, 4]), "float32")
    assert found.startswith("torch cannot run it for several weights at once (")
    assert "Batching rule not implemented" in found


@pytest.mark.parametrize("name", ["deberta", "deberta_v2", "deberta_v3"])
def test_what_vmap_cannot_run_in_bfloat16_is_told_for_this_precision_only(name: str) -> None:
    model = tiny_models.classifier(name)
    assert unstackable(model, "float32") == ""
    assert "cannot be converted to type c10::BFloat16" in unstackable(model, "bfloat16")


@pytest.mark.parametrize("name", ["bert", "mpnet", "qwen3", "gpt2"])
def test_other_models_stack_in_both_precisions(name: str) -> None:
    model = tiny_models.classifier(name)
    assert {unstackable(model, precision) for precision in ("float32", "bfloat16")} == {""}


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling")],
)
def test_a_full_gpu_says_nothing_about_the_model(monkeypatch: pytest.MonkeyPatch, error: RuntimeError) -> None:
    """Otherwise the cell would be trained by the plain loop, to other numbers."""
    monkeypatch.setattr(stackable, "vmap", lambda *_, **__: raising(error))
    with pytest.raises(type(error), match=str(error)):
        unstackable(small(BertConfig), "float32")
    monkeypatch.setattr(stackable, "vmap", lambda *_, **__: raising(NotImplementedError()))
    assert (
        unstackable(small(BertConfig), "float32")
        == "torch cannot run it for several weights at once (NotImplementedError)"
    )


def raising(error: Exception):
    def run(*_: object) -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("config", "more"),
    [
        (BertConfig, {}),
        (MPNetConfig, {"pad_token_id": 1}),
        (GPT2Config, {}),
        (MixtralConfig, {"num_key_value_heads": 2, "num_local_experts": 4}),
    ],
)
def test_the_question_changes_nothing_in_the_model(config: type, more: dict) -> None:
    model = small(config, **more)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    draws, attention = torch.get_rng_state(), model.config._attn_implementation
    assert unstackable(model, "float32") == ""
    assert torch.equal(draws, torch.get_rng_state())
    assert model.config._attn_implementation == attention
    assert not any(module.training for module in model.modules())
    for name, weight in model.named_parameters():
        assert torch.equal(weight, weights[name])
        assert weight.grad is None
        assert weight.requires_grad
