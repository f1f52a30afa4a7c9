"""Where values of a panel are in its drawing, and how wide texts are."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

from junkdna.report.plotting.drawing import Axis

CHARACTER = 0.54  # mean width of a character of the page's font, in font sizes
FONT = 12.5  # of texts in figures
BOLD = 1.08  # how much wider bold texts are, such as the first line of a name


@dataclass(frozen=True)
class Scale:
    """Maps an axis to pixels from `start` to `end`."""

    axis: Axis
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Pixel of a value."""
        low, high = (self._at(limit) for limit in self.axis.limits)
        return round(self.start + (self._at(value) - low) / (high - low) * (self.end - self.start), 2)

    def clamped(self, value: float) -> tuple[float, int]:
        """Pixel of a value within the axis, and where the value is: -1 before its first limit, 1 after its last, 0
        between them."""
        first, last = self.axis.limits
        if (value - first) * (last - first) < 0:
            return self(first), -1
        if (value - last) * (last - first) > 0:
            return self(last), 1
        return self(value), 0

    def _at(self, value: float) -> float:
        return log10(value) if self.axis.log else value


def width(text: str, size: float = FONT) -> float:
    """Approximate width of the longest line of a text in pixels."""
    return max((len(line) for line in text.split("\n")), default=0) * CHARACTER * size


def name_width(text: str) -> float:
    """Approximate width of a text whose first line is bold."""
    first, *rest = text.split("\n")
    return max(BOLD * width(first), *map(width, rest), 0)


def tiers(names: list[tuple[float, str]], left: float, right: float) -> list[tuple[int, float]]:
    """For each text at a position, a row counted from the bottom and the middle of the text, so that no two texts of a
    row overlap and all are between `left` and `right`."""
    ends: list[float] = []
    placed = []
    for at, text in names:
        half = name_width(text) / 2 + 5
        middle = min(max(at, left + half - 5), right - half + 5)
        row = next((row for row, end in enumerate(ends) if end <= middle - half), len(ends))
        ends[row:] = [middle + half] if row == len(ends) else [middle + half, *ends[row + 1 :]]
        placed.append((row, round(middle, 1)))
    return placed
