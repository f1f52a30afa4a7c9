"""Files that a command was told to read and that are not there: which command makes them."""

from pathlib import Path, PurePath

from junkdna.errors import UserError
from junkdna.storage.study_commands import make_command

MADE = ("calibration", "cells", "compressed", "examples", "models", "sources", "studies", "tokens")  # below results/


def not_there(path: Path, what: str) -> UserError:
    """Error for an input that does not exist; `what` should be there. Returned, not raised."""
    fix = making(path) or "paths start at the working folder: is the name right, and is this the folder of the run?"
    article = "an" if what[:1] in "aeiou" else "a"
    return UserError(f"{path} does not exist, where {article} {what} should be: {fix}")


def making(path: Path) -> str:
    """A sentence with the command that makes a file of the workflow alone; "" for any other file."""
    parts = PurePath(path).parts
    if len(parts) < 3 or parts[0] != "results" or parts[1] not in MADE:
        return ""
    return f"{make_command(path)} makes it."
