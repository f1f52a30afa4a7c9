"""What an incomplete study lacks: cells, difficulties and lines between cells; how tables and figures report it."""

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from junkdna.run.failure_causes import some
from junkdna.study.cell import Cell, knob_text
from junkdna.study.connections import Connection, all_connections, connections
from junkdna.study.grid import all_cells, expand
from junkdna.study.study import Resolved

NO_REFERENCE = "no dense cell"  # state of a finished cell whose dense reference is missing
NO_RATING = "no difficulty"  # state of a file of difficulties that cannot be used
NAMED = 4  # kinds of missing cells named in one line


@dataclass(frozen=True)
class Gap:
    """A cell that the drops cannot use: its state (one of `dag.state.STATES` or `NO_REFERENCE`) and the reason."""

    cell: Cell
    state: str
    reason: str


class LineGap(NamedTuple):
    """A line between two trained cells that the table `connectivity` lacks: its state and the reason."""

    connection: Connection
    state: str
    reason: str


class Unrated(NamedTuple):
    """A task whose file of difficulties, `path`, cannot be used, and the reason, which names the file."""

    task: str
    path: str
    reason: str


class Missing:
    """The gaps among the `total` cells of a study, and the notes about them in tables, figures and report.

    The tables have no rows about the difficulties of tasks in `unrated`, nor about the connections in `lines`.
    """

    def __init__(
        self, resolved: Resolved, gaps: list[Gap], unrated: Collection[Unrated] = (), lines: Collection[LineGap] = ()
    ) -> None:
        self.gaps = gaps
        self.unrated = unrated
        self.lines = lines
        self.connections = connections(resolved)
        self.total_lines = len(all_connections(resolved))
        self.experiments = expand(resolved)
        self.total = len(all_cells(resolved))
        self.made = time.strftime("%Y-%m-%d %H:%M")
        self._cells = dict.fromkeys(gap.cell for gap in gaps)  # in the order of the study, unlike a set
        self._lines = dict.fromkeys(gap.connection for gap in lines)

    @property
    def used(self) -> int:
        """Number of cells that the drops use."""
        return self.total - len(self.gaps)

    def headline(self) -> str:
        """Such as "INCOMPLETE: 41 of 63 cells (2026-01-31 14:02)"."""
        without = f", without the {rating}" if (rating := self._rating()) else ""
        return f"INCOMPLETE: {self._counts()}{without} ({self.made})"

    def column(self) -> str:
        """The text of the first column of every table row."""
        return f"{self._counts()}; missing: {self._all()}; see missing.csv"

    def _counts(self) -> str:
        """Such as "41 of 63 cells", and "2 of 8 lines" if lines are missing."""
        lines = f", {self.total_lines - len(self._lines)} of {self.total_lines} lines" if self._lines else ""
        return f"{self.used} of {self.total} cells{lines}"

    def of(self, experiment: str) -> tuple[int, int]:
        """Number of cells of an experiment that are used, and its total number of cells."""
        cells = self.experiments[experiment]
        return sum(cell not in self._cells for cell in cells), len(cells)

    def of_lines(self, experiment: str) -> tuple[int, int]:
        """Number of lines of an experiment that are used, and its total number of lines."""
        lines = self.connections.get(experiment, [])
        return sum(line not in self._lines for line in lines), len(lines)

    def note(self, experiment: str = "") -> str:
        """The note at the top of the figures of one experiment, or of the whole study."""
        if not experiment:
            return f"{self.headline()} of the study. Missing: {self._all()}."
        used, count = self.of(experiment)
        gaps = [cell for cell in self.experiments[experiment] if cell in self._cells]
        lines = [line for line in self.connections.get(experiment, []) if line in self._lines]
        own = "; ".join(filter(None, (_kinds(gaps), _lines(lines))))
        here = f"Missing here: {own}" if own else f"Missing elsewhere: {self._all()}"
        return f"{self.headline()} of the study, {used} of {count} of {experiment}. {here}."

    def _all(self) -> str:
        return "; ".join(filter(None, (_kinds(self._cells), _lines(self._lines), self._rating())))

    def _rating(self) -> str:
        return f"difficulty of {some([each.task for each in self.unrated], NAMED)}" if self.unrated else ""

    def seeds(self) -> dict[tuple[str, ...], int]:
        """Number of cells (seeds) that the complete study has for each row of drops, by `row_key`."""
        return Counter(
            row_key(name, cell.model, cell.task, knob_text(cell.knobs) if cell.knobs else "", cell.compression.tag,
                    cell.transfer, cell.protocol)
            for name, cells in self.experiments.items() for cell in cells
        )  # fmt: skip


def row_key(*names: str) -> tuple[str, ...]:
    """The key of a row of drops: experiment, model, task, knobs, compression, transfer mode, protocol."""
    return names


def _kinds(cells: Collection[Cell]) -> str:
    """Counts of cells by task, knobs, compression and transfer mode, the most frequent first."""
    counts = Counter(" ".join(_words(cell)) for cell in cells)
    named = [f"{name} ({count})" for name, count in counts.most_common()]
    return some(named, NAMED) + (" kinds" if named[NAMED:] else "")


def _lines(lines: Iterable[Connection]) -> str:
    """Counts of lines by the cell that they lead to, such as "lines to mood magnitude-0.5 sparse (2)"."""
    kinds = _kinds([line.end for line in lines])
    return f"lines to {kinds}" if kinds else ""


def _words(cell: Cell) -> Iterable[str]:
    yield cell.task
    if cell.knobs:
        yield knob_text(cell.knobs)
    yield cell.compression.tag
    if cell.transfer != "none" and cell.compression.method != "dense":
        yield cell.transfer
