"""Folders and files of this machine, as a study names them: `~` and `*` are special, nothing else is."""

import re
from fnmatch import translate
from pathlib import Path, PurePosixPath

from junkdna.errors import UserError, short_repr


def local_folder(given: str, root: Path = Path()) -> Path:
    """The folder that a study names, `~` and `~user` filled in; a relative one starts at `root`.

    UserError for the home folder of nobody. Does not look whether the folder is there.
    """
    try:
        return root / Path(given).expanduser()
    except RuntimeError:
        raise UserError(f"folder {short_repr(given)}: there is no such home folder. Write the whole path.") from None


def matching(folder: Path, pattern: str) -> list[Path]:
    """What a relative path names below `folder`, sorted; `*` stands for any characters within one name.

    At the start of a name, `*` does not match hidden files (".a"). Other characters stand for themselves, `?` and `[`
    too: a file may have them in its name. Empty where nothing matches. OSError passes through.
    """
    found = [folder]
    for part in PurePosixPath(pattern).parts:
        if "*" in part:
            wanted = one_name(part)
            found = [path for start in found if start.is_dir() for path in start.iterdir() if wanted.match(path.name)]
        else:
            found = [start / part for start in found if (start / part).exists()]
    return sorted(found)


def one_name(part: str) -> re.Pattern:
    """Pattern of one part of a path, in which only `*` is special; at the start it does not match hidden names."""
    shown_only = r"(?!\.)" if part.startswith("*") else ""
    return re.compile(shown_only + translate(re.sub(r"[\[?]", lambda match: f"[{match[0]}]", part)))
