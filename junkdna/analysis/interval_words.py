"""Intervals in words and in decisions, where a limit may be unbounded: null in a table, infinite before that."""

from collections.abc import Callable

from junkdna.analysis.intervals import finite


def _three_decimals(value: float) -> str:
    return f"{value:.3f}"


def between(low: float | None, high: float | None, text: Callable[[float], str] = _three_decimals) -> str:
    """`0.100 to 0.260`; `at least 0.100` or `at most 0.260` with one limit, `unbounded` with none. `text` writes a
    number."""
    ends = [None if (end := finite(limit)) is None else text(end) for limit in (low, high)]
    if None not in ends:
        return " to ".join(ends)
    if ends[0] is not None:
        return f"at least {ends[0]}"
    return "unbounded" if ends[1] is None else f"at most {ends[1]}"


def excludes_zero(low: float | None, high: float | None) -> bool:
    """Whether an interval excludes 0. A missing or infinite limit excludes nothing; the other one still may."""
    low, high = finite(low), finite(high)
    return (low is not None and low > 0) or (high is not None and high < 0)
