"""Random pruning: a control that removes as many weights, whatever their size."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from junkdna.compress.inputs import check_weights, prune_count
from junkdna.compress.select import keep_all_but_lowest


def mask(weights: Mapping[str, Tensor], level: float, generator: torch.Generator | None) -> dict[str, Tensor]:
    """Masks (True = kept) that prune scalars drawn without replacement over all matrices, level = the fraction pruned.

    Every scalar draws one score of 31 random bits; exactly floor(N * level) lowest scores go. From one generator state
    the masks are nested as the level grows, depend on shapes and order only (not on values, dtype or device), and
    leave the generator where one draw over all scalars leaves it. Two scalars share a score with probability 2^-31;
    only if that happens at the threshold does the order of the mapping decide, so the draw is uniform up to that.

    `generator` is required and on the CPU. Scores are drawn again on each pass instead of being held: memory is one
    matrix of scores. Same errors as `magnitude.mask`. It does not change the weights, nor balance matrices or rows.
    """
    check_weights(weights)
    assert generator is not None, "random masks need a generator made for them (seeds.seed_for)"
    assert generator.device.type == "cpu", "random masks are drawn on the CPU, so that every machine draws the same"
    count = prune_count(sum(weight.numel() for weight in weights.values()), level)
    start = generator.get_state()

    def scores() -> Iterator[tuple[str, Tensor]]:
        generator.set_state(start)
        for name, weight in weights.items():
            score = torch.randint(2**31 - 1, weight.shape, generator=generator, dtype=torch.int32)
            yield name, score.to(weight.device)

    return keep_all_but_lowest(scores, count, torch.int32)
