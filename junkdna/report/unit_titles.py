"""The units of tests of claims, with the titles of tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping


def titled(unit: str, titles: Mapping[str, str]) -> str:
    """A unit such as `context of sciq, against random weights pruned`, with the title of its task for the name."""
    names = "|".join(map(re.escape, sorted(titles, key=len, reverse=True)))
    return re.sub(rf" of ({names})(?![\w-])", lambda match: f" of {titles[match[1]]}", unit) if names else unit
