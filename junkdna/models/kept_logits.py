"""Whether a language model computes logits of chosen positions alone, other positions in every row of a batch.

Transformers' argument `logits_to_keep` takes positions (rows, n) in many architectures. Some lack the argument or take
the same positions for all rows only, so the model is asked once, with a few tokens.
"""

import inspect
from weakref import WeakKeyDictionary

import torch
from torch import nn

from junkdna.models.probes import outputs, probe_tokens, undisturbed

_kept: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def keeps_positions(model: nn.Module) -> bool:
    """Whether `logits_to_keep` with positions (rows, n) gives the logits (rows, n, vocabulary) of these positions.
    Tested once per model, then cached."""
    if model not in _kept:
        _kept[model] = "logits_to_keep" in inspect.signature(model.forward).parameters and _tested(model)
    return _kept[model]


def _tested(model: nn.Module) -> bool:
    device = next(model.parameters()).device
    ids = torch.tensor(probe_tokens(model, 6), device=device).view(2, 3)
    positions = torch.tensor([[0, 2], [1, 1]], device=device)
    with undisturbed(model):
        wanted = outputs(model, ids).take_along_dim(positions[..., None], dim=1)
        try:
            kept = model(input_ids=ids, attention_mask=torch.ones_like(ids), logits_to_keep=positions).logits
        except (IndexError, RuntimeError, TypeError, ValueError):
            return False
    return kept.shape == wanted.shape and torch.allclose(kept, wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max()))
