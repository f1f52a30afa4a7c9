import pytest
import tiny_models
import torch
import transformers as hf
from tiny_models import FAMILIES
from torch import nn

from junkdna.compress.masks import apply_masks
from junkdna.compress.scope import body_name, matrices, prunable
from junkdna.errors import UserError

# By hand: where the blocks are, then each matrix of one block as (name, outputs, inputs), in order. Width 32,
# middle 48; two query heads of 16 share one key head; GPT-2's middle is 128.
ATTENTION = (
    "attention.self.query 32 32, attention.self.key 32 32, attention.self.value 32 32, attention.output.dense 32 32"
)
FEED = "intermediate.dense 48 32, output.dense 32 48"
RELATIVE = ATTENTION.replace("query", "query_proj").replace("key", "key_proj").replace("value", "value_proj")
GROUPED = (
    "self_attn.q_proj 32 32, self_attn.k_proj 16 32, self_attn.v_proj 16 32, self_attn.o_proj 32 32, "
    "mlp.gate_proj 48 32, mlp.up_proj 48 32, mlp.down_proj 32 48"
)
BLOCKS = {
    "bert": ("encoder.layer", f"{ATTENTION}, {FEED}"),
    "roberta": ("encoder.layer", f"{ATTENTION}, {FEED}"),
    "mpnet": (
        "encoder.layer",
        f"attention.attn.q 32 32, attention.attn.k 32 32, attention.attn.v 32 32, attention.attn.o 32 32, {FEED}",
    ),
    "deberta": (
        "encoder.layer",
        "attention.self.in_proj 96 32, attention.self.pos_proj 32 32, attention.self.pos_q_proj 32 32, "
        f"attention.output.dense 32 32, {FEED}",
    ),
    "deberta_v2": (
        "encoder.layer",
        RELATIVE.replace(
            "attention.output",
            "attention.self.pos_key_proj 32 32, attention.self.pos_query_proj 32 32, attention.output",
        )
        + f", {FEED}",
    ),
    "deberta_v3": ("encoder.layer", f"{RELATIVE}, {FEED}"),
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3"), ("layers", GROUPED)),
    "gpt2": ("h", "attn.c_attn 96 32, attn.c_proj 32 32, mlp.c_fc 128 32, mlp.c_proj 32 128"),
    "gpt_neox": (
        "layers",
        "attention.query_key_value 96 32, attention.dense 32 32, mlp.dense_h_to_4h 48 32, mlp.dense_4h_to_h 32 48",
    ),
    "opt": (
        "decoder.layers",
        "self_attn.k_proj 32 32, self_attn.v_proj 32 32, self_attn.q_proj 32 32, self_attn.out_proj 32 32, "
        "fc1 48 32, fc2 32 48",
    ),
}
WORDS = "embeddings.word_embeddings 64 32, "
POSITIONS = "embeddings.position_embeddings 64 32, "
TABLES = {
    "bert": WORDS + POSITIONS + "embeddings.token_type_embeddings 2 32",
    "roberta": WORDS + "embeddings.token_type_embeddings 2 32, embeddings.position_embeddings 64 32",
    "mpnet": WORDS + POSITIONS + "encoder.relative_attention_bias 32 2",
    "deberta": WORDS + POSITIONS + "encoder.rel_embeddings 32 32",
    "deberta_v2": WORDS + POSITIONS + "encoder.rel_embeddings 32 32",
    "deberta_v3": WORDS + "encoder.rel_embeddings 16 32",
    "gpt2": "wte 64 32, wpe 64 32",
    "gpt_neox": "embed_in 64 32",
    "opt": "decoder.embed_tokens 64 16, decoder.embed_positions 66 32",
}
INSIDE = {  # what the body is called within a model with a head
    "bert": "bert",
    "roberta": "roberta",
    "mpnet": "mpnet",
    "deberta": "deberta",
    "deberta_v2": "deberta",
    "deberta_v3": "deberta",
    "gpt2": "transformer",
    "gpt_neox": "gpt_neox",
}
TIED = ("gemma", "gemma2", "gemma3", "gpt2", "opt")  # the language-model head is the table of words


def expected(text, path=""):
    """{full name: (outputs, inputs)}"""
    found = {}
    for part in text.split(", "):
        name, outputs, inputs = part.split(" ")
        found[f"{path}{name}.weight"] = (int(outputs), int(inputs))
    return found


def expected_blocks(family, body=""):
    path, block = BLOCKS[family]
    return expected(block, f"{body}{path}.0.") | expected(block, f"{body}{path}.1.")


def shapes(prunables):
    return {each.name: tuple(each.matrix().shape) for each in prunables}


def one_of_four(weight):
    """Mask that keeps the first of every four inputs."""
    mask = torch.zeros_like(weight, dtype=torch.bool)
    mask[:, ::4] = True
    return mask


def in_order(prunables, wanted):
    assert shapes(prunables) == wanted
    assert [each.name for each in prunables] == list(wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_scope_of_a_family_is_the_list_written_by_hand(family):
    inside = INSIDE.get(family, "model") + "."
    models = {"plain": ("", tiny_models.plain(family)), "classifier": (inside, tiny_models.classifier(family))}
    if family in tiny_models.DECODERS:
        models["causal"] = (inside, tiny_models.causal(family))
    for kind, (body, model) in models.items():
        found = prunable(model)
        in_order(found, expected_blocks(family, body))
        parameters = dict(model.named_parameters())
        assert all(parameters[each.name] is each.parameter for each in found), kind
        assert all(each.transposed == (family == "gpt2") for each in found), kind
        assert list(matrices(found)) == [each.name for each in found]


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_come_behind_the_blocks(family):
    tables = expected(TABLES.get(family, "embed_tokens 64 32"))
    in_order(prunable(tiny_models.plain(family), embeddings=True), expected_blocks(family) | tables)


@pytest.mark.parametrize("family", tiny_models.DECODERS)
def test_a_tied_head_is_listed_once_under_the_name_of_the_table(family):
    model = tiny_models.causal(family)
    inside = INSIDE.get(family, "model") + "."
    wanted = expected_blocks(family, inside) | expected(TABLES.get(family, "embed_tokens 64 32"), inside)
    if family not in TIED:
        wanted["lm_head.weight"] = (64, 32)
    in_order(prunable(model, head_names=["lm_head.weight"], embeddings=True), wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_names_within_the_body_are_those_of_the_plain_model(family):
    plain = tiny_models.plain(family)
    wanted = [each.name for each in prunable(plain, embeddings=True)]
    assert [body_name(plain, name) for name in wanted] == wanted
    for model in (tiny_models.classifier(family), tiny_models.task_model(family)):
        assert [body_name(model, each.name) for each in prunable(model, embeddings=True)] == wanted


def test_names_outside_the_body_stay():
    assert body_name(tiny_models.classifier("bert"), "classifier.weight") == "classifier.weight"
    assert body_name(tiny_models.causal("llama"), "lm_head.weight") == "lm_head.weight"
    assert body_name(body(Block()), "1.stack.0.linear.weight") == "1.stack.0.linear.weight"


def test_a_mask_of_the_plain_model_fits_the_classifier():
    plain, other = tiny_models.plain("mpnet"), tiny_models.classifier("mpnet")
    masks = {name: one_of_four(weight) for name, weight in matrices(prunable(plain)).items()}
    found = prunable(other)
    apply_masks(found, {each.name: masks[body_name(other, each.name)] for each in found})
    assert all(int((each.matrix() == 0).sum()) == each.matrix().numel() * 3 // 4 for each in found)


def test_tables_inside_blocks_count_as_embeddings():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias, self.linear = nn.Embedding(6, 2), nn.Linear(4, 4)

    model = body(Positions(), Positions())
    assert shapes(prunable(model, embeddings=True)) == {
        "1.stack.0.linear.weight": (4, 4),
        "1.stack.1.linear.weight": (4, 4),
        "0.weight": (5, 4),
        "1.stack.0.bias.weight": (6, 2),
        "1.stack.1.bias.weight": (6, 2),
    }


def test_a_table_that_is_not_plain_is_refused():
    model = body(Block())
    model[0].weight = nn.Parameter(torch.zeros(5, 4, dtype=torch.uint8), requires_grad=False)
    assert len(prunable(model)) == 1
    with pytest.raises(UserError, match=r"^0: a weight of torch\.uint8"):
        prunable(model, embeddings=True)


# Families of other shapes, counted by hand. Scalars of one layer: q, k, v, o of 32x32 and two of 32x48.
PLAIN = 4 * 1024 + 2 * 1536
MODELS = {
    "distilbert": (
        hf.DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=48, vocab_size=64),
        "DistilBertForSequenceClassification",
        12,
        2 * PLAIN,
    ),
    "albert": (  # one block, used twice
        hf.AlbertConfig(**tiny_models.ENCODER, embedding_size=16),
        "AlbertForSequenceClassification",
        6,
        PLAIN,
    ),
    "t5": (
        hf.T5Config(d_model=32, num_layers=2, num_heads=2, d_ff=48, vocab_size=64, d_kv=16),
        "T5ForConditionalGeneration",
        32,  # encoder (4 + 2) x 2, decoder (4 + 4 + 2) x 2
        4 * PLAIN + 2 * 4 * 1024,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_matrices_of_other_architectures_counted_by_hand(name):
    config, task_class, count, scalars = MODELS[name]
    found = prunable(getattr(hf, task_class)(config))
    assert (len(found), sum(each.parameter.numel() for each in found)) == (count, scalars)


def test_transposed_weights_are_seen_as_out_by_in_and_written_through():
    model = tiny_models.causal("gpt2")
    found = prunable(model)
    shapes = [tuple(each.matrix().shape) for each in found[:4]]
    assert shapes == [(96, 32), (32, 32), (128, 32), (32, 128)]
    apply_masks(found, {name: one_of_four(weight) for name, weight in matrices(found).items()})
    stored = model.transformer.h[0].attn.c_attn.weight  # (in 32, out 96)
    assert ((stored.reshape(8, 4, 96) != 0).sum(1) == 1).all()


def test_head_is_added_last_and_biases_are_passed_over():
    model = tiny_models.classifier("roberta")
    head = [name for name, _ in model.named_parameters() if name.startswith("classifier")]
    assert len(head) == 4
    found = prunable(model, head_names=head)
    assert [each.name for each in found[12:]] == ["classifier.dense.weight", "classifier.out_proj.weight"]


def test_untied_head_of_a_language_model():
    found = prunable(tiny_models.causal("llama"), head_names=["lm_head.weight", "lm_head.weight"])
    assert [each.name for each in found[14:]] == ["lm_head.weight"]


@pytest.mark.parametrize(
    ("architecture", "names", "words"),
    [
        ("gpt2", ["lm_head.weight"], r"lm_head\.weight is the same parameter as.*wte\.weight \(tied\)"),
        ("roberta", [], r"head_names \[\] contain no weight matrix.*classifier\.dense\.weight"),
        ("roberta", ["classifier.dense.bias"], "no weight matrix"),
        ("roberta", ["classifier.dence.weight"], "Did you mean 'classifier.dense.weight'"),
        ("roberta", ["roberta.encoder.layer.0.output.dense.weight"], "unknown head parameter"),
        ("roberta", ["roberta.embeddings.word_embeddings.weight"], "belongs to a Embedding"),
    ],
)
def test_heads_that_cannot_be_pruned(architecture, names, words):
    with pytest.raises(UserError, match=words):
        prunable(tiny_models.task_model(architecture), head_names=names)


def test_fused_experts_are_refused():
    config = hf.MixtralConfig(**tiny_models.DECODER, num_local_experts=2)
    with pytest.raises(UserError, match=r"model\.layers\.0\.mlp.*not in a linear layer"):
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
        (packed_linear(), r"^1\.stack\.0\.linear: a weight of torch.uint8.*probably quantized"),
        (nn.Linear(4, 4).to(torch.float8_e4m3fn), "a weight of torch.float8_e4m3fn"),
        (QuantLinear(), "a QuantLinear without a plain weight"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), "without a plain weight"),
        (nn.Linear(4, 4, device="meta"), r"^1\.stack\.0\.linear: .*meta device"),
    ],
)
def test_weights_that_are_not_plain_name_their_layer(linear, words):
    with pytest.raises(UserError, match=words):
        prunable(body(Block(linear)))


def test_a_raw_matrix_in_a_block_is_refused():
    with pytest.raises(UserError, match=r"1\.stack\.0\.linear\.in_proj_weight.*MultiheadAttention"):
        prunable(body(Block(nn.MultiheadAttention(4, 2))))
