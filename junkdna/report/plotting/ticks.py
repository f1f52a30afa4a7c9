"""Limits and ticks of axes, the same for all renderers."""

from collections.abc import Iterable
from math import ceil, floor, log10

STEPS = (1, 2, 2.5, 5, 10)


def round_ticks(low: float, high: float, most: int = 6) -> tuple[tuple[float, str], ...]:
    """At most `most` round numbers between two limits, in either order, with their texts."""
    low, high = sorted((low, high))
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))
    digits = max(0, -floor(log10(step) + 1e-9) + (1 if f"{step / power:g}" == "2.5" else 0))
    numbers = range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
    return tuple((round(at * step, 10), number(at * step, digits)) for at in numbers)


def number(value: float, digits: int = 2) -> str:
    """A number with a minus sign, and without a sign if it rounds to 0."""
    text = f"{value:.{digits}f}"
    return (text[1:] if float(text) == 0 and text[0] == "-" else text).replace("-", "−")


def measured(value: float | None, low: float | None, high: float | None, digits: int = 2, unit: str = "") -> str:
    """A value with its unit, and its interval in brackets if it is known: `97.0 % (94.5 to 99.6)`."""
    if value is None:
        return "undefined"
    interval = "" if None in (low, high) else f" ({number(low, digits)} to {number(high, digits)})"
    return f"{number(value, digits)}{unit}{interval}"


def within(must: Iterable[float], ends: Iterable[float], reach: float = 0.35) -> tuple[float, float]:
    """Limits that contain all values of `must`, and the `ends` of intervals up to `reach` times their range.

    Intervals can be very wide if dense is barely above its baseline. They must not squeeze the points together;
    renderers mark an interval that goes on beyond the limits. If all values are the same, nothing can be squeezed: then
    the limits contain the intervals.
    """
    low, high = min(must := list(must)), max(must)
    ends, room = [*ends, low, high], reach * (high - low) or float("inf")
    low, high = max(min(ends), low - room), min(max(ends), high + room)
    pad = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - pad, high + pad


def around(values: Iterable[float]) -> tuple[float, float]:
    """Limits of a difficulty axis: a margin on both sides, and a minimum range so that noise is not magnified."""
    low, high = min(values := list(values)), max(values)
    middle, half = (low + high) / 2, 0.56 * (high - low)
    half = max(half, 0.1 if abs(middle) <= 1 else 0.1 * abs(middle))
    return middle - half, middle + half
