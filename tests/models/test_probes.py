"""Does a later token change an earlier output? Asked of causal models and of those that read in both directions."""

import pytest
import torch
import transformers as hf
from decoders import make
from tiny_models import WIDE

from junkdna.models.probes import probe_tokens, sees_later_tokens

MASKED = {
    "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**WIDE)),
    "roberta": lambda: hf.RobertaForCausalLM(hf.RobertaConfig(**WIDE, pad_token_id=1)),
    "electra": lambda: hf.ElectraForCausalLM(hf.ElectraConfig(**WIDE, embedding_size=32)),
    "xlnet": lambda: hf.XLNetLMHeadModel(hf.XLNetConfig(vocab_size=64, d_model=32, n_layer=2, n_head=2, d_inner=48)),
    "xlm": lambda: hf.XLMWithLMHeadModel(hf.XLMConfig(emb_dim=32, n_layers=2, n_heads=2, vocab_size=64)),
}


def smaller(model: torch.nn.Module) -> torch.nn.Module:
    """Matrices so small that blocks hardly change the hidden states."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(0.01)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", MASKED)
def test_models_that_read_in_both_directions(name, dtype):
    torch.manual_seed(0)
    model = MASKED[name]().eval()
    assert sees_later_tokens(model.to(dtype))
    assert sees_later_tokens(smaller(model))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3 narrow", "gpt_neo", "bloom", "mamba", "rwkv"])
def test_causal_models(name, dtype):
    assert not sees_later_tokens(make(name, "eager").to(dtype))


def test_routing_to_experts_is_no_leak():
    config = hf.MixtralConfig(**WIDE, num_local_experts=4, num_key_value_heads=1, pad_token_id=None)
    torch.manual_seed(0)
    assert not sees_later_tokens(hf.MixtralForCausalLM(config).eval())


def test_bert_as_a_decoder_is_causal():
    assert not sees_later_tokens(hf.BertLMHeadModel(hf.BertConfig(**WIDE, is_decoder=True)).eval())


def test_a_probe_leaves_no_trace():
    model = make("llama").train()
    model.model.norm.eval()
    state = torch.get_rng_state()
    modes = [module.training for module in model.modules()]
    with torch.inference_mode():
        assert not sees_later_tokens(model)
    assert modes == [module.training for module in model.modules()]
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not model.get_input_embeddings()._forward_hooks
    assert torch.equal(state, torch.get_rng_state())


def test_probe_tokens_are_different_and_not_special():
    model = make("llama")
    tokens = probe_tokens(model, 9)
    assert len({*tokens}) == 9
    assert not {*tokens} & {1, 2}
    assert max(tokens) < model.config.vocab_size
