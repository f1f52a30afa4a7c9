"""Runs jobs that may kill themselves, each in a fork of this process, which imports once and computes nothing."""

import os
import signal
from collections.abc import Callable, Iterable


def die() -> None:
    """Kill this process with SIGKILL, which no code can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


def run_forked(run: Callable[..., None], jobs: Iterable[dict]) -> None:
    """`run(**job)` for every job, one after the other. A job ends without error if its "kill" is None, else by `die`;
    AssertionError otherwise."""
    for job in jobs:
        child = os.fork()
        if not child:
            run(**job)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        wanted = 0 if job["kill"] is None else signal.SIGKILL
        assert status == wanted, f"{job['settings']['cell']} {job['kill']}: ended with {status}, not {wanted}"
