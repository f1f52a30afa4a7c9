"""Folders that are complete or do not exist."""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.atomic import write_errors


def check_free(target: Path, option: str) -> None:
    """Raises UserError, naming the command line `option`, unless `target` does not exist or is an empty folder."""
    if target.is_dir() and any(target.iterdir()):
        raise UserError(f"{option} {target}: the folder is not empty, and nothing is overwritten. Name a new folder.")
    if target.exists() and not target.is_dir():
        raise UserError(f"{option} {target}: is a file. Name a new folder.")


def check_own(target: Path, file: str, mark: str, command: str) -> None:
    """Raises UserError if the folder `target` has other contents than earlier results of `command`, whose JSON `file`
    has the key `mark`."""
    if target.exists() and not target.is_dir():
        raise UserError(f"--out {target} is a file. Name a folder.")
    if not target.is_dir() or not any(target.iterdir()):
        return
    try:
        mine = mark in json.loads((target / file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        mine = False
    if not mine:
        raise UserError(
            f"--out {target} has files that `{command}` did not write; it would replace them. Name another folder."
        )


@contextmanager
def atomic_folder(target: Path, replace: bool = False) -> Iterator[Path]:
    """A temporary folder next to `target`: renamed to `target` after the block, removed if the block fails.

    `target` must be free (`check_free`), unless `replace` removes an earlier folder there, after the block. Folders
    that killed processes left for the same target are removed first. Raises UserError if the disk is full or not
    writable, or if `target` was written meanwhile.
    """
    import fcntl

    with write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(target)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent))
        handle = os.open(temporary, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield temporary
            for path in (temporary, *temporary.rglob("*")):  # safetensors writes files for their owner only
                path.chmod(0o755 if path.is_dir() else 0o644)
            if replace and target.is_dir():
                _swap(temporary, target)
            else:
                check_free(target, "while writing")
                temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            os.close(handle)


def _swap(new: Path, target: Path) -> None:
    """Renames a folder to `target`, whose earlier folder is then removed, or is there again if that fails."""
    old = Path(tempfile.mkdtemp(prefix=f".{target.name[:80]}.", suffix=".tmp", dir=target.parent))
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove_left(target: Path) -> None:
    """Removes temporary folders of `target` that no running process is writing."""
    import fcntl

    for left in target.parent.glob(f".{glob.escape(target.name[:80])}.*.tmp"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)
