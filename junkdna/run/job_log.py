"""The logs of jobs: machine and process, outcome, and last lines."""

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
MESSAGE_TEXT = SCREEN_TEXT  # characters, the maximum of a `UserError`


@dataclass(frozen=True)
class JobLog:
    """A job according to its log. `end` is "finished", "failed", or "" if the log does not say."""

    host: str
    pid: int
    slurm_job: str
    started_s: float
    end: str


def opening() -> str:
    """The first line of a job's log: machine, process and, inside SLURM, the SLURM job."""
    job = os.environ.get("SLURM_JOB_ID")
    return f"started on {socket.gethostname()} as process {os.getpid()}{f' in SLURM job {job}' if job else ''}"


def closing(code: int) -> str:
    """The last line of a job's log, which is missing if the job was killed."""
    return f"{FAILED} {code}" if code else FINISHED


class _LogFile(logging.FileHandler):
    """A log file; records that cannot be written to it go to stderr, without a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def log_file(path: Path) -> logging.Handler | None:
    """A handler that overwrites the log at `path`; None, with a message on stderr, if the file cannot be created."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _LogFile(path, mode="w")
    except OSError as error:
        sys.stderr.write(f"the log {path} cannot be written ({error.strerror}); logging to stderr instead.\n")
        return None


def read_log(path: Path) -> JobLog | None:
    """The job of the log at `path`; None without a log, or if no job has started. OSError passes through."""
    try:
        with path.open("rb") as file:
            first = file.readline(1000).decode(errors="replace").rstrip("\n")
    except FileNotFoundError:
        return None
    match = _OPENED.match(first)
    if not match:
        return None
    stamp, host, pid, job = match.groups()
    last = _without_stamp((_ending(path) or [""])[-1])
    end = FINISHED if last == FINISHED else "failed" if last.startswith(FAILED) else ""
    return JobLog(host, int(pid), job or "", time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S")), end)


def why_it_ended(path: Path, count: int, most: int) -> list[str]:
    """The last `count` nonempty lines of a failed job's log, or its complete last message if that is longer; [] without
    a log. Says that the job was killed if the log contains only the opening line.

    Leaves out times, the opening and the closing line. Of a message of more than `most` lines, keeps the first and the
    last `count`. Lines are cut in the middle, because a message ends with the fix: those of the last message to
    `MESSAGE_TEXT` characters, earlier ones to 300.
    """
    before, message = _messages(path)
    if not before and len(message) == 1 and _OPENED.match(f"0 0 {message[0]}"):
        return [f"{message[0]}, and ended without a message (killed, out of memory or time, or its machine failed)"]
    kept = [*message[:1], "...", *message[-count:]] if len(message) > max(most, count + 1) else message
    kept = [cut(line, MESSAGE_TEXT) for line in kept]
    return [*(cut(line, 300) for line in before[len(before) - max(count - len(kept), 0) :]), *kept]


def last_message(path: Path) -> list[str]:
    """All lines of the last message of a log without times; [] for a log without times, such as SLURM's."""
    return _messages(path)[1]


def _messages(path: Path) -> tuple[list[str], list[str]]:
    """The nonempty lines of a log before its last message, and those of this message ([] if no line has a time).

    Without times, and without the opening line, unless it is the only one, and the closing line.
    """
    lines = [line for line in _ending(path) if _without_stamp(line).strip()]
    if lines and _without_stamp(lines[-1]).startswith((FINISHED, FAILED)):
        lines.pop()
    if len(lines) > 1 and _OPENED.match(lines[0]):
        lines.pop(0)
    size = next((n for n, line in enumerate(reversed(lines), start=1) if _STAMP.match(line)), 0)
    texts = [_without_stamp(line) for line in lines]
    return texts[: len(texts) - size], texts[len(texts) - size :]


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
    """Whether the job of a log is still running; None if unknown.

    On this machine it looks for the process. On other machines, a process inside a SLURM job runs while `slurm_jobs`
    (`running_slurm_jobs`) contains that job; for all others, only an end in the log is known.
    """
    if log.end:
        return False
    if log.host == socket.gethostname():
        return _is_junkdna(log.pid)
    return None if not log.slurm_job or slurm_jobs is None else log.slurm_job in slurm_jobs


def _is_junkdna(pid: int) -> bool:
    """Whether a process with this id exists and is a junkdna process, because ids are reused."""
    if Path("/proc/self/cmdline").exists():
        try:
            return b"junkdna" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # the process of another user
    return True


def running_slurm_jobs() -> set[str] | None:
    """Ids of this user's unfinished SLURM jobs; None if `squeue` is missing or fails."""
    output = output_of("squeue", "--me", "--noheader", "--format", "%A")
    return None if output is None else {*output.split()}
