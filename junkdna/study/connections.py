"""Connections: pairs of trained cells whose weights are joined by a straight line, and the files of their scores.

A connection leads from a dense-transfer cell to a sparse-transfer cell of the same seed or, as a control, to the
dense-transfer cell of another seed. Both cells have the same model, task, knobs and protocol.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from junkdna.errors import UserError
from junkdna.storage.fingerprint import code_fingerprint
from junkdna.study.cell import Cell, knob_text
from junkdna.study.cell_settings import CellSettings
from junkdna.study.grid import expand, reference
from junkdna.study.settings_base import SETTINGS_VERSION, Settings
from junkdna.study.settings_from_study import cell_settings
from junkdna.study.study import Resolved

CONNECTIVITY = "results/connectivity"


@dataclass(frozen=True, order=True)
class Connection:
    """The line from the weights of `start` (dense transfer) to those of `end`, scored at `points` points."""

    start: Cell
    end: Cell
    points: int

    @property
    def is_control(self) -> bool:
        """Whether it joins two seeds of dense transfer."""
        return self.end.transfer == "dense"

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """Both ends."""
        return self.start, self.end

    @property
    def path(self) -> str:
        """Path of the file with the scores, relative to the working directory."""
        end = self.end
        folder = (end.model, end.task, knob_text(end.knobs), end.compression.tag, end.transfer, end.protocol)
        seeds = f"seed-{self.start.seed}-to-{end.seed}"
        return "/".join((CONNECTIVITY, *folder, seeds, f"points-{self.points}.parquet"))


@dataclass(frozen=True)
class ConnectSettings(Settings):
    """Everything that the scores of a connection depend on: the settings of both cells, which hold the fingerprints of
    their inputs and code, and the number of points."""

    version: int
    points: int
    start: CellSettings
    end: CellSettings
    code: str


def connections(resolved: Resolved) -> dict[str, list[Connection]]:
    """Experiment -> its connections, for every active experiment with the key `connectivity`."""
    active = resolved.study.active()
    return {
        name: [*_joined(cells, points), *_controls(cells, points)]
        for name, cells in expand(resolved).items()
        if active[name].connectivity and (points := active[name].connectivity.points)
    }


def all_connections(resolved: Resolved) -> list[Connection]:
    """Every connection of the study's active experiments once, in a fixed order."""
    return list(dict.fromkeys(each for some in connections(resolved).values() for each in some))


def _joined(cells: Iterable[Cell], points: int) -> Iterator[Connection]:
    for cell in cells:
        if cell.transfer == "sparse":
            yield Connection(reference(cell), cell, points)


def _controls(cells: Iterable[Cell], points: int) -> Iterator[Connection]:
    """Two seeds at a time, in order, so that no seed is in two controls and they are independent; an odd one is left
    out."""
    together: dict[tuple, list[Cell]] = {}
    for cell in cells:
        if cell.transfer == "dense":
            together.setdefault((cell.model, cell.task, cell.knobs, cell.protocol), []).append(cell)
    for some in together.values():
        for start, end in zip(some[::2], some[1::2], strict=False):
            yield Connection(start, end, points)


@cache
def connect_settings(connection: Connection, resolved: Resolved) -> ConnectSettings:
    """Everything that the scores of a connection depend on."""
    start, end = (cell_settings(cell, resolved) for cell in connection.cells)
    code = code_fingerprint("junkdna.run.line_points", "junkdna.evaluate.example_losses")
    return ConnectSettings(SETTINGS_VERSION, connection.points, start, end, code)


def connection_at(path: str, resolved: Resolved) -> Connection:
    """The connection of the study whose file has this path. Raises UserError if there is none."""
    found = _by_path(resolved).get(path)
    if found is None:
        raise UserError(f"{path} is no connection of this study. Those of a study: `junkdna plan --commands`.")
    return found


@cache
def _by_path(resolved: Resolved) -> dict[str, Connection]:
    return {each.path: each for each in all_connections(resolved)}
