"""Tiny random language models of several architectures, and plain loops to compare with: one row, no cache."""

import numpy as np
import torch

VOCABULARY = 31
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 128, "pad_token_id": None, "bos_token_id": 1,
    "eos_token_id": 2, "initializer_range": 0.2,
}  # fmt: skip
GPT2_SIZES = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128,
              "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.2}  # fmt: skip
GEMMA_SIZES = {"num_key_value_heads": 1, "head_dim": 16, "query_pre_attn_scalar": 16}


def make(name: str, attention: str = "sdpa", **extra: object) -> torch.nn.Module:
    """The model `name` of `CONFIGS`, always with the same weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, sizes = CONFIGS[name]
    config = AutoConfig.for_model(kind, **{**sizes, **extra})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()


CONFIGS = {
    "llama": ("llama", SIZES),
    "gpt2": ("gpt2", GPT2_SIZES),  # learned positions
    "qwen2": ("qwen2", {**SIZES, "num_key_value_heads": 1}),  # keys and values shared by heads
    "qwen3": ("qwen3", {**SIZES, "num_key_value_heads": 1, "head_dim": 16}),  # normalized queries and keys
    "gpt_neox": ("gpt_neox", {**SIZES, "rotary_pct": 0.5}),  # rotates a part of each head
    "opt": ("opt", {**SIZES, "ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2, "pad_token_id": 1}),
    "gemma2": ("gemma2", {**SIZES, **GEMMA_SIZES, "final_logit_softcapping": 2.0, "attn_logit_softcapping": 3.0}),
    "gemma3": ("gemma3_text", {**SIZES, **GEMMA_SIZES, "sliding_window": 128}),
    "gemma3 narrow": ("gemma3_text", {**SIZES, **GEMMA_SIZES, "sliding_window": 4}),  # the window cuts rows
    "gpt_neo": ("gpt_neo", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_layers": 2, "num_heads": 2,
                            "attention_types": [[["global", "local"], 1]], "window_size": 4, "intermediate_size": 48,
                            "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2,
                            "initializer_range": 0.2}),
    "bloom": ("bloom", {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 2,
                        "initializer_range": 0.2}),  # ALiBi
    "mamba": ("mamba", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4,
                        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}),  # no keys and values
    "rwkv": ("rwkv", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32,
                      "bos_token_id": 1, "eos_token_id": 2}),  # ignores the attention mask
}  # fmt: skip
TREE = ("llama", "gpt2", "qwen2", "qwen3", "gpt_neox", "opt", "gemma2", "gemma3")
ROWS = tuple(name for name in CONFIGS if name not in TREE)


def stretch(model: torch.nn.Module) -> torch.nn.Module:
    """Larger weights, so that rows differ by far more than the tolerance."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(6)
    return model


def random_rows(n: int, seed: int, longest: int = 20) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(3, 29, rng.integers(1, longest)).tolist() for _ in range(n)]


def random_options(n: int, seed: int) -> list[list[list[int]]]:
    """2 to 5 options a row, drawn from a pool, so that rows share some."""
    rng = np.random.default_rng(seed)
    pool = random_rows(12, seed + 1, longest=7)
    return [[pool[k] for k in rng.permutation(12)[: rng.integers(2, 6)]] for _ in range(n)]


@torch.inference_mode()
def plain_loglikelihood(model, queries, options, starts) -> list[np.ndarray]:
    out = []
    for query, row, row_starts in zip(queries, options, starts, strict=True):
        out.append(np.zeros(len(row)))
        for j, option in enumerate(row):
            logits = model(input_ids=torch.tensor([query + option])).logits[0].double()
            for t in range(row_starts[j], len(option)):
                at = logits[len(query) + t - 1]
                out[-1][j] += float(at[option[t]] - at.exp().sum().log())
    return out


@torch.inference_mode()
def plain_greedy(model, query: list[int], tokens: int, ends: set[int]) -> list[int]:
    row = list(query)
    for _ in range(tokens):
        row.append(int(model(input_ids=torch.tensor([row])).logits[0, -1].argmax()))
        if row[-1] in ends:
            break
    return row[len(query) :]


def same(got: list, wanted: list, tolerance: float = 1e-5) -> None:
    """Equal within the tolerance, among values that differ by far more."""
    assert [len(row) for row in got] == [len(row) for row in wanted]
    np.testing.assert_allclose(np.concatenate(got), np.concatenate(wanted), atol=tolerance, rtol=tolerance)
    assert np.std(np.concatenate(wanted)) > 1000 * tolerance, "rows too alike for the comparison to mean anything"
