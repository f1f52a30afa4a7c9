"""Resumable loops: progress and checkpoints between the items of a cell's long loops.

Write a long loop as `for item in loop(name, items, save, load)`. After each item, `save()` returns the loop's state as
tensors by name; `load(tensors)` restores such a state before the loop continues with the next item. The loop here only
shows progress; `run.checkpoint` also writes the state to disk.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
INTERVAL_S = 300.0
"""Seconds of work between two checkpoints. Defined here because `run.checkpoint` imports torch."""


@dataclass
class Stopwatch:
    """Wall seconds of named stages."""

    wall_s: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def __str__(self) -> str:
        return ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in self.wall_s.items())

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to `stage`."""
        now = time.perf_counter()
        self.wall_s[stage] = round(self.wall_s.get(stage, 0.0) + now - self._last, 3)
        self._last = now

    def move(self, seconds: float, stage: str, to: str) -> None:
        """Book seconds of a stage to another one."""
        for name, change in ((stage, -seconds), (to, seconds)):
            self.wall_s[name] = round(self.wall_s.get(name, 0.0) + change, 3)


class Loop:
    """Iterates over all items, wrapped in the progress bar `bar`. Writes no checkpoints."""

    resumed = 0  # number of times the work resumed from a checkpoint

    def __init__(self, bar: Callable = iter) -> None:
        self._bar = bar

    def begin(self, made_from: dict, watch: Stopwatch) -> None:
        """Called once, before the first loop, with everything the cell's numbers depend on and its stopwatch."""

    def __call__(
        self,
        name: str,
        items: Sequence,
        save: "Callable[[], Mapping[str, Tensor]]",
        load: "Callable[[dict[str, Tensor]], None]",
    ) -> Iterable:
        """The items of a loop. Names are unique in a cell; the first word is the stage that its time is booked to."""
        return self._bar(items)


class MemberLoop(Loop):
    """The loops of one of several pieces of work that share the loop `of`, each with names of its own."""

    def __init__(self, of: Loop, member: int) -> None:
        self._of, self._member = of, member
        self.resumed = of.resumed

    def __call__(self, name: str, items: Sequence, save: Callable, load: Callable) -> Iterable:
        """The items of a loop, whose name gets the number of the member at its end."""
        return self._of(f"{name} {self._member}", items, save, load)


NO_CHECKPOINTS = Loop()
