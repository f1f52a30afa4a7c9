"""Effects with their intervals on one common axis, as positions in percent of its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDEST = (-0.4, 1.1)
"""Ends of the widest axis: intervals beyond it get an arrow instead of an axis on which nothing else can be seen."""
LEAST = (-0.1, 0.3)
REACH = 0.35  # how far from its effect an interval may stretch the axis


@dataclass(frozen=True)
class Effect:
    """An effect and its interval, turned so that more supports the claim."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Axis:
    """The common axis from `low` to `high`."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Position of a value in percent, between 0 and 100."""
        at = 100 * (value - self.low) / (self.high - self.low)
        return round(min(100.0, max(0.0, at)), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of its ticks, every 0.2."""
        first, last = round(self.low / 0.2 + 0.499), int(self.high / 0.2 + 1e-9)
        return [(self.place(0.2 * at), f"{0.2 * at:.1f}".replace("-", "−")) for at in range(first, last + 1)]


@dataclass(frozen=True)
class Track:
    """What is drawn of one effect: positions of its point, interval, zero and margin, and arrows at cut ends."""

    zero: float
    margin: float
    point: float | None = None
    start: float = 0.0
    width: float = 0.0
    cut_left: bool = False
    cut_right: bool = False


def common_axis(effects: Iterable[Effect | None]) -> Axis:
    """An axis that holds all effects, as far as `WIDEST` allows."""
    ends = [end for effect in effects if effect for end in _wanted(effect)]
    low = max(WIDEST[0], min([LEAST[0], *ends]) - 0.02)
    high = min(WIDEST[1], max([LEAST[1], *ends]) + 0.02)
    return Axis(round(low, 3), round(high, 3))


def _wanted(effect: Effect) -> tuple[float, float]:
    """The ends of an interval, or as much of it as the axis should show."""
    low = effect.value - REACH if effect.low is None else max(effect.low, effect.value - REACH)
    high = effect.value + REACH if effect.high is None else min(effect.high, effect.value + REACH)
    return low, high


def track(effect: Effect | None, bound: float, axis: Axis) -> Track:
    """The track of an effect; `bound` is where support begins. A missing limit runs off the axis."""
    zero, margin = axis.place(0), axis.place(bound)
    if effect is None:
        return Track(zero, margin)
    low = axis.low - 1 if effect.low is None else effect.low
    high = axis.high + 1 if effect.high is None else effect.high
    start = axis.place(low)
    return Track(
        zero, margin, axis.place(effect.value), start, round(axis.place(high) - start, 2), low < axis.low,
        high > axis.high,
    )  # fmt: skip


def turned(row: dict, loss: bool) -> Effect | None:
    """The effect of a row of the table of claims; `loss`: the table has a retention, and 1 minus it is shown."""
    if row["estimate"] is None:
        return None
    ends: Sequence[float | None] = (row["low"], row["high"])
    if not loss:
        return Effect(row["estimate"], *ends)
    low, high = (None if end is None else 1 - end for end in reversed(ends))
    return Effect(1 - row["estimate"], low, high)
