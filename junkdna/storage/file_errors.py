"""Errors for files of the workflow that are missing, damaged or made from other inputs, with the command to rebuild."""

from pathlib import Path, PurePath

from junkdna.errors import UserError
from junkdna.storage.study_commands import make_command

MADE = (  # below results/
    "calibration", "cells", "compressed", "connectivity", "examples", "models", "sources", "studies", "tokens",
)  # fmt: skip


def not_there(path: Path, what: str) -> UserError:
    """Error for an input that does not exist; `what` should be there. Returned, not raised."""
    fix = making(path) or "paths start at the working folder: is the name right, and is this the folder of the run?"
    article = "an" if what[:1] in "aeiou" else "a"
    return UserError(f"{path} does not exist, where {article} {what} should be: {fix}")


def corrupt_file(path: Path, what: str, reason: object) -> UserError:
    """UserError for a file that is corrupt, unreadable (`reason` is an OSError) or missing (a FileNotFoundError).

    The message names the command that builds the file. Returned, not raised.
    """
    if isinstance(reason, FileNotFoundError):
        return not_there(path, what)
    if isinstance(reason, OSError):
        return UserError(f"{path}, {what}, cannot be read: {reason.strerror or reason}.")
    return UserError(f"{path} is a corrupt {what} ({reason}). {replacing(path)}")


def check_made_from(path: Path | str, recorded: object, wanted: str) -> None:
    """UserError where `recorded`, the digest of the settings that made `path`, is not the one its reader counts on."""
    if recorded != wanted:
        raise not_as_described(
            path,
            f"was made from other settings (digest {recorded or 'missing'}) than its reader asks for ({wanted}): by "
            "another study, from another source or other limits, or by older code",
        )


def check_same_bytes(path: Path | str, recorded: object, other: Path | str, current: str | None) -> None:
    """UserError where `path` was made from other contents of `other` than those it has now (None: it is not there)."""
    if current is not None and recorded != current:
        raise not_as_described(path, f"was made from other contents of {other} than those that are there now")


def not_as_described(path: Path | str, why: str) -> UserError:
    """Error for an input that is whole but not the one that is meant. Returned, not raised."""
    return UserError(f"{path} {why}. Rebuild it: {make_command(path, '--force')}.")


def replacing(path: Path) -> str:
    """A sentence that says how to get a corrupt file again: runs rebuild only what is below a folder `results`."""
    if command := making(path):
        return f"Delete it and rerun: {command}"
    if "results" in PurePath(path).parts:
        return "Delete it and rerun: the run rebuilds it."
    return "No run rebuilds it: get it again from where it came from."


def making(path: Path) -> str:
    """A sentence with the command that makes a file of the workflow alone; "" for any other file."""
    parts = PurePath(path).parts
    if len(parts) < 3 or parts[0] != "results" or parts[1] not in MADE:
        return ""
    return f"{make_command(path)} makes it."
