"""Whether the cells of a model can be trained as a stack, and the mode in which a stack runs a model."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.func import functional_call, vmap

from junkdna.models.batch_isolation import ANY, batch_rule
from junkdna.models.batching import pad
from junkdna.models.probes import probe_tokens, undisturbed
from junkdna.models.rotary import frequency_limit
from junkdna.train.finetune import autocast

OF_THE_GPU = "CUDA error"  # such as of a full or broken GPU; it says nothing about the model


def unstackable(model: nn.Module, precision: str) -> str:
    """Why the model's cells must be trained one by one in this precision: "" if they can be stacked."""
    if batch_rule(model) != ANY or frequency_limit(model.config) is not None:
        return "rows of a batch change one another's outputs in this architecture"
    if any(isinstance(module, nn.modules.batchnorm._NormBase) for module in model.modules()):
        return "it keeps running statistics"
    return _refusal(model, precision)


def _refusal(model: nn.Module, precision: str) -> str:
    """What `vmap` says if it cannot run the model, forward and backward, for several weights: tried with a few tokens.

    Longformer, for example, takes windows in a way that it does not know. DeBERTa fills scores in bfloat16 with a
    number that is too large for it, because `vmap` says that they are in float32."""
    tokens = probe_tokens(model, 9)
    device = next(model.parameters()).device
    ids, mask = pad([tokens[:3], tokens[3:]], device, getattr(model.config, "pad_token_id", None) or 0)
    start = {name: weight.detach().requires_grad_() for name, weight in model.named_parameters()}

    def output(weights: dict) -> torch.Tensor:
        inputs = {"input_ids": ids, "attention_mask": mask}
        return functional_call(model, (weights, dict(model.named_buffers())), kwargs=inputs)[0]

    try:
        with undisturbed(model), plain(model), torch.enable_grad():
            stacked = {name: weight.expand(2, *weight.shape) for name, weight in start.items()}
            with autocast(precision, device):
                outputs = vmap(output, randomness="same")(stacked).float()
            torch.autograd.grad(outputs.sum(), [*start.values()], allow_unused=True)
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or OF_THE_GPU in str(error):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"torch cannot run it for several weights at once ({reason})"
    return ""


@contextmanager
def plain(model: nn.Module) -> Iterator[None]:
    """Train mode, with attention as plain products: the fused kernels refuse equal dropout draws under vmap."""
    before = model.config._attn_implementation
    model.config._attn_implementation = "eager"
    model.train()
    try:
        yield
    finally:
        model.eval()
        model.config._attn_implementation = before
