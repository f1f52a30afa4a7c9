"""What is refused around the loading of weights: models of the wrong kind, and checkpoints that do not fill them."""

import inspect
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from torch import nn

from junkdna.errors import UserError

BUFFERS = ("masked_bias", "attn.bias", "attention.bias", "causal_mask", "inv_freq", "position_ids")  # of older releases
TASK_HEADS = (
    "classifier", "classification_head", "score", "out_proj", "logits_proj", "qa_outputs", "multiple_choice_head",
    "sequence_summary", "regressor",
)  # fmt: skip
HEADS = {"encoder": "no encoder", "decoder": "no language-model head", "classifier": "no sequence classifier"}


def check_architecture(folder: Path, kind: str, config: object) -> None:
    """UserError for a configuration that `kind` (encoder, decoder, classifier) does not serve, saying which would.

    Refused are architectures without such a model in transformers; encoder-decoders (T5, BART), because a score and a
    compression would each need one of their two halves; models of images or sound beside text, whose other parts a
    compression would count in; and BigBird's sparse attention, whose pattern depends on the rows that ran before.
    """
    import transformers

    mappings = {
        "encoder": transformers.MODEL_MAPPING,
        "decoder": transformers.MODEL_FOR_CAUSAL_LM_MAPPING,
        "classifier": transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    }
    what = f"{folder}: config.json is of model_type {config.model_type!r}"
    if getattr(config, "is_encoder_decoder", False):
        raise _encoder_decoder(what)
    if config.get_text_config() is not config:
        raise UserError(
            f"{what}, which reads more than text ({', '.join(sorted(config.sub_configs)) or 'several parts'}). Only "
            "models of text alone are compressed and scored here: save its language model as a checkpoint of its own."
        )
    if type(config) not in mappings[kind]:
        other = {"encoder": "decoder", "decoder": "encoder"}.get(kind)
        fix = "Use transfer: none, or another model"
        if other:
            fix = f"Set `kind: {other}`" if type(config) in mappings[other] else "Use another model"
        raise UserError(f"{what}, for which transformers {version('transformers')} has {HEADS[kind]}. {fix}.")
    found = mappings[kind][type(config)]
    taken = inspect.signature((found[0] if isinstance(found, tuple) else found).forward).parameters
    if "decoder_input_ids" in taken:
        raise _encoder_decoder(what)
    if "input_ids" not in taken:
        raise UserError(f"{what}, which reads no text tokens (input_ids): use a language model.")
    if getattr(config, "attention_type", None) == "block_sparse":
        raise UserError(
            f"{what} with attention_type block_sparse: its attention is full for short batches and sparse with random "
            'blocks for long ones, so a score would depend on the rows beside it. Write `"attention_type": '
            '"original_full"` into config.json.'
        )


def _encoder_decoder(what: str) -> UserError:
    return UserError(
        f"{what}, an encoder-decoder, which no `kind` serves: use a model that is an encoder only (`kind: encoder`, "
        "BERT's family) or a decoder only (`kind: decoder`, GPT's)."
    )


def check_loaded(folder: Path, kind: str, model: nn.Module, info: dict) -> None:
    """UserError, with names, for a body that the checkpoint does not fill exactly. `info` is transformers' loading
    info. Not looked at: the pooler, which nothing uses, and everything outside the body but a decoder's head."""
    prefix = f"{model.base_model_prefix}." if kind == "classifier" else ""
    refuse_missing(folder, kind, [name for name in info["missing_keys"] if name.startswith(prefix)])
    wrong = sorted(found for found in info["mismatched_keys"] if found[0].startswith(prefix))
    if wrong:
        name, stored, asked = wrong[0]
        raise UserError(
            f"{folder}: {len(wrong)} weights have other shapes than config.json describes: {name} is "
            f"{_shape(stored)} in the checkpoint and {_shape(asked)} by config.json. The two are of different models: "
            "bring the config.json that belongs to the weights."
        )
    unused = [name for name in sorted(info["unexpected_keys"]) if _in_body(model, name)]
    if unused:
        raise UserError(
            f"{folder}: the checkpoint holds {len(unused)} weights ({_some(unused)}) that its config.json describes "
            f"no place for (a {model.config.model_type}): they would be left out. Bring the config.json that belongs "
            "to the weights (number of layers, biases)."
        )


def refuse_missing(folder: Path, kind: str, names: Iterable[str]) -> None:
    missing = [name for name in sorted(names) if "pooler" not in name]
    if missing:
        raise UserError(
            f"{folder}: the checkpoint lacks {len(missing)} weights that a {kind} needs ({_some(missing)}); "
            f"check the study's `kind` of this model, or the checkpoint."
        )


def refuse_head(folder: Path, model: nn.Module, info: dict) -> None:
    """UserError where a checkpoint holds the head of a task: its body is not a plain pre-trained one either.

    Heads of pre-training (masked words, next sentence, replaced tokens) are no such heads.
    """
    body = f"{model.base_model_prefix}."
    outside = [name for name, _ in model.named_parameters() if not name.startswith(body)]
    loaded = {*outside} - {*info["missing_keys"]}
    held = sorted({name for name in (*loaded, *info["unexpected_keys"]) if name.partition(".")[0] in TASK_HEADS})
    shapes = [f"{name} of shape {_shape(stored)}" for name, stored, _ in sorted(info["mismatched_keys"])]
    if held or shapes or not {*outside} & {*info["missing_keys"]}:
        raise UserError(
            f"{folder}: the checkpoint already holds a classification head ({_some(shapes or held or outside)}), so it "
            "was fine-tuned on a task; give the plain pre-trained model."
        )


def _in_body(model: nn.Module, name: str) -> bool:
    """Whether a name of the checkpoint is that of a weight inside the pre-trained body; buffers do not count."""
    body = getattr(model, model.base_model_prefix, model)
    first = name.removeprefix(f"{model.base_model_prefix}.").partition(".")[0]
    inside = first in dict(body.named_children()) and "pooler" not in name
    return inside and name.endswith(("weight", "bias")) and not name.endswith(BUFFERS)


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


def _some(names: list[str]) -> str:
    return ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])
