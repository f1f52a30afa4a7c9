"""Model directories into models: encoder, decoder, or a classifier with a seeded, untrained head."""

import logging
import math
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from junkdna.errors import UserError, cause
from junkdna.models.load_checks import check_architecture, check_loaded, refuse_head
from junkdna.models.probes import sees_later_tokens
from junkdna.seeds import seed_for

log = logging.getLogger(__name__)

CAUSAL_ENCODER = (
    "%s: a %s is causal (each token sees only the tokens before it), and the study gives it as `kind: encoder`. The "
    "mean of its hidden states is hardly the sentence embedding that is meant; `kind: decoder` scores by likelihood."
)


def load_plain(folder: Path, kind: str, dtype: str = "float32") -> nn.Module:
    """The pre-trained model without a task head (`kind` encoder) or with its language-model head (decoder).

    In `dtype` ("float32" or "bfloat16"), eval mode, safetensors only, no remote code. Raises UserError for a model that
    `kind` does not serve (`load_checks.check_architecture`), for weights that do not fill the model exactly, except
    for an encoder's pooler, which nothing here uses, and for a decoder whose tokens see the tokens after them: it gives
    no probability of a text. Logs a warning for an encoder whose tokens do not.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    loader = AutoModelForCausalLM if kind == "decoder" else AutoModel
    config = _config(folder)
    check_architecture(folder, kind, config)
    model, info = _load(loader, folder, config, dtype)
    check_loaded(folder, kind, model, info)
    _check_direction(folder, kind, model)
    return model


def _check_direction(folder: Path, kind: str, model: nn.Module) -> None:
    try:
        both_ways = sees_later_tokens(model)
    except Exception as error:
        raise UserError(f"{folder}: the model does not run on a row of token ids: {cause(error)}.") from error
    if both_ways and kind == "decoder":
        raise UserError(
            f"{folder}: a {type(model).__name__} as its config.json describes it reads a text in both directions: its "
            "prediction of a token depends on the tokens after it, so it gives no log-likelihoods. Set `kind: encoder` "
            "for this model in the study, or name a causal one (GPT, Llama)."
        )
    if both_ways is False and kind == "encoder":
        log.warning(CAUSAL_ENCODER, folder, type(model).__name__)


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
    only: equal for every compression and transfer mode of one seed. Raises UserError as `load_plain` does, and for a
    checkpoint that holds the head of a task already, whatever its name or number of classes.
    """
    from transformers import AutoModelForSequenceClassification

    config = _classifier_config(folder, outputs)
    check_architecture(folder, "classifier", config)
    model, info = _load(AutoModelForSequenceClassification, folder, config)
    check_loaded(folder, "classifier", model, info)
    refuse_head(folder, model, info)
    head = sorted(info["missing_keys"])
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
    config = _config(folder)
    config.problem_type = None
    config.num_labels = outputs
    return config


def _config(folder: Path) -> object:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # whatever transformers raises of what the file says
        raise UserError(
            f"{folder}: the model cannot be loaded, because transformers {version('transformers')} does not take its "
            f"config.json: {cause(error)} Bring the file that belongs to the weights, or a transformers that knows it."
        ) from error


def _pad_token(config: object) -> int:
    """The id that pads a classifier's rows: decoders take the last token that is another one as a row's end, so it
    must not be a word of the text. Where a model has none it is the end-of-text token."""
    end = getattr(config, "eos_token_id", None)
    candidates = [getattr(config, "pad_token_id", None), *(end if isinstance(end, list) else [end]), 0]
    return next(token for token in candidates if token is not None and token >= 0)


def _load(loader: type, folder: Path, config: object, dtype: str = "float32") -> tuple[nn.Module, dict]:
    """The model and transformers' loading info: names that are missing, unexpected, or of another shape."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # the report of untrained head weights: they are drawn anew below, on purpose
    options = {"output_loading_info": True, "trust_remote_code": False, "use_safetensors": True}
    options["ignore_mismatched_sizes"] = True  # they are refused by name
    try:
        with torch.random.fork_rng(devices=[]):  # transformers draws what the checkpoint lacks from the global state
            model, info = loader.from_pretrained(folder, config=config, dtype=getattr(torch, dtype), **options)
    except MemoryError:
        raise
    except Exception as error:  # of transformers and safetensors; the latter raises a class of its own
        raise UserError(
            f"{folder}: the model cannot be loaded from its config.json and safetensors files: {cause(error)} Bring "
            "them again, or save the model anew with save_pretrained."
        ) from error
    return model.eval(), info


def check_finite(model: nn.Module, folder: Path) -> None:
    """UserError naming the first weight that is not finite."""
    for name, parameter in model.named_parameters():
        if not math.isfinite(float(parameter.detach().sum())):
            raise UserError(f"{folder}: weight {name} holds NaN or infinity; the checkpoint is broken.")
