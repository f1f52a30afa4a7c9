"""Probe a loaded model with a few tokens: which tokens influence which outputs.

The influence of a token is the gradient of an output with respect to that token's embedding. Masked attention gives
exactly 0, in every dtype and for weights of any size; comparing two outputs could not distinguish a small leak from
rounding. Probes do not change the model, its gradients or random generators.

Shapes: B rows, T tokens.
"""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

TOKENS = 6
MIN_VOCABULARY = 128  # ids that every model without a vocab_size accepts
NOISE = 1e-9  # relative to the largest influence: the remainder of sums that cancel


def sees_later_tokens(model: nn.Module) -> bool | None:
    """Whether the output of a token depends on later tokens, in one row without padding.

    None for a model whose outputs are not finite. `model` returns `logits` or a `last_hidden_state` with one vector per
    token. If it has no gradients (in-place operations, kernels without a backward pass), two outputs are compared,
    which detects only larger leaks.
    """
    first = probe_tokens(model, TOKENS)
    half = TOKENS // 2
    with undisturbed(model):
        influences = influence(model, torch.tensor([first]), None, half)
        if influences is not None:
            return bool(influences[0, half:].max() > NOISE * influences.max())
        other = first[:half] + first[half:][::-1]
        one, two = (outputs(model, torch.tensor([row]))[0].float() for row in (first, other))
    change = (one - two).abs()
    if not torch.isfinite(change).all():
        return None
    return bool(change[:half].max() > 20 * torch.finfo(next(model.parameters()).dtype).eps * change[half:].max())


def influence(model: nn.Module, ids: Tensor, mask: Tensor | None, tokens: int) -> Tensor | None:
    """Influence (B, T) of every token on the outputs of row 0.

    These are the outputs of its first `tokens` tokens, or of the row if the model has one output per row. None if no
    gradient reaches the embeddings.
    """
    inputs: list[Tensor] = []

    def record(_: nn.Module, __: tuple, embedded: Tensor) -> Tensor | None:
        if inputs or not isinstance(embedded, Tensor) or embedded.shape[:2] not in (ids.shape, ids.t().shape):
            return None
        inputs.append(embedded.detach().requires_grad_(True))
        return inputs[0].clone()  # models may modify their embeddings in place

    try:
        handle = model.get_input_embeddings().register_forward_hook(record)
    except (AttributeError, NotImplementedError):
        return None
    try:
        with torch.enable_grad():
            out = outputs(model, ids, mask)[0]
            out = (out[:tokens] if out.ndim > 1 else out).float()
            factors = torch.cos(torch.arange(out.numel(), device=out.device)).view_as(out)  # a plain sum may be 0
            (gradient,) = torch.autograd.grad((out * factors).sum(), inputs) if inputs else (None,)
    except RuntimeError:
        return None
    finally:
        handle.remove()
    if gradient is None:
        return None
    sizes = gradient.float().abs().amax(-1)
    sizes = sizes if sizes.shape == ids.shape else sizes.t()  # XLNet uses tokens x rows
    return sizes if math.isfinite(float(sizes.sum())) else None


def outputs(model: nn.Module, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """The model's `logits`, or the last hidden states of a model without a head. The default mask is all ones."""
    device = next(model.parameters()).device
    mask = torch.ones_like(ids) if mask is None else mask
    no_cache = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
    output = model(input_ids=ids.to(device), attention_mask=mask.to(device), **no_cache)
    return output.logits if hasattr(output, "logits") else output.last_hidden_state


def probe_tokens(model: nn.Module, number: int) -> list[int]:
    """`number` different token ids spread over the vocabulary, without the special tokens of the configuration."""
    config = model.config.get_text_config()
    special = {getattr(config, f"{name}_token_id", None) for name in ("pad", "bos", "eos", "sep", "cls", "mask")}
    special = {token for token in special if isinstance(token, int)}
    vocabulary = getattr(config, "vocab_size", None) or MIN_VOCABULARY  # CANINE reads code points and has none
    usable = [token for token in range(vocabulary) if token not in special]
    return [usable[len(usable) * (i + 1) // (number + 1)] for i in range(number)]


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; restores training modes and random generators at the end."""
    flags = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    model.eval()
    try:
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            torch.inference_mode(False),  # inference tensors cannot be used for gradients
            torch.no_grad(),
        ):
            yield
    finally:
        for module, training in flags:
            module.training = training
