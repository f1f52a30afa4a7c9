"""Tiny random models of every family whose scope is promised, from transformers' configurations alone."""

import torch
import transformers as hf

VOCABULARY = 64
WIDE = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "vocab_size": VOCABULARY, "max_position_embeddings": 64, "initializer_range": 0.2,
}  # fmt: skip
SPECIAL = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
ENCODER, DECODER = WIDE, WIDE | SPECIAL | {"num_key_value_heads": 1}  # two query heads of 16 share one key head
NARROW = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}
GEMMA = DECODER | {"head_dim": 16, "query_pre_attn_scalar": 16}
RELATIVE = ENCODER | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": 16}
V3 = RELATIVE | {
    "share_att_key": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
}

# name: (configuration, what stands before "For..." or "Model" in the names of its classes)
FAMILIES = {
    "bert": (hf.BertConfig(**ENCODER), "Bert"),
    "roberta": (hf.RobertaConfig(**ENCODER), "Roberta"),
    "mpnet": (hf.MPNetConfig(**ENCODER), "MPNet"),
    "deberta": (hf.DebertaConfig(**RELATIVE), "Deberta"),
    "deberta_v2": (hf.DebertaV2Config(**RELATIVE, conv_kernel_size=3), "DebertaV2"),  # a convolution behind block 0
    "deberta_v3": (hf.DebertaV2Config(**V3), "DebertaV2"),  # queries and keys also read the table of positions
    "llama": (hf.LlamaConfig(**DECODER), "Llama"),
    "mistral": (hf.MistralConfig(**DECODER, sliding_window=4), "Mistral"),
    "qwen2": (hf.Qwen2Config(**DECODER, use_sliding_window=True, **NARROW), "Qwen2"),
    "qwen3": (hf.Qwen3Config(**DECODER, head_dim=16), "Qwen3"),
    "gemma": (hf.GemmaConfig(**DECODER, head_dim=16), "Gemma"),
    "gemma2": (hf.Gemma2Config(**GEMMA, **NARROW), "Gemma2"),
    "gemma3": (hf.Gemma3TextConfig(**GEMMA, **NARROW), "Gemma3"),  # each kind of block has rotary tables of its own
    "gpt2": (
        hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, vocab_size=64, initializer_range=0.2, **SPECIAL),
        "GPT2",
    ),
    "gpt_neox": (hf.GPTNeoXConfig(**WIDE, **SPECIAL, tie_word_embeddings=False), "GPTNeoX"),
    "opt": (
        hf.OPTConfig(
            **SPECIAL, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, ffn_dim=48, vocab_size=64,
            max_position_embeddings=64, word_embed_proj_dim=16, init_std=0.2,
        ),
        "OPT",
    ),
}  # fmt: skip
ENCODERS = ("bert", "roberta", "mpnet", "deberta", "deberta_v2", "deberta_v3")
DECODERS = tuple(name for name in FAMILIES if name not in ENCODERS)
CAUSAL = {"gpt2": "GPT2LMHeadModel"}
CLASSIFIERS = {"gemma3": "Gemma3TextForSequenceClassification"}
PLAIN = {"gemma3": "Gemma3TextModel"}


def plain(name: str) -> torch.nn.Module:
    """The body alone, as AutoModel gives it."""
    return build(name, PLAIN.get(name, f"{FAMILIES[name][1]}Model"))


def causal(name: str) -> torch.nn.Module:
    """A decoder with its language-model head."""
    return build(name, CAUSAL.get(name, f"{FAMILIES[name][1]}ForCausalLM"))


def classifier(name: str) -> torch.nn.Module:
    return build(name, CLASSIFIERS.get(name, f"{FAMILIES[name][1]}ForSequenceClassification"))


def task_model(name: str) -> torch.nn.Module:
    """What the family is mostly loaded as: a classifier on an encoder, a decoder with its head."""
    return classifier(name) if name in ENCODERS else causal(name)


def build(name: str, model_class: str) -> torch.nn.Module:
    """In eval mode, always with the same weights; vectors are random too, so that norms and biases do something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = getattr(hf, model_class)(FAMILIES[name][0])
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()
