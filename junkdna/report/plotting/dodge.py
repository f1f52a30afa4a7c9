"""Shifts of series whose points would cover each other."""

from collections.abc import Collection, Sequence


def dodge(places: Sequence[Collection[float]], step: float) -> list[float]:
    """A shift in points for each series, `step` apart, given the positions of its points.

    Only series that share a position, directly or through others, are moved apart: on an axis of amounts a shift looks
    like another amount, so a series that stands alone stays where it is.
    """
    at = [{round(place, 6) for place in series} for series in places]
    shifts = [0.0] * len(at)
    rest = set(range(len(at)))
    while rest:
        group = _touching(at, rest, min(rest))
        rest -= group
        for place, number in enumerate(sorted(group)):
            shifts[number] = (place - (len(group) - 1) / 2) * step
    return shifts


def _touching(at: Sequence[set[float]], among: set[int], first: int) -> set[int]:
    """The series of `among` that are connected with the first one by shared positions."""
    group, todo = {first}, [first]
    while todo:
        own = at[todo.pop()]
        more = {other for other in among - group if at[other] & own}
        group |= more
        todo += sorted(more)
    return group
