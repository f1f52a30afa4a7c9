"""Files that appear whole or not at all, and their hashes."""

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

NO_ROOM = {
    errno.ENOSPC: "no space left on the disk. Free some",
    errno.EDQUOT: "your quota of disk space is used up. Free some",
    errno.EROFS: "the disk is mounted read-only. Mount it writable, or work in a copy elsewhere",
    errno.EACCES: "this user may not write there. Change the owner or the rights",
    errno.EPERM: "this user may not write there. Change the owner or the rights",
}
"""What the system says when a file cannot be written, and what to do."""


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    """A block that writes `target`: no room, a read-only disk or missing rights become a UserError naming the file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = next((NO_ROOM[code] for code in _system_codes(error, target) if code in NO_ROOM), None)
        if reason is None:
            raise
        raise UserError(
            f"{target} cannot be written: {reason} (`df -h {target.parent}` shows the disk), then run again. No half "
            "file is left."
        ) from error


def _system_codes(error: BaseException | None, target: Path) -> Iterator[int]:
    """The system's numbers of an error and of those before it (matplotlib trips over its own half file), where they are
    about `target`; polars and safetensors give the number in their text only."""
    while error is not None:
        told = re.search(r"os error (\d+)", str(error))
        code = getattr(error, "errno", None) or (int(told[1]) if told else None)
        if code is not None and _near(error, target):
            yield code
        error = error.__context__


def _near(error: BaseException, target: Path) -> bool:
    """Whether an error is about a place on the way to `target`, not about some file that is read meanwhile."""
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return named is None or target.absolute().is_relative_to(Path(os.fsdecode(named)).absolute().parent)


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Temporary path beside `target`: renamed onto it when the block ends well, removed when it does not.

    What a killed process left of the same target is removed first. UserError naming `target` where the disk is full or
    cannot be written.
    """
    import fcntl

    with write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_partial_files(target)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent)
        temporary = target.with_name(Path(name).name)  # mkstemp gives an absolute path
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)  # held as long as this process lives: see `remove_partial_files`
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(target)
        finally:
            with suppress(OSError):
                _remove_half(temporary)
            os.close(handle)


def scratch_folder(temporary: Path) -> Path:
    """The folder, not made yet, for a writer that makes temporary files of its own; it goes with `temporary`."""
    return temporary.with_name(f"{temporary.name}.parts")


def is_partial_file(path: Path) -> bool:
    """Whether a file is a temporary one of `atomic_write`, or part of one, which only a kill leaves behind."""
    return (path.name.startswith(".") and path.suffix == ".tmp") or path.parent.name.endswith(".tmp.parts")


def remove_partial_files(target: Path) -> None:
    """Remove temporary files of `target` that no living process is writing; where locks are unknown, none."""
    import fcntl

    for half in target.parent.glob(f".{glob.escape(target.name[:80])}.*.tmp"):
        with suppress(OSError), half.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_half(half)


def _remove_half(half: Path) -> None:
    shutil.rmtree(scratch_folder(half), ignore_errors=True)  # first: only the half tells that it is there
    half.unlink(missing_ok=True)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the right to make `target`: other processes of this machine that ask for it wait until the block ends.

    A lock file beside it, freed by the system when the process dies; it stays behind, empty.
    """
    import fcntl

    with write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = target.with_name(f".{target.name}.lock").open("w")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
