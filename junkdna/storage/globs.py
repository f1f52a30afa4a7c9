"""Folders and files of this machine, as a study names them: `~` and `*` are special, nothing else is."""

import os
import re
from collections.abc import Callable, Iterable
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


class NoMatch(Exception):
    """Nothing fits the part `part` of a pattern. `before` is the pattern up to it, `inside` one path that fits that,
    and `names` are all names found there."""

    def __init__(self, part: str, before: str, inside: str, names: set[str]) -> None:
        super().__init__(part)
        self.part, self.before, self.inside, self.names = part, before, inside, names


def glob(pattern: str, names_in: Callable[[str], Iterable[str]]) -> list[str]:
    """The relative paths that `pattern` names, sorted; `*` stands for any characters within one name.

    `names_in` gives the names in a folder ("" is the top), none for a file. At the start of a name, `*` does not match
    hidden ones (".a"). Other characters stand for themselves, `?` and `[` too. Raises `NoMatch` where nothing matches.
    """
    parts = PurePosixPath(pattern).parts
    paths = [""]
    for depth, part in enumerate(parts):
        wanted = one_name(part)
        below = [(path, name) for path in paths for name in names_in(path)]
        further = [f"{path}/{name}" if path else name for path, name in below if wanted.match(name)]
        if not further:
            raise NoMatch(part, "/".join(parts[:depth]), paths[0], {name for _, name in below})
        paths = further
    return sorted(paths)


def names_in_folder(folder: Path) -> Callable[[str], list[str]]:
    """What `glob` asks of a folder of this machine. OSError passes through."""

    def names_in(path: str) -> list[str]:
        return os.listdir(folder / path) if (folder / path).is_dir() else []

    return names_in


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files and folders that `pattern` names below `folder`, as `glob` does; empty where nothing matches."""
    try:
        paths = [folder / path for path in glob(pattern, names_in_folder(folder))]
    except NoMatch:
        return []
    return [path for path in paths if path.exists()]


def one_name(part: str) -> re.Pattern:
    """Pattern of one part of a path, in which only `*` is special; at the start it does not match hidden names."""
    shown_only = r"(?!\.)" if part.startswith("*") else ""
    return re.compile(shown_only + translate(re.sub(r"[\[?]", lambda match: f"[{match[0]}]", part)))
