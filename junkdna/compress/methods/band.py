"""Pruning a band of magnitudes: a control that removes weights of medium size, neither the smallest nor the largest."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from junkdna.compress.checks import prune_count
from junkdna.compress.select import keep_all_but_lowest, magnitude_order
from junkdna.study.methods import Method

METHOD = Method(
    label="band",
    caption="weights between two quantiles of |w| pruned (band)",
    line_style=(0, (1.2, 3, 5, 3)),
    meaning="control: prune the weights between two quantiles of |w| over all matrices",
    over="model",
    levels=("band",),
    scope=("embeddings",),
    guarantee="model",
)


def masks(
    weights: Mapping[str, Tensor], level: tuple[float, float], generator: torch.Generator | None
) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, mask) of each matrix (True = kept) that prune |w| between two quantiles over all matrices.

    level is (from, to). In the pruning order of `magnitude.masks` (equal |w| by the mapping, then by the row-major
    index), the scalars of rank floor(N * from) <= rank < floor(N * to) of N are pruned, counted from 0. Bands that
    share an end therefore share no scalar; (0, to) is `magnitude` at `to`, and (from, from) prunes nothing. Raises the
    errors of `magnitude.masks`. Does not use `generator` or change the weights.
    """
    assert level[0] <= level[1], level
    order = magnitude_order(weights)
    first, last = (keep_all_but_lowest(order, prune_count(order.total, end)) for end in level)
    pairs = zip(first, last, strict=True)
    return ((name, above | ~from_low) for (name, from_low), (_, above) in pairs)
