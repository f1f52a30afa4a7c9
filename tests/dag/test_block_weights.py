"""Models whose blocks have weights outside linear layers are refused when a study is planned, not by every cell."""

from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from junkdna.compress.scope import prunable
from junkdna.dag import block_weights
from junkdna.dag.block_weights import unsupported_blocks
from junkdna.errors import UserError
from junkdna.models import empty_model

DECODER = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "bos_token_id": 0, "eos_token_id": 1}
ATTENTION = {"num_attention_heads": 2, "intermediate_size": 48}
ENCODER = {**DECODER, **ATTENTION, "embedding_size": 32, "max_position_embeddings": 64, "pad_token_id": 0}
REFUSED = {
    "mamba": (hf.MambaConfig(**DECODER, state_size=4, pad_token_id=0), "A_log: shape (64, 4) in a MambaMixer"),
    "rwkv": (hf.RwkvConfig(**DECODER), "time_mix_key: shape (1, 1, 32) in a RwkvSelfAttention"),
    "mixtral": (hf.MixtralConfig(**DECODER, **ATTENTION, num_key_value_heads=1, num_local_experts=2), "fused experts"),
    "squeezebert": (hf.SqueezeBertConfig(**ENCODER), "SqueezeBertModel: no transformer blocks found"),
}
PLAIN = {
    "llama": hf.LlamaConfig(**DECODER, **ATTENTION),
    "gpt2": hf.GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=2, n_positions=64),
    "albert": hf.AlbertConfig(**ENCODER),
    "deberta": hf.DebertaV2Config(**ENCODER, conv_kernel_size=3),  # its convolution is outside the blocks
}


def saved(config: hf.PretrainedConfig, folder: Path) -> str:
    """Saves the model of a configuration; returns its kind."""
    decoder = type(config) in hf.MODEL_FOR_CAUSAL_LM_MAPPING and "is_decoder" not in config.to_dict()
    kind = "decoder" if decoder else "encoder"
    (hf.AutoModelForCausalLM if decoder else hf.AutoModel).from_config(config).save_pretrained(folder)
    return kind


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_error_of_a_cell(name, tmp_path):
    config, says = REFUSED[name]
    kind = saved(config, tmp_path)
    [problem] = unsupported_blocks(tmp_path, kind, "models.m")
    with pytest.raises(UserError) as caught:
        prunable((hf.AutoModelForCausalLM if kind == "decoder" else hf.AutoModel).from_pretrained(tmp_path))
    assert problem == f"models.m: {caught.value}"
    assert says in problem


@pytest.mark.parametrize("name", PLAIN)
def test_plain_models_are_not_built(name, tmp_path, monkeypatch):
    kind = saved(PLAIN[name], tmp_path)
    monkeypatch.setattr(empty_model, "empty_model", lambda *_: pytest.fail("built"))
    assert list(unsupported_blocks(tmp_path, kind, "models.m")) == []


def test_buffers_of_old_checkpoints_are_no_weights(tmp_path, monkeypatch):
    saved(PLAIN["gpt2"], tmp_path)
    file = tmp_path / "model.safetensors"
    old = {f"transformer.h.{i}.attn.bias": torch.ones(1, 1, 64, 64) for i in range(2)}
    save_file(load_file(file) | old, file, {"format": "pt"})
    monkeypatch.setattr(empty_model, "empty_model", lambda *_: pytest.fail("built"))
    assert list(unsupported_blocks(tmp_path, "decoder", "models.m")) == []


def test_an_unusual_tensor_of_a_model_that_can_be_compressed(tmp_path, monkeypatch):
    kind = saved(PLAIN["llama"], tmp_path)
    monkeypatch.setattr(block_weights, "_unusual", lambda *_: True)
    assert list(unsupported_blocks(tmp_path, kind, "models.m")) == []
