"""Semi-structured pruning: keep n of every m consecutive inputs."""

from collections.abc import Mapping

import torch
from torch import Tensor

from junkdna.compress.inputs import check_keep_of, check_weights
from junkdna.errors import UserError


def mask(weights: Mapping[str, Tensor], level: tuple[int, int], generator: torch.Generator | None) -> dict[str, Tensor]:
    """Masks (True = kept) that keep the `keep` largest |w| of every `of` consecutive inputs of each output row.

    level is (keep, of); the sparsity is 1 - keep/of in every row. Within a group the of - keep smallest |w| go, of
    equal ones the lower index first. keep 0 prunes everything, keep = of nothing. Nested as keep falls with `of` fixed.
    Raises `UserError` for no weights, NaN or infinite weights, an illegal pair, a row length that `of` does not divide.
    Draws nothing from `generator`. It does not change the weights, and does not permute inputs to keep more.

    Source: the N:M rule of the Junk DNA Hypothesis code, whose two digits count the *pruned* (its 13 is keep 2 of 3).
    """
    check_weights(weights)
    keep, of = check_keep_of(level)
    masks = {}
    for name, weight in weights.items():
        rows, inputs = weight.shape
        if inputs % of:
            divisors = [size for size in range(2, 33) if inputs % size == 0]
            fix = f"use an `of` among {divisors}" if divisors else "leave this matrix out"
            raise UserError(
                f"{name}: shape {tuple(weight.shape)} has {inputs} inputs a row, which keep {keep} of {of} cannot cut "
                f"into groups of {of} ({inputs} = {inputs // of} x {of} + {inputs % of}): {fix}."
            )
        groups = weight.detach().abs().reshape(rows, inputs // of, of)
        smallest = groups.argsort(dim=-1, stable=True)[..., : of - keep]
        kept = torch.ones_like(groups, dtype=torch.bool, memory_format=torch.contiguous_format)
        masks[name] = kept.scatter_(-1, smallest, False).reshape(rows, inputs)
    return masks
