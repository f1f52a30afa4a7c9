"""`junkdna status --watch`: the state of a run again and again, as plain text, until all cells are done."""

import os
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from junkdna.cell_time import time_left_s
from junkdna.progress import Progress, Snapshot
from junkdna.sizes import span_text
from junkdna.snakemake_runs import is_locked, last_began_s
from junkdna.status import left_text, table
from junkdna.study import Resolved

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
    parts += [f"{counts[state]} {state}" for state in ("ahead", "stale", "broken") if counts[state]]
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
