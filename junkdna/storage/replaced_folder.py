"""Folders of results that a command writes completely or not at all, in place of its earlier results."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.atomic import write_errors


def check_own(target: Path, file: str, mark: str, command: str) -> None:
    """UserError if the folder `target` has other contents than earlier results of `command`, whose JSON `file` has the
    key `mark`."""
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
def replaced_folder(target: Path) -> Iterator[Path]:
    """A new folder, renamed to `target` after the block; earlier results there are removed afterwards. If the block
    fails, the new folder is removed and `target` stays. Raises UserError if the disk is full or not writable."""
    new = target.absolute().with_name(f".{target.absolute().name}.new")
    with write_errors(target):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            yield new
            _replace(new, target)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _replace(new: Path, target: Path) -> None:
    old = new.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
