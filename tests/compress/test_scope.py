import pytest
import torch
import transformers as hf
from torch import nn

from junkdna.compress import nm
from junkdna.compress.masks import apply
from junkdna.compress.scope import matrices, prunable
from junkdna.errors import UserError

WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 64}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
ENCODER, DECODER = WIDE, WIDE | SPECIAL | {"num_key_value_heads": 1}  # two query heads of 16 share one key head

# By hand, scalars of one layer: q, k, v, o of 32x32 and two of 32x48; with grouped keys q, o 32x32, k, v 16x32,
# three of 32x48; GPT-2 fused qkv 32x96, 32x32, 32x128 twice; GPT-NeoX fused qkv 96x32, 32x32, two of 32x48.
PLAIN, GROUPED = 4 * 1024 + 2 * 1536, 2 * 1024 + 2 * 512 + 3 * 1536
GPT2, NEOX = 3072 + 1024 + 2 * 4096, 3072 + 1024 + 2 * 1536

# name: (config, task class, matrices, scalars)
MODELS = {
    "bert": (hf.BertConfig(**ENCODER), "BertForSequenceClassification", 12, 2 * PLAIN),
    "roberta": (hf.RobertaConfig(**ENCODER), "RobertaForSequenceClassification", 12, 2 * PLAIN),
    "mpnet": (hf.MPNetConfig(**ENCODER), "MPNetForSequenceClassification", 12, 2 * PLAIN),
    "distilbert": (
        hf.DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=48, vocab_size=64),
        "DistilBertForSequenceClassification",
        12,
        2 * PLAIN,
    ),
    "deberta_v2": (
        hf.DebertaV2Config(**ENCODER, relative_attention=True, pos_att_type=["p2c", "c2p"], conv_kernel_size=3),
        "DebertaV2ForSequenceClassification",
        16,  # 12, and a position key and query projection in each layer
        2 * (PLAIN + 2 * 1024),
    ),
    "albert": (hf.AlbertConfig(**ENCODER, embedding_size=16), "AlbertForSequenceClassification", 6, PLAIN),  # shared
    "llama": (hf.LlamaConfig(**DECODER), "LlamaForCausalLM", 14, 2 * GROUPED),
    "mistral": (hf.MistralConfig(**DECODER), "MistralForCausalLM", 14, 2 * GROUPED),
    "qwen2": (hf.Qwen2Config(**DECODER), "Qwen2ForCausalLM", 14, 2 * GROUPED),
    "gemma": (hf.GemmaConfig(**DECODER, head_dim=16), "GemmaForCausalLM", 14, 2 * GROUPED),
    "gpt2": (hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=64, **SPECIAL), "GPT2LMHeadModel", 8, 2 * GPT2),
    "gpt_neox": (hf.GPTNeoXConfig(**WIDE, **SPECIAL), "GPTNeoXForCausalLM", 8, 2 * NEOX),
    "opt": (
        hf.OPTConfig(
            **SPECIAL,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            ffn_dim=48,
            vocab_size=64,
            word_embed_proj_dim=16,
        ),
        "OPTForCausalLM",
        12,  # project_in and project_out stand outside the blocks
        2 * PLAIN,
    ),
    "t5": (
        hf.T5Config(d_model=32, num_layers=2, num_heads=2, d_ff=48, vocab_size=64, d_kv=16),
        "T5ForConditionalGeneration",
        32,  # encoder (4 + 2) x 2, decoder (4 + 4 + 2) x 2
        4 * PLAIN + 2 * 4 * 1024,
    ),
}


def build(name):
    config, task_class, *_ = MODELS[name]
    return getattr(hf, task_class)(config)


@pytest.mark.parametrize("name", MODELS)
def test_matrices_of_an_architecture_counted_by_hand(name):
    model = build(name)
    found = prunable(model)
    assert (len(found), sum(each.parameter.numel() for each in found)) == MODELS[name][2:]
    parameters = dict(model.named_parameters())
    for each in found:
        assert parameters[each.name] is each.parameter
        assert each.name.endswith(".weight")
        assert each.transposed == (name == "gpt2")
    assert list(matrices(found)) == [each.name for each in found]


def test_transposed_weights_are_seen_as_out_by_in_and_written_through():
    model = build("gpt2")
    found = prunable(model)
    shapes = [tuple(each.matrix().shape) for each in found[:4]]
    assert shapes == [(96, 32), (32, 32), (128, 32), (32, 128)]
    apply(found, nm.mask(matrices(found), (1, 4), None))
    stored = model.transformer.h[0].attn.c_attn.weight  # (in 32, out 96)
    assert ((stored.reshape(8, 4, 96) != 0).sum(1) == 1).all()


def test_head_is_added_last_and_biases_are_passed_over():
    model = build("roberta")
    head = [name for name, _ in model.named_parameters() if name.startswith("classifier")]
    assert len(head) == 4
    found = prunable(model, prune_head=True, head_names=head)
    assert [each.name for each in found[12:]] == ["classifier.dense.weight", "classifier.out_proj.weight"]


def test_untied_head_of_a_language_model():
    found = prunable(build("llama"), prune_head=True, head_names=["lm_head.weight", "lm_head.weight"])
    assert [each.name for each in found[14:]] == ["lm_head.weight"]


@pytest.mark.parametrize(
    ("architecture", "names", "words"),
    [
        ("gpt2", ["lm_head.weight"], r"lm_head\.weight is the same parameter as.*wte\.weight \(tied\)"),
        ("roberta", [], r"no weight matrix is among head_names \[\].*classifier\.dense\.weight"),
        ("roberta", ["classifier.dense.bias"], "no weight matrix"),
        ("roberta", ["classifier.dence.weight"], "Did you mean 'classifier.dense.weight'"),
        ("roberta", ["roberta.encoder.layer.0.output.dense.weight"], "unknown head parameter"),
        ("roberta", ["roberta.embeddings.word_embeddings.weight"], "belongs to a Embedding"),
    ],
)
def test_heads_that_cannot_be_pruned(architecture, names, words):
    with pytest.raises(UserError, match=words):
        prunable(build(architecture), prune_head=True, head_names=names)


def test_fused_experts_are_refused():
    config = hf.MixtralConfig(**DECODER, num_local_experts=2)
    with pytest.raises(UserError, match=r"model\.layers\.0\.mlp.*belongs to no linear layer"):
        prunable(hf.MixtralForCausalLM(config))


class Block(nn.Module):
    def __init__(self, linear=None):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.linear = linear if linear is not None else nn.Linear(4, 4)


class OtherBlock(Block):
    pass


def body(*blocks):
    return nn.Sequential(nn.Embedding(5, 4), nn.ModuleDict({"stack": nn.ModuleList(blocks)}), nn.Linear(4, 2))


def test_any_names_will_do():
    assert [each.name for each in prunable(body(Block(), Block()))] == [
        "1.stack.0.linear.weight",
        "1.stack.1.linear.weight",
    ]


def test_tied_weights_are_listed_once():
    shared = nn.Linear(4, 4)
    assert [each.name for each in prunable(body(Block(shared), Block(shared)))] == ["1.stack.0.linear.weight"]
    tied = body(Block(), Block())
    tied[1]["stack"][1].linear.weight = tied[1]["stack"][0].linear.weight
    assert [each.name for each in prunable(tied)] == ["1.stack.0.linear.weight"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            nn.Sequential(nn.Linear(4, 4)),
            r"no transformer blocks.*Lists in this model: none.*Linear layers: 0 \(Linear\)",
        ),
        (body(Block(), OtherBlock()), r"1\.stack \(Block, OtherBlock\).*1\.stack\.0\.linear \(Linear\)"),
        (body(nn.Linear(4, 4), nn.Linear(4, 4)), "no transformer blocks"),
        (body(nn.LayerNorm(4)), "no transformer blocks"),
    ],
)
def test_no_blocks(model, words):
    with pytest.raises(UserError, match=words):
        prunable(model)


class QuantLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("qweight", torch.zeros(4, 4, dtype=torch.int32))


def packed_linear():
    layer = nn.Linear(4, 4)
    layer.weight = nn.Parameter(torch.zeros(8, 1, dtype=torch.uint8), requires_grad=False)
    return layer


def flat_linear():
    layer = nn.Linear(4, 4)
    layer.weight = nn.Parameter(torch.zeros(0))  # what sharded or offloaded training leaves in place
    return layer


@pytest.mark.parametrize(
    ("linear", "words"),
    [
        (flat_linear(), "1-D.*packed or offloaded"),
        (packed_linear(), r"^1\.stack\.0\.linear: a weight of torch.uint8.*probably quantised"),
        (nn.Linear(4, 4).to(torch.float8_e4m3fn), "a weight of torch.float8_e4m3fn"),
        (QuantLinear(), "a QuantLinear without a plain weight"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), "without a plain weight"),
        (nn.Linear(4, 4, device="meta"), "meta device"),
    ],
)
def test_weights_that_are_not_plain_name_their_layer(linear, words):
    with pytest.raises(UserError, match=words):
        prunable(body(Block(linear)))


def test_a_raw_matrix_in_a_block_is_refused():
    with pytest.raises(UserError, match=r"1\.stack\.0\.linear\.in_proj_weight.*MultiheadAttention"):
        prunable(body(Block(nn.MultiheadAttention(4, 2))))
