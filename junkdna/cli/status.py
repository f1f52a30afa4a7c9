"""`junkdna status`: how many cells are done, by experiment, what is wrong with the others, how long it will take."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from junkdna.dag.cell_times import CellTimes
from junkdna.dag.runs import is_locked, last_began_s
from junkdna.dag.state import STATES, Progress, Snapshot, log_path
from junkdna.dag.units import span_text
from junkdna.run.failure_causes import by_cause, cause_of
from junkdna.run.job_log import why_it_ended
from junkdna.study.cell import Cell
from junkdna.study.grid import expand
from junkdna.study.study import Resolved

SHOWN = 10  # cells of one kind that are named, and causes of failures
OF_ONE_CAUSE = 4  # failed cells that are named
MESSAGE_LINES = 6  # shown of the last message of a failed one; of a longer one the first and the last line


def status(resolved: Resolved) -> Iterator[str]:
    """Cells by state, in all and by experiment; stale, broken, failed and collapsed ones by name; time left."""
    now = Progress(resolved).look()
    yield from table(resolved, now)
    yield from _named(resolved, now)
    yield from _collapsed_lines([cell for cell, state in now.states.items() if state == "done"])
    if now.left:
        yield left_text(resolved, now)
    if now.finished:
        walls = [facts.wall_s for facts in now.finished.values()]
        yield f"finished cells took {sum(walls):.0f} s in all, {max(walls):.0f} s the longest (process starts apart)"


def table(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    """One line in all and one an experiment: done of all, and the other states that occur."""
    counts = now.counts()
    yield f"{counts['done']} of {len(now.states)} cells done, " + ", ".join(
        f"{counts[state]} {state}" for state in STATES[1:] if counts[state] or state in ("missing", "stale")
    )
    experiments = expand(resolved)
    width = max(map(len, experiments))
    for name, cells in experiments.items():
        of_it = Counter(now.states[cell] for cell in cells)
        others = "".join(f", {of_it[state]} {state}" for state in STATES[1:] if of_it[state])
        yield f"  {name:<{width}}  {of_it['done']:>5} of {len(cells):>5} done{others}"
    if now.unsure:
        yield f"{now.unsure} of the running ones are on other machines: taken as running until their log says otherwise"


def _named(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    for state in ("stale", "broken"):
        cells = now.of(state)
        yield from (f"{state}: {cell.path}" for cell in cells[:SHOWN])
        if len(cells) > SHOWN:
            hint = resolved.given.junkdna("status", "--stale")
            yield f"{state}: {len(cells) - SHOWN} more; all of them: {hint}"
    causes = by_cause(now.of("failed"), failure_of)
    for cells in causes[:SHOWN]:
        yield from (f"failed: {cell.path}" for cell in cells[:OF_ONE_CAUSE])
        if len(cells) > OF_ONE_CAUSE:
            yield f"failed: {len(cells) - OF_ONE_CAUSE} more with the same message"
        yield from (f"    {line}" for line in why_it_ended(log_path(cells[0]), 1, MESSAGE_LINES))
    if more := sum(map(len, causes[SHOWN:])):
        yield f"failed: {more} more"


def failure_of(cell: Cell) -> tuple[str, ...]:
    """What a failed cell shares with others that failed for the same cause."""
    return cause_of(log_path(cell), own=(cell.path, cell.key))


def left_text(resolved: Resolved, now: Snapshot) -> str:
    """About how long the rest will take: at the speed of the run that goes on, or that nothing runs."""
    if not now.counts()["running"]:
        plan = resolved.given.junkdna("plan")
        return f"nothing is running; `{plan}` says about how long the rest would take"
    seconds = time_left_s(now, resolved, last_began_s() or 0.0, time.time())
    return "time left: unknown" if seconds is None else f"about {span_text(seconds)} left"


def time_left_s(now: Snapshot, resolved: Resolved, since_s: float, at_s: float) -> float | None:
    """Seconds until the cells of a run are done, at its speed so far; None before there is a base, and while it would
    be a guess.

    `since_s` is when the run began, `at_s` is now (both in seconds of the clock). Cells that this run has finished tell
    what a cell takes, else earlier ones. The speed is cell seconds done a second since the first cell that the run has
    finished began: process starts, waiting for a device and jobs side by side are all in it.
    """
    done = {cell: facts for cell, facts in now.finished.items() if facts.written_s - facts.wall_s >= since_s - 1}
    times = CellTimes(resolved, done, now.outdated | now.finished)
    left = times.total(now.left)
    if not done or left.unknown or left.guessed:
        return None
    under_way = sum(min(max(at_s - log.started_s, 0.0), times.expected_s(cell)) for cell, log in now.began.items())
    began = min(facts.written_s - facts.wall_s for facts in done.values())
    speed = (sum(facts.wall_s for facts in done.values()) + under_way) / max(at_s - began, 1.0)
    return max(left.seconds - under_way, 0.0) / max(speed, 1e-9)


def _collapsed_lines(done: list[Cell]) -> Iterator[str]:
    cells = collapsed(done)
    for cell in cells[:SHOWN]:
        yield f"collapsed (one prediction for every example): {cell.path}"
    if len(cells) > SHOWN:
        yield f"collapsed: {len(cells) - SHOWN} more"


def collapsed(done: list[Cell]) -> list[Cell]:
    """Those of some finished cells that give one prediction for every example."""
    import polars as pl

    if not done:
        return []
    table = pl.scan_parquet([cell.path for cell in done]).select("cell", "collapsed").collect()
    names = set(table.filter("collapsed")["cell"])
    return [cell for cell in done if cell.key in names]


def stale_files(resolved: Resolved) -> list[str]:
    """Files whose settings or code are no longer the study's, or that are broken: delete them and they re-run."""
    states = Progress(resolved).look().states
    return [cell.path for cell, state in states.items() if state in ("stale", "broken")]


CLEAR = "\x1b[H\x1b[J"  # to the top left, and empty from there on


def watch(resolved: Resolved, seconds: float, out: TextIO = sys.stdout) -> int:
    """Print how far the study is every `seconds` until every cell is done (0), or until a run that was seen has ended
    with cells left (1).

    On a terminal the page is drawn anew each time; elsewhere (a pipe, a file, TERM=dumb) each time is one line. Looks
    at the times of all files each time, and reads those that have changed.
    """
    progress, began, seen_running = Progress(resolved), last_began_s() or time.time(), False
    draws = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    while True:
        now = progress.look()
        began = max(began, last_began_s() or began)
        _print(out, page(resolved, now) if draws else [tick(resolved, now, began)], CLEAR if draws else "")
        if now.counts()["done"] == len(now.states):
            return 0
        running = is_locked() or bool(now.counts()["running"])
        if seen_running and not running:
            left = len(now.states) - now.counts()["done"]
            _print(
                out, [f"the run has ended with {left} cells not done; `{resolved.given.junkdna('status')}` says why"]
            )
            return 1
        seen_running = running
        time.sleep(seconds)


def tick(resolved: Resolved, now: Snapshot, began_s: float) -> str:
    """The state in one line, such as "14:02:31  41/63 done, 2 running, 0 failed, about 3 min left"."""
    counts = now.counts()
    parts = [f"{counts['done']}/{len(now.states)} done", f"{counts['running']} running", f"{counts['failed']} failed"]
    parts += [f"{counts[state]} {state}" for state in ("batched", "stale", "broken") if counts[state]]
    if now.left:
        seconds = time_left_s(now, resolved, began_s, time.time())
        parts.append("time left unknown" if seconds is None else f"about {span_text(seconds)} left")
    return f"{time.strftime('%H:%M:%S')}  {', '.join(parts)}"


def page(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    """The state as the lines of a page: in all, by experiment, cells that run, cells that failed, time left."""
    yield f"study {resolved.study.study}, {time.strftime('%H:%M:%S')} (Ctrl-C leaves; the run goes on)"
    yield from table(resolved, now)
    for cell, log in list(now.began.items())[:8]:
        yield f"running for {span_text(max(time.time() - log.started_s, 0))}: {cell.key}"
    for cell in now.of("failed")[:4]:
        yield f"failed: {cell.key}"
    yield left_text(resolved, now) if now.left else "all cells are done"


def _print(out: TextIO, lines: Iterator[str] | list[str], start: str = "") -> None:
    out.write(start + "".join(f"{line}\n" for line in lines))
    out.flush()
