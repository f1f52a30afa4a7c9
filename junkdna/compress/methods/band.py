"""Pruning a band of magnitudes: a control that removes weights of one size, neither the smallest nor the largest."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from junkdna.compress.checks import prune_count
from junkdna.compress.select import Order, keep_all_but_lowest, magnitude_order
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
    """(name, mask) of each matrix (True = kept) that prune |w| between two quantiles of all matrices together.

    level is (from, to): in the order in which `magnitude.masks` prunes (equal |w| by the mapping, then by the row-major
    index), the scalars ranked floor(N * from) <= rank < floor(N * to) of N go, counted from 0. So bands that share an
    end share no scalar; (0, to) is `magnitude` at `to`, and (from, from) prunes nothing. Raises what
    `magnitude.masks` raises. Draws nothing from `generator`.
    It does not change the weights.
    """
    assert level[0] <= level[1], level
    order = magnitude_order(weights)
    return _between(order, *(prune_count(order.total, end) for end in level))


def _between(order: Order, first: int, last: int) -> Iterator[tuple[str, Tensor]]:
    """Both ends are searched before this returns."""
    pairs = zip(keep_all_but_lowest(order, first), keep_all_but_lowest(order, last), strict=True)
    return ((name, above | ~from_low) for (name, from_low), (_, above) in pairs)
