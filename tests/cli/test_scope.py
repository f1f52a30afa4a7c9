import json

import pytest
import tiny_models
from tiny_models import FAMILIES

from junkdna.cli.scope import scope_text
from junkdna.errors import UserError
from junkdna.models.empty_model import empty_model

KINDS = {"encoder": tiny_models.plain, "decoder": tiny_models.causal, "classifier": tiny_models.classifier}


def test_a_page_counted_by_hand():
    """Biases: 2 x (5 x 32 + 48) in the blocks, 32 of the pooler, 2 of the head. Norms: 5 of 2 x 32."""
    assert 14_336 + 450 + 4_160 + 1_088 + 320 == 20_354
    assert scope_text(tiny_models.classifier("bert"), "small") == (
        "small: BertForSequenceClassification, blocks: 2 x BertLayer in bert.encoder.layer\n"
        "\n"
        "pruned\n"
        "  bert.encoder.layer.*.attention.self.query.weight    32 x 32  x 2  2,048\n"
        "  bert.encoder.layer.*.attention.self.key.weight      32 x 32  x 2  2,048\n"
        "  bert.encoder.layer.*.attention.self.value.weight    32 x 32  x 2  2,048\n"
        "  bert.encoder.layer.*.attention.output.dense.weight  32 x 32  x 2  2,048\n"
        "  bert.encoder.layer.*.intermediate.dense.weight      48 x 32  x 2  3,072\n"
        "  bert.encoder.layer.*.output.dense.weight            32 x 48  x 2  3,072\n"
        "  total: 12 matrices, 14,336 weights, 70.4 % of 20,354\n"
        "\n"
        "left dense by design\n"
        "  biases of linear layers: 450\n"
        "  embeddings: 4,160 (bert.embeddings.word_embeddings.weight 64 x 32, "
        "bert.embeddings.position_embeddings.weight 64 x 32, bert.embeddings.token_type_embeddings.weight 2 x 32)\n"
        "  heads, poolers and projections outside the blocks: 1,088 (bert.pooler.dense.weight 32 x 32, "
        "classifier.weight 2 x 32)\n"
        "  norms and other vectors: 320"
    )


def test_transposed_and_tied_weights():
    """GPT-2 stores (in, out), and its head is the table of words: 24,576 in blocks, 4,096 in tables, 576 + 320."""
    text = scope_text(tiny_models.causal("gpt2"), "gpt2")
    assert "  transformer.h.*.mlp.c_fc.weight     128 x 32  x 2  8,192\n" in text
    assert "  total: 8 matrices, 24,576 weights, 83.1 % of 29,568\n" in text
    assert text.endswith("  lm_head.weight is transformer.wte.weight (tied), counted once")


def test_head_and_embeddings_on_request():
    model = tiny_models.classifier("deberta")
    lines = scope_text(model, "d", prune_head=True, embeddings=True).splitlines()
    pruned = [line.split()[0] for line in lines[3 : lines.index("left dense by design") - 2]]
    assert pruned[-5:] == [
        "deberta.embeddings.word_embeddings.weight",
        "deberta.embeddings.position_embeddings.weight",
        "deberta.encoder.rel_embeddings.weight",
        "pooler.dense.weight",
        "classifier.weight",
    ]
    assert [line.split(":")[0] for line in lines[-2:]] == ["  biases of linear layers", "  norms and other vectors"]
    with pytest.raises(UserError, match="A model without a task head has none to prune"):
        scope_text(tiny_models.plain("deberta"), "d", prune_head=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_values_gives_the_same_page(family, tmp_path):
    FAMILIES[family][0].save_pretrained(tmp_path)
    for kind in ("decoder" if family in tiny_models.DECODERS else "encoder", "classifier"):
        empty = empty_model(tmp_path, kind)
        assert all(parameter.is_meta for parameter in empty.parameters())
        for embeddings in (False, True):
            loaded = scope_text(KINDS[kind](family), "name", embeddings=embeddings)
            assert scope_text(empty, "name", embeddings=embeddings) == loaded


def test_configurations_that_make_no_such_model(tmp_path):
    with pytest.raises(UserError, match=r"config\.json does not describe a model of kind encoder"):
        empty_model(tmp_path, "encoder")
    FAMILIES["deberta"][0].save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"'deberta', for which .* has no language-model head\. Set `kind: encoder`"):
        empty_model(tmp_path, "decoder")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no such type"}))
    with pytest.raises(UserError, match="no such type"):
        empty_model(tmp_path, "encoder")
