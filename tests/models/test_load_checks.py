"""Messages for checkpoints that do not fit their model and for models that their kind does not support."""

import json
import logging
from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tiny_models import DECODER, WIDE

from junkdna.errors import UserError
from junkdna.models.load import load_classifier, load_plain

BERT = hf.BertConfig(**WIDE)
T5 = {"vocab_size": 32, "d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2}
BART = hf.BartConfig(
    vocab_size=64, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
    encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64,
)  # fmt: skip
KEY = ("tiny", "mood", 0)


@pytest.fixture
def saved(tmp_path: Path):
    def save(model: hf.PreTrainedModel) -> Path:
        model.save_pretrained(tmp_path)
        return tmp_path

    return save


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_masked_language_model_is_no_decoder(saved, dtype):
    folder = saved(hf.BertForMaskedLM(BERT))
    with pytest.raises(UserError, match=r"attends in both directions.*Set `kind: encoder`"):
        load_plain(folder, "decoder", dtype)
    load_plain(folder, "encoder", dtype)
    edit_config(folder, is_decoder=True)
    load_plain(folder, "decoder", dtype)


@pytest.mark.parametrize("model", [hf.T5Model, hf.T5EncoderModel, hf.T5ForConditionalGeneration])
@pytest.mark.parametrize("load", [lambda f: load_plain(f, "encoder"), lambda f: load_classifier(f, 2, KEY)])
def test_encoder_decoders_are_refused(saved, model, load):
    folder = saved(model(hf.T5Config(**T5)))
    with pytest.raises(UserError, match=r"'t5', an encoder-decoder, which no `kind` supports"):
        load(folder)
    with pytest.raises(UserError, match=r"encoder-decoder|no language-model head"):
        load_plain(folder, "decoder")


def test_bart_is_a_decoder_only_if_saved_as_one(saved):
    folder = saved(hf.BartModel(BART))
    for kind in ("encoder", "decoder"):
        with pytest.raises(UserError, match="an encoder-decoder, which no `kind` supports"):
            load_plain(folder, kind)
    load_plain(saved(hf.BartForCausalLM(BART)), "decoder")


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        (hf.DistilBertConfig(vocab_size=64, dim=32, n_layers=1, n_heads=2, hidden_dim=48), "decoder",
         r"'distilbert', for which transformers [\d.]+ has no language-model head\. Set `kind: encoder`"),
        (hf.FNetConfig(**WIDE), "decoder", r"'fnet'.*no language-model head\. Set `kind: encoder`"),
        (hf.ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2), "encoder", "reads no text tokens"),
        (hf.CLIPConfig(), "encoder", "'clip', which reads more than text"),
        (hf.BigBirdConfig(**WIDE), "encoder", r'random blocks.*"attention_type": "original_full"'),
    ],
)  # fmt: skip
def test_configurations_that_a_kind_does_not_serve(tmp_path, config, kind, message):
    """Refused before any weight is read: the folder has none."""
    config.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load_plain(tmp_path, kind)
    assert "Config," not in str(caught.value), "a list of all architectures"
    assert len(str(caught.value)) < 600


def test_a_mamba_has_no_classifier(tmp_path):
    hf.MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"'mamba'.*no sequence classifier\. Use transfer: none"):
        load_classifier(tmp_path, 2, KEY)


def test_a_causal_encoder_gives_a_warning(saved, caplog):
    folder = saved(hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER)))
    with caplog.at_level(logging.WARNING):
        load_plain(folder, "decoder")
        assert not caplog.records
        load_plain(folder, "encoder")
    assert "LlamaModel is causal" in caplog.text
    assert "`kind: decoder`, which scores by likelihood" in caplog.text


# --- heads ------------------------------------------------------------------------------------------------------------

HEADS = {
    "as many classes": lambda: hf.BertForSequenceClassification(hf.BertConfig(**WIDE, num_labels=2)),
    "other classes": lambda: hf.BertForSequenceClassification(hf.BertConfig(**WIDE, num_labels=3)),
    "words' classes": lambda: hf.BertForTokenClassification(hf.BertConfig(**WIDE, num_labels=2)),
    "other words' classes": lambda: hf.BertForTokenClassification(hf.BertConfig(**WIDE, num_labels=5)),
    "answers": lambda: hf.BertForQuestionAnswering(BERT),
    "choices": lambda: hf.BertForMultipleChoice(BERT),
    "words' classes of RoBERTa": lambda: hf.RobertaForTokenClassification(hf.RobertaConfig(**WIDE, pad_token_id=1)),
    "classes of RoBERTa": lambda: hf.RobertaForSequenceClassification(hf.RobertaConfig(**WIDE, num_labels=4)),
    "classes of a decoder": lambda: hf.GPT2ForSequenceClassification(
        hf.GPT2Config(n_embd=32, n_layer=1, n_head=2, n_positions=64, vocab_size=64, num_labels=3, pad_token_id=0)
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_checkpoint_with_the_head_of_a_task_is_refused(saved, name):
    with pytest.raises(UserError, match=r"already has a classification head \(.*(classifier|score|qa_outputs)\."):
        load_classifier(saved(HEADS[name]()), 2, KEY)


@pytest.mark.parametrize(
    "model", [hf.BertForPreTraining, hf.BertForMaskedLM, hf.BertForNextSentencePrediction, hf.BertModel]
)
def test_heads_of_pre_training_are_no_such_heads(saved, model):
    _, head = load_classifier(saved(model(BERT)), 2, KEY)
    assert {"classifier.weight", "classifier.bias"} <= {*head}


# --- weights ----------------------------------------------------------------------------------------------------------

LOADS = [lambda f: load_plain(f, "encoder"), lambda f: load_classifier(f, 2, KEY)]


@pytest.mark.parametrize("load", LOADS)
def test_shapes_that_config_does_not_describe_are_named(saved, load):
    folder = saved(hf.BertModel(BERT))
    edit_config(folder, intermediate_size=64)
    with pytest.raises(UserError, match=r"intermediate\.dense\.bias is 48 in the checkpoint and 64 in config\.json"):
        load(folder)


@pytest.mark.parametrize("load", LOADS)
def test_layers_that_config_does_not_describe_are_named(saved, load):
    folder = saved(hf.BertForMaskedLM(BERT))
    edit_config(folder, num_hidden_layers=1)
    with pytest.raises(UserError, match=r"has 16 weights \(bert\.encoder\.layer\.1\..*they would be ignored"):
        load(folder)


def test_biases_that_config_does_not_describe_are_named(saved):
    folder = saved(hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, attention_bias=True)))
    edit_config(folder, attention_bias=False)
    with pytest.raises(UserError, match=r"self_attn\.k_proj\.bias.*they would be ignored"):
        load_plain(folder, "decoder")


def test_buffers_of_older_releases_are_passed_over(saved):
    sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64, "vocab_size": 64}
    folder = saved(hf.GPT2LMHeadModel(hf.GPT2Config(**sizes)))
    old = {"h.0.attn.bias": torch.ones(1, 1, 64, 64), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    edit_weights(folder, lambda weights: weights.update({f"transformer.{name}": old[name] for name in old}))
    load_plain(folder, "decoder")


def test_tied_weights_need_one_of_their_two_names(saved):
    folder = saved(hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER, tie_word_embeddings=True)))
    load_plain(folder, "decoder")
    edit_weights(folder, lambda weights: weights.pop("model.embed_tokens.weight"))
    with pytest.raises(UserError, match=r"lacks 2 weights .*lm_head\.weight, model\.embed_tokens\.weight"):
        load_plain(folder, "decoder")


def test_a_head_that_is_not_tied_must_be_there(saved):
    folder = saved(hf.LlamaModel(hf.LlamaConfig(**DECODER)))
    with pytest.raises(UserError, match=r"lacks 1 weights that a decoder needs \(lm_head\.weight\)"):
        load_plain(folder, "decoder")


def test_a_prefix_before_all_names_is_refused(saved):
    folder = saved(hf.BertModel(BERT))
    weights = load_file(folder / "model.safetensors")
    save_file({f"module.{k}": v for k, v in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="lacks 37 weights"):
        load_plain(folder, "encoder")


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"model_type": "tomorrow"}', "rejects its config.json"), ('{"hidden_size": 8}', "rejects its")],
)
def test_configurations_that_transformers_rejects(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_plain(tmp_path, "encoder")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
