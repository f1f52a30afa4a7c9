"""Panels of means over examples of values that are no scores of a task, such as the share of changed answers."""

from collections.abc import Hashable, Mapping

import numpy as np

from junkdna.analysis.draws import Draws
from junkdna.analysis.intervals import Panel

Array = np.ndarray


def mean_panels(values: Mapping[Hashable, Array], draws: Draws) -> dict[Hashable, Panel]:
    """The panel of each group from its values (s seeds, m measures, n examples), all on the examples of `draws`.

    Its scores are the m means over examples and seeds. A measure with a value that is not finite is not finite.
    Memory: 4 bytes for each group, measure and replicate.
    """
    with np.errstate(all="ignore"):
        averaged = {group: each.mean(axis=0).astype(np.float32) for group, each in values.items()}
        stacked = np.concatenate(list(averaged.values()))
        replicates = np.empty((len(stacked), draws.replicates), np.float32)
        for part, counts in draws.blocks():
            replicates[:, part] = (stacked @ counts.T) / counts.sum(axis=1)
    ends = np.cumsum([len(each) for each in averaged.values()])[:-1]
    parts = zip(values.items(), np.split(replicates, ends), strict=True)
    return {group: _panel(each, own) for (group, each), own in parts}


def _panel(values: Array, replicates: Array) -> Panel:
    with np.errstate(all="ignore"):
        by_seed = values.astype(float).mean(axis=2)
        seeds = len(by_seed)
        left_out = (by_seed.sum(axis=0) - by_seed) / (seeds - 1) if seeds > 1 else by_seed[:0]
        return Panel(by_seed.mean(axis=0), replicates, left_out.T)
