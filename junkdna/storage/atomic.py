"""Atomic writes: a file is complete or does not exist."""

import errno
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from junkdna.errors import UserError

WRITE_PROBLEMS = {
    errno.ENOSPC: "no space left on the disk. Free some",
    errno.EDQUOT: "your quota of disk space is used up. Free some",
    errno.EROFS: "the disk is mounted read-only. Mount it writable, or use a copy of the project on another disk",
    errno.EACCES: "this user may not write there. Change the owner or the permissions",
    errno.EPERM: "this user may not write there. Change the owner or the permissions",
    errno.ENOTDIR: "a part of its path is a file. Name another folder",
    errno.EEXIST: "a part of its path is a file. Name another folder",
}
"""Error code of the system -> why a file cannot be written, and the fix."""


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    """Turns a full or read-only disk and missing permissions into a UserError that names `target`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = next((WRITE_PROBLEMS[code] for code in _system_codes(error, target) if code in WRITE_PROBLEMS), None)
        if reason is None:
            raise
        raise UserError(
            f"{target} cannot be written: {reason} (`df -h {target.parent}` shows the disk), then rerun. No partial "
            "file is left."
        ) from error


def _system_codes(error: BaseException | None, target: Path) -> Iterator[int]:
    """The system's error codes of an error and its predecessors that concern `target`.

    Predecessors count because matplotlib raises another error for its own partial file. polars and safetensors give the
    code only in their message.
    """
    while error is not None:
        match = re.search(r"os error (\d+)", str(error))
        code = getattr(error, "errno", None) or (int(match[1]) if match else None)
        if code is not None and _concerns(error, target):
            yield code
        error = error.__context__


def _concerns(error: BaseException, target: Path) -> bool:
    """Whether an error is about `target` or a folder of it, not about a file that is read in the same block."""
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return name is None or target.absolute().is_relative_to(Path(os.fsdecode(name)).absolute().parent)


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """A temporary path in the folder of `target`: renamed to `target` after the block, removed if the block fails.

    Partial files of the same target from killed processes are removed first. Raises UserError naming `target` if the
    disk is full or not writable.
    """
    import fcntl

    with write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_partial_files(target)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent)
        temporary = target.with_name(Path(name).name)  # mkstemp returns an absolute path
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)  # released when this process ends: see `remove_partial_files`
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(target)
        finally:
            with suppress(OSError):
                _remove_partial(temporary)
            os.close(handle)


def scratch_folder(temporary: Path) -> Path:
    """The path of a folder, not created here, for a writer's own temporary files; removed with `temporary`."""
    return temporary.with_name(f"{temporary.name}.parts")


def is_partial_file(path: Path) -> bool:
    """Whether a file is a temporary file of `atomic_write`, or in its scratch folder, which a killed process left."""
    return (path.name.startswith(".") and path.suffix == ".tmp") or path.parent.name.endswith(".tmp.parts")


def remove_partial_files(target: Path) -> None:
    """Removes temporary files of `target` that no running process is writing; none on a file system without locks."""
    import fcntl

    for temporary in target.parent.glob(f".{glob.escape(target.name[:80])}.*.tmp"):
        with suppress(OSError), temporary.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_partial(temporary)


def _remove_partial(temporary: Path) -> None:
    shutil.rmtree(scratch_folder(temporary), ignore_errors=True)  # first, because only the file leads to the folder
    temporary.unlink(missing_ok=True)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Locks `target` on this machine: other processes that lock it wait until the block ends.

    The system releases the lock if the process dies. The empty lock file in the target's folder is not removed.
    """
    import fcntl

    with write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = target.with_name(f".{target.name}.lock").open("w")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
