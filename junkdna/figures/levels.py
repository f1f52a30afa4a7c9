"""Levels where a figure gives each its own colour: which are drawn, and in what colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from junkdna.figures import lines, marks
from junkdna.figures.style import LEVEL_COLOURS

if TYPE_CHECKING:
    from matplotlib.artist import Artist

PREFERRED = (0.3, 0.5, 0.7, 0.9)


def pick(tags: Iterable[str]) -> list[str]:
    """At most four compressions of one line, weak to strong: all of them, else those at 30, 50, 70, 90 % as far as
    present, else four spread over the range."""
    found = sorted(set(tags), key=lines.strength)
    if len(found) <= 4:
        return found
    liked = [tag for tag in found if any(abs(lines.strength(tag) - want) < 1e-6 for want in PREFERRED)]
    if len(liked) >= 2:
        return liked
    return [found[round(at * (len(found) - 1) / 3)] for at in range(4)]


def colours(tags: list[str]) -> dict[str, str]:
    """Sequential colours, light to dark, the darkest for the strongest compression."""
    return dict(zip(tags, LEVEL_COLOURS[len(LEVEL_COLOURS) - len(tags) :], strict=True))


def keys(tags: list[str]) -> list[Artist]:
    """Legend entries of the levels."""
    look = {"marker": "s", "linestyle": "none", "markersize": 6}
    return [marks.key(words(tag), color=colour, **look) for tag, colour in colours(tags).items()]


def words(tag: str) -> str:
    """Words for the level of a compression that stand alone: `50 % pruned`, `keep 2 of 4`, `4 bits`."""
    return lines.level(tag) + (" pruned" if lines.line_of(tag).kind == "sparsity" else "")
