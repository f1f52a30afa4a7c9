"""Finds the missing lines between trained cells of an incomplete study, and the reason for each."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from junkdna.analysis.gaps import LineGap
from junkdna.dag.state import log_path
from junkdna.errors import UserError
from junkdna.run.connection_file import read_connection
from junkdna.run.job_log import FINISHED, is_running, read_log
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.connections import Connection, all_connections, connect_settings
from junkdna.study.study import Resolved

REASONS = {
    "running": "its job is running",
    "stale": "scored with other settings or code, or for other cells; the next run replaces it",
    "broken": "its file is corrupt; delete it and rerun",
}


def unusable_lines(resolved: Resolved) -> dict[Connection, str]:
    """The connections whose file the table `connectivity` cannot use, with "missing", "stale" or "broken"."""
    states = {each: _state(each, resolved) for each in all_connections(resolved)}
    return {each: state for each, state in states.items() if state}


def _state(connection: Connection, resolved: Resolved) -> str:
    path = Path(connection.path)
    if not path.exists():
        return "missing"
    try:
        recorded = read_connection(path)[1].get("settings_fingerprint")
    except UserError:
        return "broken" if path.exists() else "missing"
    return "" if recorded == settings_fingerprint(connect_settings(connection, resolved)) else "stale"


def missing_lines(
    wrong: Mapping[Connection, str], wrong_cells: Iterable[str], why_failed: Callable[[str], str]
) -> list[LineGap]:
    """The gaps of `unusable_lines`. `wrong_cells` are the paths of the cells that are not usable; `why_failed` says why
    the job of a missing file failed."""
    cells = {*wrong_cells}
    return [_gap(connection, state, cells, why_failed) for connection, state in wrong.items()]


def _gap(connection: Connection, state: str, wrong_cells: set[str], why_failed: Callable[[str], str]) -> LineGap:
    if state != "missing":
        return LineGap(connection, state, REASONS[state])
    if lost := [cell.path for cell in connection.cells if cell.path in wrong_cells]:
        return LineGap(connection, state, f"not started: its cell is missing: {lost[0]}")
    if reason := why_failed(connection.path):
        return LineGap(connection, "failed", reason)
    entry = read_log(log_path(connection.path))
    if entry is not None and entry.end != FINISHED and is_running(entry, None) is not False:
        return LineGap(connection, "running", REASONS["running"])
    return LineGap(connection, state, "not started")
