"""What a study lacks while it is incomplete, and how to say so in a line."""

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from junkdna.run.failure_causes import some
from junkdna.study.cell import Cell, knob_text
from junkdna.study.grid import all_cells, expand
from junkdna.study.study import Resolved

NO_REFERENCE = "no dense cell"  # the state of a cell that is done while its reference is not
NAMED = 4  # kinds of cells that a line names


@dataclass(frozen=True)
class Gap:
    """A cell that no table of drops can use: its state (`state.STATES` or `NO_REFERENCE`) and the reason."""

    cell: Cell
    state: str
    reason: str


class Missing:
    """The gaps of a study among `total` cells, and what every output of the rest says of them."""

    def __init__(self, resolved: Resolved, gaps: list[Gap]) -> None:
        self.gaps = gaps
        self.experiments = expand(resolved)
        self.total = len(all_cells(resolved))
        self.made = time.strftime("%Y-%m-%d %H:%M")
        self._cells = {gap.cell for gap in gaps}

    @property
    def used(self) -> int:
        """How many cells stand in the drops."""
        return self.total - len(self.gaps)

    def headline(self) -> str:
        """Such as "INCOMPLETE: 41 of 63 cells (2026-01-31 14:02)"."""
        return f"INCOMPLETE: {self.used} of {self.total} cells ({self.made})"

    def column(self) -> str:
        """What every row of a table says in its first column."""
        return f"{self.used} of {self.total} cells; missing: {_kinds(self._cells)}; see missing.csv"

    def of(self, experiment: str) -> tuple[int, int]:
        """How many cells of an experiment are used, and how many it has."""
        cells = self.experiments[experiment]
        return sum(cell not in self._cells for cell in cells), len(cells)

    def note(self, experiment: str = "") -> str:
        """What a figure says at its top; of an experiment, or without one of the whole study."""
        if not experiment:
            return f"{self.headline()} of the study are joined. Missing: {_kinds(self._cells)}."
        used, count = self.of(experiment)
        gaps = [cell for cell in self.experiments[experiment] if cell in self._cells]
        here = f"Missing here: {_kinds(gaps)}" if gaps else f"Missing elsewhere: {_kinds(self._cells)}"
        return f"{self.headline()} of the study are joined, {used} of {count} of {experiment}. {here}."

    def seeds(self) -> dict[tuple[str, ...], int]:
        """How many cells (seeds) the whole study has for a row of drops, by `row_key`."""
        return Counter(
            row_key(name, cell.model, cell.task, knob_text(cell.knobs) if cell.knobs else "", cell.compression.tag,
                    cell.transfer, cell.protocol)
            for name, cells in self.experiments.items() for cell in cells
        )  # fmt: skip


def row_key(*names: str) -> tuple[str, ...]:
    """What names a row of drops: experiment, model, task, knobs, compression, transfer mode, protocol."""
    return names


def _kinds(cells: Collection[Cell]) -> str:
    """The cells by task, knobs, compression and transfer mode, the most frequent first, each with its number."""
    counts = Counter(" ".join(_words(cell)) for cell in cells)
    named = [f"{name} ({count})" for name, count in counts.most_common()]
    return some(named, NAMED) + (" kinds" if named[NAMED:] else "")


def _words(cell: Cell) -> Iterable[str]:
    yield cell.task
    if cell.knobs:
        yield knob_text(cell.knobs)
    yield cell.compression.tag
    if cell.transfer != "none" and cell.compression.method != "dense":
        yield cell.transfer
