"""The text of a YAML file, and what a person reads where it is not YAML: the line, the cause, the fix."""

import re
from difflib import get_close_matches
from pathlib import Path

import yaml

from junkdna.errors import UserError, cut, short_repr

MAX_BYTES = 500_000  # of a file: PyYAML reads about 100 kB a second
ENDINGS = (".yaml", ".yml")
HINTS = {  # what PyYAML says -> what a person did
    "mapping values are not allowed here": "a text that holds ': ' goes into quotes, and the keys of one mapping stand "
    "under one another, equally far in",
    "cannot start any token": "a text that begins with this character goes into quotes",
    "could not find expected ':'": "each key needs a colon and a blank after it",
    "found undefined alias": "a text that begins with * goes into quotes",
    "could not determine a constructor": "a text that begins with ! goes into quotes",
    "expected alphabetic or numeric character": "a text that begins with & or * goes into quotes",
    "expected <block end>": "the lines of one list or mapping start in the same column, and nothing follows a closing "
    "quote",
    "expected ',' or ']'": "a bracket is not closed, or a comma is missing",
    "expected ',' or '}'": "a brace is not closed, or a comma is missing",
    "while scanning a quoted scalar": "a quote is not closed",
    "unknown escape character": "a text with backslashes goes into single quotes, as in '\\d+'",
    "expected a single document": "take the second `---` line away",
}


def text_of(path: Path) -> str:
    """The text of a file in UTF-8. UserError for one that is not there, cannot be read, is too long or is not text."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; paths start at the working folder{files_near(path)}.") from None
    except IsADirectoryError:
        raise UserError(f"{path} cannot be read: it is a folder; name a YAML file{_inside(path)}.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{path} has more than {MAX_BYTES:,} bytes: no study or task file is so long. Is it data?")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} cannot be read: line {line} is not UTF-8 ({error.reason}). Save it as UTF-8; if it is data, name "
            "a YAML file instead."
        ) from None
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text[: control.start()].count("\n") + 1
        raise UserError(f"{path} is not valid YAML: line {line} holds the control character {control.group()!r}.")
    return text


def files_near(path: Path) -> str:
    """What follows "FILE does not exist": files of its folder with names like it, or else the YAML files there."""
    try:
        if not path.parent.is_dir():
            return f": there is no folder {cut(str(path.parent), 200)}"
        names = sorted(file.name for file in path.parent.iterdir() if file.suffix in ENDINGS)
    except (OSError, ValueError):
        return ""
    close = get_close_matches(path.name[:80], names, n=3, cutoff=0.6)
    if close:
        return f"; close names: {', '.join(str(path.parent / name) for name in close)}"
    return _listed(names)


def _inside(folder: Path) -> str:
    try:
        return _listed(sorted(str(file) for file in folder.iterdir() if file.suffix in ENDINGS))
    except OSError:
        return ""


def _listed(names: list[str]) -> str:
    return f" (YAML files there: {cut(', '.join(names[:8]), 400)})" if names else ""


def syntax_message(error: Exception, text: str) -> str:
    """What is wrong with a text that PyYAML refused, on one line; `error` is what it raised."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return f"{' '.join(str(error).split())}."
    lines = text.splitlines() or [""]
    number = min(mark.line, len(lines) - 1)
    problem = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    if tab := number + 1 if r"'\t'" in problem else _tab_line(lines, number):
        return f"line {tab} holds a tab where YAML takes only blanks; use spaces ({short_repr(lines[tab - 1])})."
    hint = next((fix for said, fix in HINTS.items() if said in problem), "")
    said = " ".join(str(getattr(error, "problem", None) or error).split())
    shown_line = f" ({short_repr(lines[number].strip())})" if lines[number].strip() else ""
    return f"line {mark.line + 1}, column {mark.column + 1}{shown_line}: {said}{f'; {hint}' if hint else ''}."


def _tab_line(lines: list[str], number: int) -> int:
    """The number, from 1, of the line at which a tab broke the reading: the one named, or one just before; else 0."""
    for at in (number, number - 1):
        if at >= 0 and re.match(r"[ \-?:]*\t|[^#'\"]*:\s*\t", lines[at]):
            return at + 1
    return 0
