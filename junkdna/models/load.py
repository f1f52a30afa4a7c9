"""Load the model of a model folder: encoder, decoder, or classifier with a seeded, untrained head."""

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
    "%s: a %s is causal (each token sees only earlier tokens), but the study sets `kind: encoder`. The mean of its "
    "hidden states is a poor sentence embedding. Use `kind: decoder`, which scores by likelihood."
)


def load_plain(folder: Path, kind: str, dtype: str = "float32") -> nn.Module:
    """The pre-trained model without a task head (`kind` encoder) or with its language-model head (decoder).

    In `dtype` ("float32" or "bfloat16"), eval mode, from safetensors only, without remote code.

    Raises UserError for a model that `kind` does not support (`load_checks.check_architecture`), for missing or extra
    weights (except an encoder's pooler, which is never used), and for a decoder whose tokens see later tokens, because
    it gives no text probabilities. Logs a warning for an encoder whose tokens do not see later tokens.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    loader = AutoModelForCausalLM if kind == "decoder" else AutoModel
    config = _config(folder)
    model, _ = _load(loader, folder, kind, config, dtype)
    _check_direction(folder, kind, model)
    return model


def _check_direction(folder: Path, kind: str, model: nn.Module) -> None:
    try:
        both_ways = sees_later_tokens(model)
    except Exception as error:
        raise UserError(f"{folder}: the model does not run on a row of token ids: {cause(error)}.") from error
    if both_ways and kind == "decoder":
        raise UserError(
            f"{folder}: the {type(model).__name__} of config.json attends in both directions: its prediction "
            "of a token depends on later tokens, so it gives no log-likelihoods. Set `kind: encoder` for this model in "
            "the study, or name a causal model (GPT, Llama)."
        )
    if both_ways is False and kind == "encoder":
        log.warning(CAUSAL_ENCODER, folder, type(model).__name__)


def cast(model: nn.Module, dtype: str) -> nn.Module:
    """Casts a model's parameters to `dtype` ("float32" or "bfloat16") in place, for scoring; returns the model.

    Call it after compression, which works on the weights as loaded. Buffers do not change, nor do the parameters that
    the architecture keeps in float32, as if transformers had loaded the checkpoint in bfloat16. (`Module.to` would also
    cast rotary frequencies, which shifts distant positions by more than a token.)
    """
    kept = tuple(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and not any(pattern in name for pattern in kept):
            parameter.data = parameter.data.to(getattr(torch, dtype))
    return model


def load_classifier(folder: Path, outputs: int, head_key: tuple) -> tuple[nn.Module, list[str]]:
    """A sequence classifier on the pre-trained model, and the names of its head's parameters.

    `outputs` is the number of classes, or 1 for a number (regression, the score of a query and an option). Labels in
    the checkpoint's configuration are ignored.

    The head consists of the parameters that the checkpoint lacks (outside the pre-trained body, and the pooler). They
    are initialized with a generator seeded from `head_key` only, so they are equal for every compression and transfer
    mode of a seed: matrices from normal(0, initializer_range), biases 0, norm scales 1.

    Raises UserError as `load_plain` does, and for a checkpoint that already has a task head of any name or size.
    """
    from transformers import AutoModelForSequenceClassification

    config = _config(folder)
    config.problem_type = None  # of an earlier fine-tuning: some values do not allow a single output
    config.num_labels = outputs
    model, info = _load(AutoModelForSequenceClassification, folder, "classifier", config)
    refuse_head(folder, model, info)
    head = sorted(info["missing_keys"])
    generator = torch.Generator().manual_seed(seed_for("head_init", *head_key))
    std = getattr(model.config, "initializer_range", 0.02)
    with torch.no_grad():
        for name in head:
            parameter = model.get_parameter(name)
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
            else:
                parameter.fill_(0 if name.endswith("bias") else 1)
    model.config.pad_token_id = _pad_token(model.config)
    return model, head


def _config(folder: Path) -> object:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # transformers raises many types for an invalid file
        raise UserError(
            f"{folder}: the model cannot be loaded, because transformers {version('transformers')} rejects its "
            f"config.json: {cause(error)} Use the config.json of these weights, or another version of transformers."
        ) from error


def _pad_token(config: object) -> int:
    """The id that pads a classifier's rows; the end-of-text token if the model has no padding token.

    Decoders take the last token that is not padding as the end of a row, so the padding must not occur in texts.
    """
    end = getattr(config, "eos_token_id", None)
    candidates = [getattr(config, "pad_token_id", None), *(end if isinstance(end, list) else [end]), 0]
    return next(token for token in candidates if token is not None and token >= 0)


def _load(loader: type, folder: Path, kind: str, config: object, dtype: str = "float32") -> tuple[nn.Module, dict]:
    """The checked model and transformers' loading info: names of missing, unexpected and mismatched weights."""
    from transformers.utils import logging

    check_architecture(folder, kind, config)
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # no report of untrained head weights: they are initialized later, on purpose
    options = {"output_loading_info": True, "trust_remote_code": False, "use_safetensors": True}
    options["ignore_mismatched_sizes"] = True  # `check_loaded` names them
    try:
        with torch.random.fork_rng(devices=[]):  # transformers initializes missing weights from the global generator
            model, info = loader.from_pretrained(folder, config=config, dtype=getattr(torch, dtype), **options)
    except MemoryError:
        raise
    except Exception as error:  # transformers and safetensors raise many types
        raise UserError(
            f"{folder}: the model cannot be loaded from its config.json and safetensors files: {cause(error)} "
            "Copy or download them again, or save the model again with save_pretrained."
        ) from error
    check_loaded(folder, kind, model, info)
    return model.eval(), info


def check_finite(model: nn.Module, folder: Path) -> None:
    """Raises UserError naming the first weight that contains NaN or infinity."""
    for name, parameter in model.named_parameters():
        if not math.isfinite(float(parameter.detach().sum())):
            raise UserError(
                f"{folder}: weight {name} contains NaN or infinity. Download the checkpoint again or use another."
            )
