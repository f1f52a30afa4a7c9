"""Model directories into models: encoder, decoder, or a classifier with a seeded, untrained head."""

import math
from pathlib import Path

import torch
from torch import nn

from junkdna.errors import UserError
from junkdna.seeds import seed_for


def load_plain(folder: Path, kind: str, dtype: str = "float32") -> nn.Module:
    """The pre-trained model without a task head (`kind` encoder) or with its language-model head (decoder).

    In `dtype` ("float32" or "bfloat16"), eval mode, safetensors only, no remote code. Raises UserError when the weights
    do not fill the model (a parameter of the model that the checkpoint lacks), except for an encoder's pooler, which
    nothing here uses.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    loader = AutoModelForCausalLM if kind == "decoder" else AutoModel
    model, info = _load(loader, folder, dtype)
    _refuse_missing(folder, kind, info["missing_keys"])
    return model


def cast(model: nn.Module, dtype: str) -> nn.Module:
    """The same model with its parameters in `dtype` ("float32" or "bfloat16"), for scoring; changed in place.

    Compression works on the weights as they were loaded, so this comes after it. Buffers stay as they are, and so do
    the parameters that the architecture asks to keep in float32, as when transformers loads a checkpoint in bfloat16
    (rotary frequencies in bfloat16, which `Module.to` makes, shift far positions by whole tokens).
    """
    kept = tuple(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and not any(part in name for part in kept):
            parameter.data = parameter.data.to(getattr(torch, dtype))
    return model


def load_classifier(folder: Path, outputs: int, head_key: tuple) -> tuple[nn.Module, list[str]]:
    """A sequence classifier on the pre-trained model, and the names of its head's parameters.

    `outputs` is the number of classes, or 1 for a number (regression, the score of a query and an option). What the
    checkpoint says of labels of its own is passed over.

    The head (the parameters outside the pre-trained body, and its pooler, that the checkpoint lacks) is drawn anew:
    matrices from normal(0, initializer_range), biases 0, scales of norms 1, with a generator made from `head_key`
    only: equal for every compression and transfer mode of one seed. Raises UserError when weights of the body lack.
    """
    from transformers import AutoModelForSequenceClassification

    model, info = _load(AutoModelForSequenceClassification, folder, config=_classifier_config(folder, outputs))
    head = sorted(info["missing_keys"])
    body = f"{model.base_model_prefix}."
    _refuse_missing(folder, "classifier", [name for name in head if name.startswith(body)])
    if not head:
        raise UserError(
            f"{folder}: the checkpoint already holds a classification head; give the plain pre-trained model."
        )
    generator = torch.Generator().manual_seed(seed_for("head_init", *head_key))
    std = getattr(model.config, "initializer_range", 0.02)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in head:
            if parameters[name].ndim > 1:
                parameters[name].copy_(torch.randn(parameters[name].shape, generator=generator) * std)
            else:
                parameters[name].fill_(0 if name.endswith("bias") else 1)
    model.config.pad_token_id = _pad_token(model.config)
    return model, head


def _classifier_config(folder: Path, outputs: int) -> object:
    """The checkpoint's configuration with labels 0 to `outputs` - 1. A `problem_type` left by an earlier fine-tuning
    goes: transformers refuses one output under some, and losses are computed from the logits here."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: the model cannot be loaded: {error}") from error
    config.problem_type = None
    config.num_labels = outputs
    return config


def _refuse_missing(folder: Path, kind: str, names: list[str]) -> None:
    missing = [name for name in sorted(names) if "pooler" not in name]
    if missing:
        shown = ", ".join([*missing[:3], *(["..."] if len(missing) > 3 else [])])
        raise UserError(
            f"{folder}: the checkpoint lacks {len(missing)} weights that a {kind} needs ({shown}); "
            f"check the study's `kind` of this model, or the checkpoint."
        )


def _pad_token(config: object) -> int:
    """The id that pads a classifier's rows: decoders take the last token that is another one as a row's end, so it
    must not be a word of the text. Where a model has none it is the end-of-text token."""
    end = getattr(config, "eos_token_id", None)
    candidates = [getattr(config, "pad_token_id", None), *(end if isinstance(end, list) else [end]), 0]
    return next(token for token in candidates if token is not None and token >= 0)


def _load(loader: type, folder: Path, dtype: str = "float32", **extra: object) -> tuple[nn.Module, dict]:
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # the report of untrained head weights: they are drawn anew below, on purpose
    options = {"output_loading_info": True, "trust_remote_code": False, "use_safetensors": True}
    try:
        with torch.random.fork_rng(devices=[]):  # transformers draws what the checkpoint lacks from the global state
            model, info = loader.from_pretrained(folder, dtype=getattr(torch, dtype), **options, **extra)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{folder}: the model cannot be loaded: {error}") from error
    return model.eval(), info


def pad(rows: list[list[int]], device: str, token: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids (B, T) and attention mask (B, T) of rows of token ids. Padding is `token` under a zero mask."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [token] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids.to(device), mask.to(device)


def length_batches(lengths: list[int], tokens: int = 2048) -> list[list[int]]:
    """Positions grouped so that rows of a batch have like lengths and rows x longest stays within `tokens`.

    2,048 tokens keep the activations of a small encoder in a CPU core's cache; larger batches were not faster.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    batches: list[list[int]] = []
    for i in order:
        if batches and (len(batches[-1]) + 1) * lengths[i] <= max(tokens, lengths[i]):
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def check_finite(model: nn.Module, folder: Path) -> None:
    """UserError naming the first weight that is not finite."""
    for name, parameter in model.named_parameters():
        if not math.isfinite(float(parameter.detach().sum())):
            raise UserError(f"{folder}: weight {name} holds NaN or infinity; the checkpoint is broken.")
