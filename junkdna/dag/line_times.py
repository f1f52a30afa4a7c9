"""Expected times of the lines between trained cells: their points are scored, and some cells are trained again.

A cell that is still to run keeps its weights for its lines, so only finished cells without kept weights train again,
once for all their lines. A stack is filled with copies of such a cell, so it takes the time of the whole stack.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from junkdna.dag.cell_times import CellTimes
from junkdna.dag.cell_work import CellWork
from junkdna.dag.connection_states import connections_left
from junkdna.dag.measured_rates import rough_scoring_s
from junkdna.dag.recorded_settings import recorded_facts_of
from junkdna.dag.state import Finished, Snapshot, finished
from junkdna.run import trained_weights
from junkdna.study.cell import Cell
from junkdna.study.connections import Connection, connect_settings
from junkdna.study.settings_from_study import cell_settings
from junkdna.study.study import Resolved

SHORTEST_MIN = 30  # of a scheduler's time for a line, as for a cell
MARGIN = 2  # of a scheduler's time over the estimate


class LineTimes(NamedTuple):
    """Lines to score with the seconds of all, those without an estimate left out (`unknown`); cells that are trained
    again for them with the seconds of all."""

    lines: list[Connection]
    seconds: float
    unknown: list[Connection]
    again: list[Cell]
    again_s: float

    @property
    def total_s(self) -> float:
        """Seconds of scoring and training."""
        return self.seconds + self.again_s


def without_weights(lines: Iterable[Connection], now: Snapshot, resolved: Resolved) -> list[Cell]:
    """The finished cells of lines whose weights are not kept."""
    cells = dict.fromkeys(cell for line in lines for cell in line.cells if cell in now.finished)
    return [cell for cell in cells if not trained_weights.are_kept(cell_settings(cell, resolved))]


def measured_lines(resolved: Resolved, now: Snapshot, on_gpu: bool, times: CellTimes) -> LineTimes:
    """The times of the lines left, by finished cells that ran on a GPU, or on a CPU (`on_gpu`); `times` are of those.
    Only cells that ran there can be trained again there."""
    lines = connections_left(resolved)
    each = {line: times.scoring_s(line.end) for line in lines}
    again = [cell for cell in without_weights(lines, now, resolved) if now.finished[cell].on_gpu == on_gpu]
    return _times(each, again, sum(retraining_s(now.finished[cell]) for cell in again))


def rough_lines(resolved: Resolved, on: str) -> LineTimes:
    """The times of the lines left on a "gpu" or "cpu" on which no cell has run, by `measured_rates`."""
    works = CellWork(resolved)
    return _times(
        {line: rough_scoring_s(line.end, on, works, resolved) for line in connections_left(resolved)}, [], 0.0
    )


def _times(scoring_s: dict[Connection, float | None], again: list[Cell], again_s: float) -> LineTimes:
    known = {line: line.points * seconds for line, seconds in scoring_s.items() if seconds is not None}
    unknown = [line for line in scoring_s if line not in known]
    return LineTimes([*known], sum(known.values()), unknown, again, again_s)


def retraining_s(facts: Finished) -> float:
    """Seconds of training and scoring a finished cell again; what it shared with the cells of its stack it now takes
    alone."""
    return (facts.wall_s - facts.score_s) * facts.together + facts.score_s


def line_minutes(connection: Connection, on: str, resolved: Resolved) -> int:
    """The minutes to ask a scheduler for: `MARGIN` times the estimate for a job on a "gpu" or "cpu", at least
    `SHORTEST_MIN`. Finished cells are trained again if their weights are not kept; reads only metadata."""
    settings = connect_settings(connection, resolved)
    seconds, scoring = 0.0, []
    for cell, each in zip(connection.cells, (settings.start, settings.end), strict=True):
        if facts := _facts(cell):
            scoring.append(facts.score_s)
            seconds += 0.0 if trained_weights.are_kept(each) else retraining_s(facts)
    point = max(scoring) if scoring else rough_scoring_s(connection.end, on, CellWork(resolved), resolved) or 0.0
    return max(SHORTEST_MIN, math.ceil(MARGIN * (seconds + connection.points * point) / 60))


def _facts(cell: Cell) -> Finished | None:
    try:
        return finished(recorded_facts_of(Path(cell.path)), 0.0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
