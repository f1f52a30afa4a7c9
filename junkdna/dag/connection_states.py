"""Which connections of a study are still to be scored, and the weights that they need."""

from collections.abc import Iterator
from pathlib import Path

from junkdna.dag.recorded_settings import is_current
from junkdna.run import trained_weights
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import Cell
from junkdna.study.connections import Connection, all_connections, connect_settings
from junkdna.study.study import Resolved


def connections_left(resolved: Resolved) -> list[Connection]:
    """The connections whose file is missing or was made with other settings or code. Reads only metadata."""
    return [each for each in all_connections(resolved) if not is_current(each.path, connect_settings(each, resolved))]


def plan_line(resolved: Resolved) -> Iterator[str]:
    """The line of `junkdna plan` and `junkdna status` on the connections of a study; nothing if it has none."""
    if every := all_connections(resolved):
        left = connections_left(resolved)
        stale = sum(Path(each.path).exists() for each in left)
        replaced = f" ({stale} of them with other settings or code than now)" if stale else ""
        yield f"lines   {len(every)} lines between trained cells, {len(left)} to score{replaced}"


def want_weights(resolved: Resolved) -> None:
    """Let the cells of this run keep the weights that its connections need, and remove all others. Call it before any
    job runs."""
    trained_weights.clear_wanted()
    for connection in connections_left(resolved):
        settings = connect_settings(connection, resolved)
        trained_weights.want((settings.start, settings.end), settings_fingerprint(settings))
    trained_weights.remove_unwanted()


def trained_cells(resolved: Resolved) -> set[Cell]:
    """The cells whose weights the unfinished connections need."""
    return {cell for connection in connections_left(resolved) for cell in connection.cells}
