"""Random pruning: a control that prunes the same number of weights regardless of their size."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from junkdna.compress.checks import check_weights, prune_count
from junkdna.compress.chunks import chunk_lengths
from junkdna.compress.select import SAMPLE, UNSAMPLED, Order, keep_all_but_lowest
from junkdna.study.methods import Method

METHOD = Method(
    label="random",
    caption="random weights pruned",
    line_style=(0, (1.2, 1.4)),
    meaning="control: prune weights drawn uniformly over all matrices by the seed",
    over="model",
    levels=("sparsity",),
    scope=("embeddings",),
    random=True,
    guarantee="model",
)

SCORES = 2**31 - 1
"""Scores are drawn from 0 to SCORES - 1."""


def masks(
    weights: Mapping[str, Tensor], level: float, generator: torch.Generator | None
) -> Iterator[tuple[str, Tensor]]:
    """Yields (name, mask) of each matrix (True = kept) that prune scalars drawn without replacement over all matrices;
    level = the fraction pruned.

    Every scalar draws one score of 31 random bits, and exactly the floor(N * level) lowest scores are pruned. Masks
    from the same generator state are nested as the level increases. They depend only on shapes and order, not on
    values, dtype or device. Two scalars have the same score with probability 2^-31. The order of the mapping decides
    only about ties at the threshold; otherwise the draw is uniform.

    `generator` is required and must be on the CPU. Its state is read and not advanced: the next draw from it repeats
    these scores, so create one for this purpose. Scores are drawn again in each of two passes instead of being stored:
    memory is one chunk of scores (`chunks`). Raises the errors of `magnitude.masks`. Does not change the weights, and
    does not balance matrices or rows.
    """
    check_weights(weights)
    assert generator is not None, "random masks need a generator (seeds.seed_for)"
    assert generator.device.type == "cpu", "random masks are drawn on the CPU, to be equal on every machine"
    shapes = {name: weight.shape for name, weight in weights.items()}
    order = _order(shapes, next(iter(weights.values())).device, generator.get_state())
    return keep_all_but_lowest(order, prune_count(order.total, level))


def _order(shapes: dict[str, torch.Size], device: torch.device, state: Tensor) -> Order:
    """Scores as keys. Scores are uniform, so evenly spaced numbers serve as their sample."""
    total = sum(shape.numel() for shape in shapes.values())

    def scores() -> Iterator[Tensor]:
        repeated = torch.Generator()
        repeated.set_state(state)
        for length in chunk_lengths(total, device):
            yield torch.randint(SCORES, (length,), generator=repeated, dtype=torch.int32).to(device)

    count = min(total, SAMPLE) if total > UNSAMPLED else 0
    return Order(shapes, scores, torch.arange(count, dtype=torch.int64).mul(SCORES // max(count, 1)).int())
