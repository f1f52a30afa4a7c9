"""Random pruning: a control that removes as many weights, whatever their size."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from junkdna.compress.checks import check_weights, prune_count
from junkdna.compress.chunks import part_lengths
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
"""Scores are drawn from 0 to one less than this."""


def masks(
    weights: Mapping[str, Tensor], level: float, generator: torch.Generator | None
) -> Iterator[tuple[str, Tensor]]:
    """(name, mask) of each matrix (True = kept) that prune scalars drawn without replacement over all, level = the
    fraction pruned.

    Every scalar draws one score of 31 random bits; exactly floor(N * level) lowest scores go. From one generator state
    the masks are nested as the level grows, and depend on shapes and order only (not on values, dtype or device). Two
    scalars share a score with probability 2^-31; only if that happens at the threshold does the order of the mapping
    decide, so the draw is uniform up to that.

    `generator` is required, on the CPU, and read, not moved: the next draw from it repeats these scores, so make one
    for this purpose. Scores are drawn again on each of two passes instead of being held: memory is a part of the
    scores (`parts`). Same errors as `magnitude.masks`. It does not change the weights, nor balance matrices or rows.
    """
    check_weights(weights)
    assert generator is not None, "random masks need a generator made for them (seeds.seed_for)"
    assert generator.device.type == "cpu", "random masks are drawn on the CPU, so that every machine draws the same"
    shapes = {name: weight.shape for name, weight in weights.items()}
    order = _order(shapes, next(iter(weights.values())).device, generator.get_state())
    return keep_all_but_lowest(order, prune_count(order.total, level))


def _order(shapes: dict[str, torch.Size], device: torch.device, state: Tensor) -> Order:
    """Scores as keys. As they are uniform, evenly spaced numbers serve as the sample of them."""
    total = sum(shape.numel() for shape in shapes.values())

    def scores() -> Iterator[Tensor]:
        repeated = torch.Generator()
        repeated.set_state(state)
        for length in part_lengths(total, device):
            yield torch.randint(SCORES, (length,), generator=repeated, dtype=torch.int32).to(device)

    count = min(total, SAMPLE) if total > UNSAMPLED else 0
    return Order(shapes, scores, torch.arange(count, dtype=torch.int64).mul(SCORES // max(count, 1)).int())
