"""Groups failed jobs by cause, judged by their messages: one broken file fails every job that reads it."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from junkdna.run.job_log import last_message

T = TypeVar("T")
_NUMBERS = re.compile(r"\b(process|SLURM job) \d+")


def by_cause(failed: Iterable[T], key: Callable[[T], object]) -> list[list[T]]:
    """Items grouped by equal `key`, in order of first appearance."""
    groups: dict[object, list[T]] = {}
    for item in failed:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def cause_of(log: Path, otherwise: Iterable[str] = (), own: Iterable[str] = ()) -> tuple[str, ...]:
    """The key that failed jobs of one cause share: the last message of the log, with job names and process ids removed.

    `otherwise` replaces the message if there is no log; `own` are the names of the job itself. Messages that differ in
    anything else, such as the file they name, count as different causes.
    """
    lines = last_message(log) or [*otherwise]
    for name in sorted(filter(None, own), key=len, reverse=True):
        lines = [line.replace(name, "(this job)") for line in lines]
    return tuple(_NUMBERS.sub(r"\1", line) for line in lines)


def some(names: list[str], most: int) -> str:
    """Up to `most` names, then the number of the rest."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
