"""The text of a YAML file, and messages about syntax errors in it: the line, the cause, the fix."""

import re
from difflib import get_close_matches
from pathlib import Path

import yaml

from junkdna.errors import UserError, cut, short_repr

MAX_BYTES = 500_000  # of a file; PyYAML reads about 100 kB per second
ENDINGS = (".yaml", ".yml")
HINTS = {  # part of PyYAML's message -> how to fix the likely cause
    "mapping values are not allowed here": "put a text with ': ' in quotes; indent the keys of a mapping equally",
    "cannot start any token": "put a text that begins with this character in quotes",
    "could not find expected ':'": "write a colon and a blank after each key",
    "found undefined alias": "put a text that begins with * in quotes",
    "could not determine a constructor": "put a text that begins with ! in quotes",
    "expected alphabetic or numeric character": "put a text that begins with & or * in quotes",
    "expected <block end>": "start all lines of a list or mapping in the same column, with nothing after a "
    "closing quote",
    "expected ',' or ']'": "a bracket is not closed, or a comma is missing",
    "expected ',' or '}'": "a brace is not closed, or a comma is missing",
    "while scanning a quoted scalar": "a quote is not closed",
    "unknown escape character": "put a text with backslashes in single quotes, as in '\\d+'",
    "expected a single document": "remove the second `---` line",
}


def text_of(path: Path) -> str:
    """The text of a UTF-8 file. Raises UserError if it does not exist, cannot be read, is too long or is not text."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist. Paths start at the working directory{files_near(path)}.") from None
    except IsADirectoryError:
        raise UserError(f"{path} cannot be read because it is a folder. Name a YAML file{_inside(path)}.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{path} has more than {MAX_BYTES:,} bytes, too many for a study or task file. Is it data?")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} cannot be read: line {line} is not UTF-8 ({error.reason}). Save it as UTF-8 or, if it is data, "
            "name a YAML file instead."
        ) from None
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text[: control.start()].count("\n") + 1
        raise UserError(f"{path} is not valid YAML: line {line} contains the control character {control.group()!r}.")
    return text


def files_near(path: Path) -> str:
    """The end of a message that a file does not exist: similar names in its folder, else the YAML files in it."""
    try:
        if not path.parent.is_dir():
            return f", but the folder {cut(str(path.parent), 200)} does not exist"
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
    return f" (YAML files in it: {cut(', '.join(names[:8]), 400)})" if names else ""


def syntax_message(error: Exception, text: str) -> str:
    """A one-line message for the `error` that PyYAML raised for a text."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return f"{' '.join(str(error).split())}."
    lines = text.splitlines() or [""]
    number = min(mark.line, len(lines) - 1)
    problem = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    if tab := number + 1 if r"'\t'" in problem else _tab_line(lines, number):
        return (
            f"line {tab} contains a tab, but YAML allows only spaces here; use spaces ({short_repr(lines[tab - 1])})."
        )
    hint = next((fix for message, fix in HINTS.items() if message in problem), "")
    message = " ".join(str(getattr(error, "problem", None) or error).split())
    shown_line = f" ({short_repr(lines[number].strip())})" if lines[number].strip() else ""
    return f"line {mark.line + 1}, column {mark.column + 1}{shown_line}: {message}{f'; {hint}' if hint else ''}."


def _tab_line(lines: list[str], number: int) -> int:
    """The number, from 1, of the line with the tab that caused the error: this line or the one before; else 0."""
    tabs = (i + 1 for i in (number, number - 1) if i >= 0 and re.match(r"[ \-?:]*\t|[^#'\"]*:\s*\t", lines[i]))
    return next(tabs, 0)
