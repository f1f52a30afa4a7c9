"""A model with shapes but without values, for questions about its structure. Reads no weights."""

from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError, cause

if TYPE_CHECKING:
    from torch import nn

LOADERS = {
    "encoder": "AutoModel",
    "decoder": "AutoModelForCausalLM",
    "classifier": "AutoModelForSequenceClassification",
}


def empty_model(folder: Path, kind: str) -> "nn.Module":
    """The model that `config.json` in `folder` describes, with shapes but without values.

    `kind` is encoder (no head), decoder (with its language-model head) or classifier (with the number of classes in the
    configuration). Runs no remote code. Raises UserError if the configuration does not describe such a model.
    """
    import torch
    import transformers

    from junkdna.models.load_checks import check_architecture

    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for a wrong file
        raise UserError(
            f"{folder}: its config.json does not describe a model of kind {kind}: {cause(error)}"
        ) from error
    check_architecture(folder, kind, config)
    with torch.device("meta"):
        return getattr(transformers, LOADERS[kind]).from_config(config, trust_remote_code=False)
