"""Positions of texts that would touch: moved apart, in order and as little as possible."""

from collections.abc import Sequence
from statistics import fmean


def spread(targets: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Positions near the `targets`, at least `step` apart, within `low` to `high`, in the order of the targets.

    Neighbors that would touch form a block around their mean (pool adjacent violators). If there is not enough room,
    the step is reduced.
    """
    order = sorted(range(len(targets)), key=lambda at: targets[at])
    step = min(step, (high - low) / max(len(targets) - 1, 1))
    blocks: list[list[float]] = []
    for at, place in enumerate(order):
        blocks.append([targets[place] - at * step])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = [fmean(block) for block in blocks for _ in block]
    top = high - (len(targets) - 1) * step
    moved = [min(max(base, low), top) + at * step for at, base in enumerate(level)]
    return [moved[order.index(at)] for at in range(len(targets))]
