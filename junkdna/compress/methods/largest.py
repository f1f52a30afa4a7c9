"""The reverse of magnitude pruning: a control that removes the largest weights."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from junkdna.compress.checks import prune_count
from junkdna.compress.select import keep_all_but_lowest, magnitude_order
from junkdna.study.methods import Method

METHOD = Method(
    label="largest",
    caption="largest weights pruned",
    line_style=(0, (5, 2)),
    meaning="control: prune the largest |w| above one threshold over all matrices",
    over="model",
    levels=("sparsity",),
    scope=("embeddings",),
    guarantee="model",
)


def masks(
    weights: Mapping[str, Tensor], level: float, generator: torch.Generator | None
) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, mask) of each matrix (True = kept) that prune the largest |w| over all matrices (level: the
    fraction).

    Differs from `magnitude.masks` only in the order: exactly floor(N * level) scalars are pruned, largest |w| first,
    ties in the order of the mapping and then of the row-major index (lower first). Nested as the level increases.
    Raises the same errors. Does not use `generator` or change the weights.
    """
    count = prune_count(sum(weight.numel() for weight in weights.values()), level)
    return keep_all_but_lowest(magnitude_order(weights, largest_first=True), count)
