"""Global magnitude pruning: one threshold over all matrices."""

from collections.abc import Mapping

import torch
from torch import Tensor

from junkdna.compress.inputs import check_weights, prune_count
from junkdna.compress.select import keep_all_but_lowest, key_dtype, magnitude_keys


def mask(weights: Mapping[str, Tensor], level: float, generator: torch.Generator | None) -> dict[str, Tensor]:
    """Masks (True = kept) that prune the smallest |w| of all matrices together, level = the fraction pruned.

    Of N scalars exactly floor(N * level) go (`inputs.prune_count`), smallest |w| first; equal ones in the order of the
    mapping, then of the row-major index. Level 0 prunes nothing, 1 everything; masks are nested as the level grows.
    Weights are (out, in) matrices of float16, bfloat16, float32 or float64, compared exactly, also across dtypes.
    Raises `UserError` for no weights, NaN or infinite weights, a level outside 0..1. Draws nothing from `generator`.

    Source: the one-shot global rule of the Junk DNA Hypothesis code. That code also prunes the threshold weight
    and all ties, so it keeps at least one weight fewer; here the count is exact. It does not change the weights.
    """
    check_weights(weights)
    count = prune_count(sum(weight.numel() for weight in weights.values()), level)
    dtype = key_dtype(weights)
    return keep_all_but_lowest(
        lambda: ((name, magnitude_keys(weight, dtype)) for name, weight in weights.items()), count, dtype
    )
