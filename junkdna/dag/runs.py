"""Runs of Snakemake in this folder: when the last one began, whether one holds the lock, whether one is alive."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

LOCKS = Path(".snakemake/locks")
LOGS = Path(".snakemake/log")


def last_began_s() -> float | None:
    """When the last run of this folder began, in seconds of the clock; None where there is no record of one."""
    try:
        newest = max(name for name in os.listdir(LOGS) if name.endswith(".snakemake.log"))
        return datetime.strptime(newest.split(".")[0], "%Y-%m-%dT%H%M%S").timestamp()
    except (OSError, ValueError):
        return None


def is_locked() -> bool:
    """Whether a run holds this folder's lock, or was killed while it did."""
    try:
        return any(not name.startswith(".") for name in os.listdir(LOCKS))
    except OSError:
        return False


def live_runs() -> list[int] | None:
    """Processes of this machine that run Snakemake in this folder; None where processes cannot be looked at.

    Of a run on another machine (a second login node) nothing is seen.
    """
    if not Path("/proc/self/cmdline").exists():
        return None
    return processes_here(lambda words: any(word.rpartition(b"/")[2] == b"snakemake" for word in words[:4]))


def processes_here(fits: Callable[[list[bytes]], bool]) -> list[int]:
    """Other processes of this machine whose working folder is this one and whose command line fits; none where
    processes cannot be looked at."""
    here, found = os.getcwd(), []
    for name in os.listdir("/proc") if Path("/proc").is_dir() else []:
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            if fits(words) and os.readlink(f"/proc/{name}/cwd") == here:
                found.append(int(name))
        except OSError:
            continue
    return sorted(found)
