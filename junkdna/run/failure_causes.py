"""Failures of one cause, told by their messages, as one: a broken file fails every job that reads it."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from junkdna.run.job_log import last_message

T = TypeVar("T")
_NUMBERS = re.compile(r"\b(process|SLURM job) \d+")


def by_cause(failed: Iterable[T], key: Callable[[T], object]) -> list[list[T]]:
    """Those of equal `key` together, in the order of the first of each."""
    found: dict[object, list[T]] = {}
    for each in failed:
        found.setdefault(key(each), []).append(each)
    return list(found.values())


def cause_of(log: Path, otherwise: Iterable[str] = (), own: Iterable[str] = ()) -> tuple[str, ...]:
    """What two failed jobs must share to be of one cause: the last message of the job's log (`otherwise` where there is
    none), without the job's `own` names and without numbers of processes.

    Messages that differ in anything else, such as the file they name, stay apart.
    """
    lines = last_message(log) or [*otherwise]
    for name in sorted(filter(None, own), key=len, reverse=True):
        lines = [line.replace(name, "(this job)") for line in lines]
    return tuple(_NUMBERS.sub(r"\1", line) for line in lines)


def some(names: list[str], most: int) -> str:
    """Up to `most` names, then how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
