"""Whether a file on the way to a cell was made from what its reader's settings say; one error for all that were not."""

from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.study_commands import make_command


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
