"""Snakemake runs in this folder: start of the last run, lock, and live processes."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

LOCKS = Path(".snakemake/locks")
LOGS = Path(".snakemake/log")


def last_began_s() -> float | None:
    """Start of the last run in this folder as Unix time in seconds; None without a record of one."""
    try:
        newest = max(LOGS.glob("*.snakemake.log"))
        return datetime.strptime(newest.name.split(".")[0], "%Y-%m-%dT%H%M%S").timestamp()
    except ValueError:
        return None


def is_locked() -> bool:
    """Whether this folder is locked by a run, which may have been killed."""
    return any(LOCKS.glob("[!.]*"))


def live_runs() -> list[int] | None:
    """Ids of the processes on this machine that run Snakemake in this folder; None without /proc.

    Runs on other machines (such as a second login node) are not detected.
    """
    if not Path("/proc/self/cmdline").exists():
        return None
    return processes_here(lambda words: any(word.rpartition(b"/")[2] == b"snakemake" for word in words[:4]))


def processes_here(matches: Callable[[list[bytes]], bool]) -> list[int]:
    """Ids of other processes on this machine with this working folder and a command line that `matches`; [] without
    /proc."""
    ids = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another user
            words = (process / "cmdline").read_bytes().split(b"\0")
            if matches(words) and os.readlink(process / "cwd") == os.getcwd():
                ids.append(int(process.name))
    return sorted({*ids} - {os.getpid()})
