"""Checks before and after weights are loaded: the kind of model, and whether the checkpoint fits it exactly."""

import inspect
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from torch import nn

from junkdna.errors import UserError

# Names of buffers in checkpoints of old releases.
BUFFERS = ("masked_bias", "attn.bias", "attention.bias", "causal_mask", "inv_freq", "position_ids")
TASK_HEADS = (
    "classifier", "classification_head", "score", "out_proj", "logits_proj", "qa_outputs", "multiple_choice_head",
    "sequence_summary", "regressor",
)  # fmt: skip
HEADS = {"encoder": "no encoder", "decoder": "no language-model head", "classifier": "no sequence classifier"}


def check_architecture(folder: Path, kind: str, config: object) -> None:
    """Raises UserError for a configuration that `kind` (encoder, decoder, classifier) does not support.

    Not supported: architectures without such a model in transformers; encoder-decoders (T5, BART), because it would be
    unclear which half to score and compress; models of images or audio in addition to text, because compression would
    include their other weights; and BigBird's sparse attention, whose pattern depends on earlier rows.
    """
    import transformers

    mappings = {
        "encoder": transformers.MODEL_MAPPING,
        "decoder": transformers.MODEL_FOR_CAUSAL_LM_MAPPING,
        "classifier": transformers.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    }
    prefix = f"{folder}: config.json has model_type {config.model_type!r}"
    if getattr(config, "is_encoder_decoder", False):
        raise _encoder_decoder(prefix)
    if config.get_text_config() is not config:
        raise UserError(
            f"{prefix}, which reads more than text ({', '.join(sorted(config.sub_configs)) or 'several models'}). "
            "Only text models are supported: save its language model as a separate checkpoint and name that."
        )
    if type(config) not in mappings[kind]:
        other = {"encoder": "decoder", "decoder": "encoder"}.get(kind)
        fix = "Use transfer: none, or another model"
        if other:
            fix = f"Set `kind: {other}`" if type(config) in mappings[other] else "Use another model"
        raise UserError(f"{prefix}, for which transformers {version('transformers')} has {HEADS[kind]}. {fix}.")
    model_class = mappings[kind][type(config)]
    model_class = model_class[0] if isinstance(model_class, tuple) else model_class
    accepted = inspect.signature(model_class.forward).parameters
    if "decoder_input_ids" in accepted:
        raise _encoder_decoder(prefix)
    if "input_ids" not in accepted:
        raise UserError(f"{prefix}, which reads no text tokens (input_ids). Use a language model.")
    if getattr(config, "attention_type", None) == "block_sparse":
        raise UserError(
            f"{prefix} with attention_type block_sparse: its attention is full for short batches and sparse with"
            " random blocks for long ones, so scores would depend on other rows. Set"
            ' `"attention_type": "original_full"` in config.json.'
        )


def _encoder_decoder(prefix: str) -> UserError:
    return UserError(
        f"{prefix}, an encoder-decoder, which no `kind` supports. Use an encoder-only model (`kind: encoder`, such as "
        "BERT) or a decoder-only model (`kind: decoder`, such as GPT)."
    )


def check_loaded(folder: Path, kind: str, model: nn.Module, info: dict) -> None:
    """Raises UserError if the checkpoint's weights are not exactly those of the model's body (and a decoder's head).

    `info` is transformers' loading info. The pooler is ignored, because it is never used, and so are other heads.
    """
    prefix = f"{model.base_model_prefix}." if kind == "classifier" else ""
    if missing := [name for name in sorted(info["missing_keys"]) if name.startswith(prefix) and "pooler" not in name]:
        needs = f"that {'an' if kind == 'encoder' else 'a'} {kind} needs"
        raise UserError(
            f"{folder}: the checkpoint lacks {len(missing)} weights {needs} ({_some(missing)}). "
            "Check this model's `kind` in the study, and the checkpoint."
        )
    if mismatched := sorted(entry for entry in info["mismatched_keys"] if entry[0].startswith(prefix)):
        name, stored, configured = mismatched[0]
        raise UserError(
            f"{folder}: {len(mismatched)} weights have other shapes than config.json describes: {name} is "
            f"{_shape(stored)} in the checkpoint and {_shape(configured)} in config.json. They belong to different "
            "models: use the config.json of these weights."
        )
    if unused := [name for name in sorted(info["unexpected_keys"]) if _in_body(model, name)]:
        raise UserError(
            f"{folder}: the checkpoint has {len(unused)} weights ({_some(unused)}) that the {model.config.model_type} "
            "of config.json does not have, so they would be ignored. Use the config.json of these weights (number of "
            "layers, biases)."
        )


def refuse_head(folder: Path, model: nn.Module, info: dict) -> None:
    """Raises UserError if a checkpoint has the head of a task, because its body was then fine-tuned too.

    Heads of pre-training (masked words, next sentence, replaced tokens) are allowed.
    """
    body = f"{model.base_model_prefix}."
    outside = [name for name, _ in model.named_parameters() if not name.startswith(body)]
    loaded = {*outside} - {*info["missing_keys"]}
    heads = sorted({name for name in (*loaded, *info["unexpected_keys"]) if name.partition(".")[0] in TASK_HEADS})
    shapes = [f"{name} of shape {_shape(stored)}" for name, stored, _ in sorted(info["mismatched_keys"])]
    if heads or shapes or not {*outside} & {*info["missing_keys"]}:
        raise UserError(
            f"{folder}: the checkpoint already has a classification head ({_some(shapes or heads or outside)}), so it "
            "was fine-tuned on a task. Use the pre-trained model."
        )


def _in_body(model: nn.Module, name: str) -> bool:
    """Whether a name in the checkpoint is a weight of the pre-trained body; buffers do not count."""
    body = getattr(model, model.base_model_prefix, model)
    first = name.removeprefix(f"{model.base_model_prefix}.").partition(".")[0]
    inside = first in dict(body.named_children()) and "pooler" not in name
    return inside and name.endswith(("weight", "bias")) and not name.endswith(BUFFERS)


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


def _some(names: list[str]) -> str:
    return ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])
