"""`junkdna status`: cells by state and experiment, the causes of failures, and the remaining time."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from junkdna.dag.cell_times import CellTimes
from junkdna.dag.connection_states import plan_line
from junkdna.dag.runs import is_locked, last_began_s
from junkdna.dag.state import STATES, Progress, Snapshot, log_path
from junkdna.dag.units import span_text
from junkdna.run.failure_causes import by_cause, cause_of
from junkdna.run.job_log import why_it_ended
from junkdna.study.cell import Cell
from junkdna.study.grid import expand
from junkdna.study.study import Resolved

SHOWN = 10  # named cells of one state, and shown causes of failures
OF_ONE_CAUSE = 4  # named cells per cause
MESSAGE_LINES = 6  # of a longer last message of a failed cell, only the first and the last line are shown


def status(resolved: Resolved) -> Iterator[str]:
    """Cells by state, total and by experiment; names of stale, broken, failed and collapsed cells; time left."""
    now = Progress(resolved).look()
    yield from table(resolved, now)
    yield from plan_line(resolved)
    yield from _named(resolved, now)
    yield from _listed("collapsed", collapsed(now.of("done")), SHOWN, " (one prediction for every example)")
    if now.left:
        yield left_text(resolved, now)
    if now.finished:
        walls = [facts.wall_s for facts in now.finished.values()]
        yield f"finished cells took {sum(walls):.0f} s, at most {max(walls):.0f} s each (without process starts)"


def table(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    """One line in total and one per experiment, with the number of cells in each state."""
    counts = now.counts()
    shown = [state for state in STATES[1:] if counts[state] or state in ("missing", "stale")]
    total = [f"{counts['done']} of {len(now.states)} cells done", *(f"{counts[state]} {state}" for state in shown)]
    yield ", ".join(total)
    experiments = expand(resolved)
    width = max(map(len, experiments))
    for name, cells in experiments.items():
        by_state = Counter(now.states[cell] for cell in cells)
        others = "".join(f", {by_state[state]} {state}" for state in STATES[1:] if by_state[state])
        yield f"  {name:<{width}}  {by_state['done']:>5} of {len(cells):>5} done{others}"
    if now.unsure:
        yield f"{now.unsure} running cells are on other machines and count as running until their logs end"


def _named(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    for state in ("stale", "broken"):
        yield from _listed(
            state, now.of(state), SHOWN, rest=f"; list all: {resolved.commands.junkdna('status', '--stale')}"
        )
    causes = by_cause(now.of("failed"), lambda cell: cause_of(log_path(cell.path), own=(cell.path, cell.key)))
    for cells in causes[:SHOWN]:
        yield from _listed("failed", cells, OF_ONE_CAUSE, rest=" with the same message")
        yield from (f"    {line}" for line in why_it_ended(log_path(cells[0].path), 1, MESSAGE_LINES))
    if more := sum(map(len, causes[SHOWN:])):
        yield f"failed: {more} more"


def _listed(state: str, cells: list[Cell], most: int, note: str = "", rest: str = "") -> Iterator[str]:
    """A line for each of the first `most` cells in a state, and one with the number of the others."""
    yield from (f"{state}{note}: {cell.path}" for cell in cells[:most])
    if len(cells) > most:
        yield f"{state}: {len(cells) - most} more{rest}"


def left_text(resolved: Resolved, now: Snapshot) -> str:
    """The estimated remaining time at the speed of the active run, or a note that nothing is running."""
    if not now.counts()["running"]:
        return f"nothing is running; for the time of the remaining cells, run `{resolved.commands.junkdna('plan')}`"
    seconds = time_left_s(now, resolved, last_began_s() or 0.0, time.time())
    return "time left: unknown" if seconds is None else f"about {span_text(seconds)} left"


def time_left_s(now: Snapshot, resolved: Resolved, since_s: float, at_s: float) -> float | None:
    """Seconds until the cells of a run are done, at its speed so far; None if there is no reliable estimate yet.

    `since_s` is the start of the run and `at_s` the present (Unix time in seconds). The times of single cells come from
    the cells that this run has finished, else from earlier ones. The speed is cell seconds per second since the start
    of the first finished cell; it includes process starts, waiting for devices, and parallel jobs.
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


def collapsed(done: list[Cell]) -> list[Cell]:
    """The finished cells whose predictions are equal for all examples."""
    import polars as pl

    if not done:
        return []
    flags = pl.scan_parquet([cell.path for cell in done]).select("collapsed").collect()["collapsed"]
    return [cell for cell, flag in zip(done, flags, strict=True) if flag]


def stale_files(resolved: Resolved) -> list[str]:
    """Paths of stale and broken cells. Deleting them reruns the cells."""
    states = Progress(resolved).look().states
    return [cell.path for cell, state in states.items() if state in ("stale", "broken")]


CLEAR = "\x1b[H\x1b[J"  # cursor to the top left, then clear the screen


def watch(resolved: Resolved, seconds: float, out: TextIO = sys.stdout) -> int:
    """Print the progress every `seconds` until all cells are done (returns 0), or until a run that was active has ended
    with cells left (returns 1).

    On a terminal it redraws a page; otherwise (pipe, file, TERM=dumb) it prints one line each time. Checks the times of
    all files each time, and reads only changed files.
    """
    progress, began, was_running = Progress(resolved), last_began_s() or time.time(), False
    draws = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    while True:
        now = progress.look()
        began = max(began, last_began_s() or began)
        if draws:
            print(CLEAR + "\n".join(page(resolved, now)), file=out, flush=True)
        else:
            print(tick(resolved, now, began), file=out, flush=True)
        if now.counts()["done"] == len(now.states):
            return 0
        running = is_locked() or bool(now.counts()["running"])
        if was_running and not running:
            left = len(now.states) - now.counts()["done"]
            command = resolved.commands.junkdna("status")
            print(f"the run ended with {left} cells not done; for the reasons, run `{command}`", file=out, flush=True)
            return 1
        was_running = running
        time.sleep(seconds)


def tick(resolved: Resolved, now: Snapshot, began_s: float) -> str:
    """The progress in one line, such as "14:02:31  41/63 done, 2 running, 0 failed, about 3 min left"."""
    counts = now.counts()
    counted = [f"{counts['done']}/{len(now.states)} done", f"{counts['running']} running", f"{counts['failed']} failed"]
    counted += [f"{counts[state]} {state}" for state in ("batched", "stale", "broken") if counts[state]]
    if now.left:
        seconds = time_left_s(now, resolved, began_s, time.time())
        counted.append("time left unknown" if seconds is None else f"about {span_text(seconds)} left")
    return f"{time.strftime('%H:%M:%S')}  {', '.join(counted)}"


def page(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    """The progress as a page: total, by experiment, running cells, failed cells, time left."""
    yield f"study {resolved.study.study}, {time.strftime('%H:%M:%S')} (Ctrl-C quits; the run continues)"
    yield from table(resolved, now)
    for cell, log in list(now.began.items())[:8]:
        yield f"running for {span_text(max(time.time() - log.started_s, 0))}: {cell.key}"
    yield from (f"failed: {cell.key}" for cell in now.of("failed")[:4])
    yield left_text(resolved, now) if now.left else "all cells are done"
