"""What a loaded model's forward pass does, asked of the model itself with a few tokens: who influences whose output.

The influence of a token is the gradient of an output with respect to that token's embedding. Attention that is masked
gives exactly 0, in every dtype and however small the weights are; a comparison of two outputs could not tell a small
leak from rounding. Every probe leaves the model, its gradients and the generators as they were.

Shapes: B rows, T tokens.
"""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

TOKENS = 6
FEWEST = 128  # ids that every model without a stated vocabulary knows
NOISE = 1e-9  # of the largest influence: what sums that cancel may leave behind


def sees_later_tokens(model: nn.Module) -> bool | None:
    """Whether the output of a token depends on a token after it, in one row without padding; None for a model whose
    outputs are not finite.

    `model` returns `logits` or a `last_hidden_state` of one vector per token. Where it has no gradients to ask (an
    in-place operation, a kernel without a backward pass) two outputs are compared, which sees larger leaks only.
    """
    first = probe_tokens(model, TOKENS)
    half = TOKENS // 2
    with undisturbed(model):
        found = influence(model, torch.tensor([first]), None, half)
        if found is not None:
            return bool(found[0, half:].max() > NOISE * found.max())
        other = first[:half] + first[half:][::-1]
        one, two = (outputs(model, torch.tensor([row]))[0].float() for row in (first, other))
    change = (one - two).abs()
    if not torch.isfinite(change).all():
        return None
    return bool(change[:half].max() > 20 * torch.finfo(next(model.parameters()).dtype).eps * change[half:].max())


def influence(model: nn.Module, ids: Tensor, mask: Tensor | None, tokens: int) -> Tensor | None:
    """How much every token (B, T) moves the outputs of row 0: of its first `tokens` tokens, or of the row as a whole
    where the model gives one output a row. None where no gradient reaches the embeddings."""
    found: list[Tensor] = []

    def note(_: nn.Module, __: tuple, embedded: Tensor) -> Tensor | None:
        if found or not isinstance(embedded, Tensor) or embedded.shape[:2] not in (ids.shape, ids.t().shape):
            return None
        found.append(embedded.detach().requires_grad_(True))
        return found[0].clone()  # models may write to their embeddings

    try:
        handle = model.get_input_embeddings().register_forward_hook(note)
    except (AttributeError, NotImplementedError):
        return None
    try:
        with torch.enable_grad():
            out = outputs(model, ids, mask)[0]
            part = (out[:tokens] if out.ndim > 1 else out).float()
            mixed = torch.cos(torch.arange(part.numel(), device=part.device)).view_as(part)  # a plain sum may be 0
            (gradient,) = torch.autograd.grad((part * mixed).sum(), found) if found else (None,)
    except RuntimeError:
        return None
    finally:
        handle.remove()
    if gradient is None:
        return None
    sizes = gradient.float().abs().amax(-1)
    sizes = sizes if sizes.shape == ids.shape else sizes.t()  # XLNet runs tokens x rows
    return sizes if math.isfinite(float(sizes.sum())) else None


def outputs(model: nn.Module, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    """`logits`, or the last hidden states of a model without a head; a mask of ones where none is given."""
    device = next(model.parameters()).device
    mask = torch.ones_like(ids) if mask is None else mask
    cached = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
    found = model(input_ids=ids.to(device), attention_mask=mask.to(device), **cached)
    return found.logits if hasattr(found, "logits") else found.last_hidden_state


def probe_tokens(model: nn.Module, number: int) -> list[int]:
    """Different token ids from all over the vocabulary, without the special ones that the configuration names."""
    config = model.config.get_text_config()
    special = {getattr(config, f"{name}_token_id", None) for name in ("pad", "bos", "eos", "sep", "cls", "mask")}
    special = {token for token in special if isinstance(token, int)}
    vocabulary = getattr(config, "vocab_size", None) or FEWEST  # CANINE reads code points and states none
    usable = [token for token in range(vocabulary) if token not in special]
    return [usable[len(usable) * (place + 1) // (number + 1)] for place in range(number)]


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; modes and generators are then as they were."""
    flags = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    model.eval()
    try:
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            torch.inference_mode(False),  # its tensors could not be used for gradients
            torch.no_grad(),
        ):
            yield
    finally:
        for module, training in flags:
            module.training = training
