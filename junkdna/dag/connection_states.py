"""Which connections of a study are still to be scored, and the weights that they need."""

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.dag.recorded_settings import is_current
from junkdna.run import trained_weights
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import Cell
from junkdna.study.connections import Connection, all_connections, connect_settings
from junkdna.study.settings_from_study import cell_settings
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def connections_left(resolved: Resolved) -> list[Connection]:
    """The connections whose own file, or that of one of their cells, is missing or was made with other settings or
    code. Reads only metadata."""
    is_there = cache(lambda cell: is_current(cell.path, cell_settings(cell, resolved)))
    return [
        each
        for each in all_connections(resolved)
        if not (is_current(each.path, connect_settings(each, resolved)) and all(map(is_there, each.cells)))
    ]


def plan_line(resolved: Resolved) -> Iterator[str]:
    """The line of `junkdna plan` and `junkdna status` on the connections of a study; nothing if it has none."""
    if every := all_connections(resolved):
        left = connections_left(resolved)
        stale = sum(Path(each.path).exists() for each in left)
        replaced = f" ({stale} of them have a file of other settings, code or cells than now)" if stale else ""
        lines = "line" if len(every) == 1 else "lines"
        yield f"lines   {len(every)} {lines} between trained cells, {len(left)} to score{replaced}"


def outputs_of(workflow: "Workflow") -> set[str]:
    """The files that the jobs of this run of Snakemake will write. Call it when its graph of jobs is complete."""
    return {str(file) for job in workflow.dag.needrun_jobs() for file in job.output}


def want_weights(resolved: Resolved, outputs: Collection[str] = ()) -> None:
    """Let the cells of this run keep the weights that its connections need, and remove all others. Call it before any
    job runs.

    `outputs` are the files that the jobs of the run will write. Snakemake runs finished jobs again too, because of a
    newer input or on request (`--forcerun`), and then also the connections of their cells.
    """
    trained_weights.clear_wanted()
    left = {*connections_left(resolved)}
    for connection in all_connections(resolved):
        if connection in left or not {connection.path, *(cell.path for cell in connection.cells)}.isdisjoint(outputs):
            settings = connect_settings(connection, resolved)
            trained_weights.want((settings.start, settings.end), settings_fingerprint(settings))
    trained_weights.remove_unwanted()


def trained_cells(resolved: Resolved) -> set[Cell]:
    """The cells whose weights the unfinished connections need."""
    return {cell for connection in connections_left(resolved) for cell in connection.cells}


def wanted_by(cell: Cell, resolved: Resolved) -> list[str]:
    """Fingerprints of the settings of all connections that lead from or to a cell: those that are scored, too, because
    a new file of the cell makes them run again."""
    return [settings_fingerprint(connect_settings(each, resolved)) for each in _by_cell(resolved).get(cell, ())]


@cache
def _by_cell(resolved: Resolved) -> dict[Cell, list[Connection]]:
    found: dict[Cell, list[Connection]] = {}
    for connection in all_connections(resolved):
        for cell in connection.cells:
            found.setdefault(cell, []).append(connection)
    return found
