"""What a job's log says of the job: where it runs or ran, how it ended, and its last lines."""

import logging
import os
import re
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from junkdna.errors import SCREEN_TEXT, cut
from junkdna.run.process import output_of

FINISHED = "finished"
FAILED = "failed with exit code"
_OPENED = re.compile(r"^(\S+ \S+?)(?:,\d+)? started on (\S+) as process (\d+)(?: in SLURM job (\S+))?$")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
_END_BYTES = 20_000
MESSAGE_TEXT = SCREEN_TEXT  # characters: a `UserError` has no more


@dataclass(frozen=True)
class JobLog:
    """A job as its log tells it. `end` is "finished", "failed", or "" where the log does not say how it ended."""

    host: str
    pid: int
    slurm_job: str
    started_s: float
    end: str


def opening() -> str:
    """The line that a job's log begins with: machine, process and, inside SLURM, the SLURM job."""
    job = os.environ.get("SLURM_JOB_ID")
    return f"started on {socket.gethostname()} as process {os.getpid()}{f' in SLURM job {job}' if job else ''}"


def closing(code: int) -> str:
    """The line that a job's log ends with, where the job lived to write it."""
    return f"{FAILED} {code}" if code else FINISHED


class _LogFile(logging.FileHandler):
    """A log file; what the disk does not take goes to stderr, without a traceback of the logging itself."""

    def handleError(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def log_file(path: Path) -> logging.Handler | None:
    """A handler that begins the log at `path` anew; None, said on stderr, where the file cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _LogFile(path, mode="w")
    except OSError as error:
        sys.stderr.write(f"no log at {path} ({error.strerror}): it goes to stderr.\n")
        return None


def read_log(path: Path) -> JobLog | None:
    """What the log at `path` tells; None where there is none, or none of a job that has started. OSError passes."""
    try:
        with path.open("rb") as file:
            first = file.readline(1000).decode(errors="replace").rstrip("\n")
    except FileNotFoundError:
        return None
    found = _OPENED.match(first)
    if not found:
        return None
    stamp, host, pid, job = found.groups()
    last = _without_stamp((_ending(path) or [""])[-1])
    end = FINISHED if last == FINISHED else "failed" if last.startswith(FAILED) else ""
    return JobLog(host, int(pid), job or "", time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S")), end)


def last_lines(path: Path, count: int, most: int) -> list[str]:
    """The last `count` lines of a log that are not empty, or its whole last message where that has more; without times
    and without the lines that say who began it (unless that is all) and how it ended. [] where there is no log.

    Of a message of more than `most` lines, the first and the last `count`. A line of the last message is cut to
    `MESSAGE_TEXT` characters and one before it to 300, each in its middle: the end of a message is the fix.
    """
    lines, size = _said(path)
    message, before = lines[len(lines) - size :], lines[: len(lines) - size]
    kept = [*message[:1], "...", *message[-count:]] if size > max(most, count + 1) else message
    kept = [cut(line, MESSAGE_TEXT) for line in kept]
    return [*(cut(line, 300) for line in before[len(before) - max(count - len(kept), 0) :]), *kept]


def last_message(path: Path) -> list[str]:
    """All lines of the last message of a log, as `last_lines` has them; [] for a log that does not say when it was
    written, such as SLURM's."""
    lines, size = _said(path)
    return lines[len(lines) - size :]


def _said(path: Path) -> tuple[list[str], int]:
    """The lines of a log that are not empty, without times, opening and closing, and how many of them, at the end, are
    its last message (0 where nothing tells where that begins)."""
    lines = [line for line in _ending(path) if _without_stamp(line).strip()]
    if lines and _without_stamp(lines[-1]).startswith((FINISHED, FAILED)):
        lines.pop()
    if len(lines) > 1 and _OPENED.match(lines[0]):
        lines.pop(0)
    size = next((n for n, line in enumerate(reversed(lines), start=1) if _STAMP.match(line)), 0)
    return [_without_stamp(line) for line in lines], size


def why_it_ended(path: Path, count: int, most: int) -> list[str]:
    """The `last_lines` of a job that failed; a log that has only begun tells of a job that was ended from outside."""
    lines = last_lines(path, count, most)
    if len(lines) == 1 and _OPENED.match(f"0 0 {lines[0]}"):
        return [f"{lines[0]}, and ended without a word (killed, out of memory or time, or its machine was lost)"]
    return lines


def _ending(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _END_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _without_stamp(line: str) -> str:
    return _STAMP.sub("", line)


def is_running(log: JobLog, slurm_jobs: set[str] | None) -> bool | None:
    """Whether the job of a log still runs; None where that cannot be known here.

    A process of this machine is looked up. One inside a SLURM job of another machine runs while that job stands in
    `slurm_jobs` (`running_slurm_jobs`). Of other processes on other machines nothing is known but an end in the log.
    """
    if log.end:
        return False
    if log.host == socket.gethostname():
        return _is_ours(log.pid)
    return None if not log.slurm_job or slurm_jobs is None else log.slurm_job in slurm_jobs


def _is_ours(pid: int) -> bool:
    """Whether a process of that number lives and is one of this program's: numbers are given out again."""
    command = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return b"junkdna" in command.read_bytes()
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def running_slurm_jobs() -> set[str] | None:
    """Numbers of this user's SLURM jobs that are not over yet; None where `squeue` is not there or does not answer."""
    said = output_of("squeue", "--me", "--noheader", "--format", "%A")
    return None if said is None else {*said.split()}
