"""The reverse of magnitude pruning: a control that removes the large weights."""

from collections.abc import Mapping

import torch
from torch import Tensor

from junkdna.compress.inputs import check_weights, prune_count
from junkdna.compress.select import keep_all_but_lowest, key_dtype, magnitude_keys


def mask(weights: Mapping[str, Tensor], level: float, generator: torch.Generator | None) -> dict[str, Tensor]:
    """Masks (True = kept) that prune the largest |w| of all matrices together, level = the fraction pruned.

    As `magnitude.mask` in all but the order: exactly floor(N * level) scalars, largest |w| first; equal ones in the
    order of the mapping, then of the row-major index (lower pruned first). Nested as the level grows.
    Same errors; draws nothing from `generator`. It does not change the weights.
    """
    check_weights(weights)
    count = prune_count(sum(weight.numel() for weight in weights.values()), level)
    dtype = key_dtype(weights)
    highest = torch.iinfo(dtype).max
    return keep_all_but_lowest(
        lambda: ((name, highest - magnitude_keys(weight, dtype)) for name, weight in weights.items()), count, dtype
    )
