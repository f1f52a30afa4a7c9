"""The reverse of magnitude pruning: a control that removes the large weights."""

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
    """(name, mask) of each matrix (True = kept) that prune the largest |w| of all together (level: the fraction).

    As `magnitude.masks` in all but the order: exactly floor(N * level) scalars, largest |w| first; equal ones in the
    order of the mapping, then of the row-major index (lower pruned first). Nested as the level grows.
    Same errors; draws nothing from `generator`. It does not change the weights.
    """
    count = prune_count(sum(weight.numel() for weight in weights.values()), level)
    return keep_all_but_lowest(magnitude_order(weights, largest_first=True), count)
