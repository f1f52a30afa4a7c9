"""Walks through the items of a cell's long loops, so that what stands between two items can be shown and kept.

A loop that may be long is written `for item in walk(name, items, save, load)`: `save()` gives its state as tensors by
name, once an item is done; `load(tensors)` puts such a state back, and the loop goes on with the next item. The walk
here only shows progress; `checkpoint` keeps the state on disk too.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
INTERVAL_S = 300.0
"""Seconds of work after which the state is kept. Here, since `checkpoint` imports torch."""


@dataclass
class Stopwatch:
    """Wall seconds of named stages."""

    wall_s: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to `stage`."""
        now = time.perf_counter()
        self.wall_s[stage] = round(self.wall_s.get(stage, 0.0) + now - self._last, 3)
        self._last = now


class Loop:
    """From the first item to the last, `bar` around them (progress). Keeps nothing."""

    resumed = 0  # how often the work went on from a checkpoint; an attempt that left none of its own does not count

    def __init__(self, bar: Callable = iter) -> None:
        self._bar = bar

    def begin(self, made_from: dict, watch: Stopwatch) -> None:
        """Called once, before the first loop: all that the cell's numbers depend on, and its clock."""

    def __call__(
        self,
        name: str,
        items: Sequence,
        save: "Callable[[], Mapping[str, Tensor]]",
        load: "Callable[[dict[str, Tensor]], None]",
    ) -> Iterable:
        """The items of a loop. The first word of its name, unique in a cell, is the stage that its time goes to."""
        return self._bar(items)


NO_CHECKPOINTS = Loop()
