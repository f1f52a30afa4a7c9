"""Local folders and files as a study names them: only `~` and `*` are special."""

import os
import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from pathlib import Path, PurePosixPath

from junkdna.errors import UserError, short_repr


def local_folder(name: str, root: Path = Path()) -> Path:
    """The folder that a study names, with `~` and `~user` expanded; a relative path starts at `root`.

    Raises UserError for the home folder of an unknown user. Does not check that the folder exists.
    """
    try:
        return root / Path(name).expanduser()
    except RuntimeError:
        raise UserError(f"folder {short_repr(name)}: this home folder does not exist. Write the full path.") from None


class NoMatch(Exception):
    """No name matches the component `part` of a pattern. `before` is the pattern up to it, `inside` one path that
    matches `before`, and `names` are all names in the folders that match it."""

    def __init__(self, part: str, before: str, inside: str, names: set[str]) -> None:
        super().__init__(part)
        self.part, self.before, self.inside, self.names = part, before, inside, names


def glob(pattern: str, names_in: Callable[[str], Iterable[str]]) -> list[str]:
    """The relative paths that match `pattern`, sorted; `*` matches any characters within one name.

    `names_in` returns the names in a folder ("" is the top), and none for a file. At the start of a name, `*` does not
    match hidden names (".a"). All other characters, also `?` and `[`, match themselves. Raises `NoMatch` if no path
    matches.
    """
    parts = PurePosixPath(pattern).parts
    paths = [""]
    for depth, part in enumerate(parts):
        name_pattern = one_name(part)
        below = [(path, name) for path in paths for name in names_in(path)]
        matches = [f"{path}/{name}" if path else name for path, name in below if name_pattern.match(name)]
        if not matches:
            raise NoMatch(part, "/".join(parts[:depth]), paths[0], {name for _, name in below})
        paths = matches
    return sorted(paths)


def names_in_folder(folder: Path) -> Callable[[str], list[str]]:
    """The argument `names_in` of `glob` for a local folder. OSError passes through."""
    return lambda path: os.listdir(folder / path) if (folder / path).is_dir() else []


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files and folders below `folder` that match `pattern` (see `glob`); empty if none match."""
    try:
        paths = [folder / path for path in glob(pattern, names_in_folder(folder))]
    except NoMatch:
        return []
    return [path for path in paths if path.exists()]


def one_name(part: str) -> re.Pattern:
    """The regular expression for one component of a pattern; a `*` at its start matches no hidden names."""
    not_hidden = r"(?!\.)" if part.startswith("*") else ""
    return re.compile(not_hidden + translate(re.sub(r"[\[?]", lambda match: f"[{match[0]}]", part)))
