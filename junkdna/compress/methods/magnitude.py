"""Global magnitude pruning: one threshold over all matrices."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from junkdna.compress.checks import keep_count, prune_count
from junkdna.compress.select import keep_all_but_lowest, keep_from, kth_lowest, magnitude_order
from junkdna.study.methods import Method

METHOD = Method(
    label="magnitude",
    caption="smallest weights pruned (magnitude)",
    line_style="-",
    meaning="prune the smallest |w| under one threshold over all matrices",
    source="one-shot rule of the Junk DNA Hypothesis for RoBERTa, arXiv 2310.02277",
    over="model",
    levels=("sparsity",),
    options={
        "reference_ties": {
            "default": False,
            "prunes_more": True,
            "meaning": "the authors' rule: prune the threshold weight and all its ties too",
            "label": {True: "all ties pruned", False: "exact count"},
        },
    },
    scope=("embeddings",),
    guarantee="model",
)


def masks(
    weights: Mapping[str, Tensor], level: float, generator: torch.Generator | None, reference_ties: bool = False
) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, mask) of each matrix (True = kept) that prune the smallest |w| over all matrices (level: the
    fraction).

    Of N scalars exactly floor(N * level) are pruned (`checks.prune_count`), smallest |w| first, ties in the order of
    the mapping and then of the row-major index. Level 0 prunes nothing and 1 everything; masks are nested as the level
    increases. Weights are (out, in) matrices of float16, bfloat16, float32 or float64, compared exactly, also across
    dtypes. Raises `UserError` if there are no weights or if some are NaN or infinite. Does not use `generator` or
    change the weights.

    The checks and the search for the threshold run before this returns. Masks are computed one by one in the order of
    the mapping; the caller may change a matrix once it has its mask.

    Source: the one-shot global rule of the Junk DNA Hypothesis code. `reference_ties` reproduces its treatment of ties:
    with k = floor(N * (1 - level)) in exact arithmetic, only |w| strictly above the k-th largest are kept. The k-th
    largest and its ties are pruned too, so at most k - 1 scalars are kept, and even level 0 prunes the smallest |w|. At
    level 1 (k = 0) everything is pruned. Masks are nested as the level increases.
    """
    total = sum(weight.numel() for weight in weights.values())
    count, kept = prune_count(total, level), keep_count(total, level)
    order = magnitude_order(weights)
    if not reference_ties:
        return keep_all_but_lowest(order, count)
    return keep_from(order, kth_lowest(order, total - kept + 1)[0] + 1 if kept else order.top)
