"""Error messages for users: the value, the rule, the likely cause and the fix, on one screen."""

from collections.abc import Iterable
from difflib import get_close_matches

SCREEN_TEXT = 2000  # characters
SCREEN_LINES = 20


class UserError(ValueError):
    """A mistake in the user's input: study, task file, source or command line.

    The command line prints the text without a traceback and exits with status 2. The text fits on one screen. Control
    characters and text direction marks, which a terminal could act on, are escaped.
    """

    def __init__(self, text: str) -> None:
        super().__init__(one_screen(text))


def unknown_name(kind: str, given: object, valid: Iterable[str], where: str = "") -> UserError:
    """Error for a name that is not in `valid`. It suggests similar names, then lists the valid ones, cut if very long.

    `kind` is the kind of name ("task", "compression method"); `where` is the key or file that contains it.
    The error is returned, not raised, to keep the caller's traceback.
    """
    names = sorted(valid)
    text = short_repr(given)
    plain = given[:80] if isinstance(given, str) else text  # get_close_matches is quadratic in the length
    close = get_close_matches(plain, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
    place = f"{cut(where, 600)}: " if where else ""
    return UserError(f"{place}unknown {kind} {text}.{hint} Valid: {cut(', '.join(names), 1000)}.")


def short_repr(value: object, most: int = 80) -> str:
    """`repr` of a value, cut to `most` characters. A value that Python cannot print is shown by its type."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # integers of more than 4,300 digits, very deep nesting
        return f"<{type(value).__name__} too large to show>"
    return text if len(text) <= most else text[: most - 3] + "..."


def one_screen(text: str) -> str:
    """`text` in at most `SCREEN_LINES` lines and about `SCREEN_TEXT` printable characters.

    A message starts with the value and ends with the fix, so long lines lose their middle, and if there are too many
    lines, those before the last one are dropped. A text that fits is unchanged.
    """
    lines = [_printable(line) for line in text.split("\n")]
    if len(lines) <= SCREEN_LINES and sum(map(len, lines)) <= SCREEN_TEXT:
        return "\n".join(lines)
    if len(lines) == 1:
        return cut(lines[0], SCREEN_TEXT - 100)
    *before, last = lines
    last = cut(last, SCREEN_TEXT // 3)
    kept, left = [], SCREEN_TEXT - 100 - len(last)
    for line in before[: SCREEN_LINES - 2]:
        short = cut(line, max(left // 3, 40))
        if len(short) > left:
            break
        kept.append(short)
        left -= len(short)
    more = len(before) - len(kept)
    return "\n".join([*kept, *([f"  ... and {more} more line(s)"] if more else []), last])


def cut(text: str, most: int) -> str:
    """`text` without its middle if it has more than `most` characters.

    The last sentence, which usually states the fix, is kept if it takes at most half of them.
    """
    if len(text) <= most:
        return text
    sentence = len(text) - (text.rfind(". ", 0, len(text) - 1) + 2)
    end = max(most // 4, sentence if sentence <= most // 2 else 0)
    return f"{text[: most - end - 5]} ... {text[-end:]}"


def cause(error: BaseException, most: int = 200) -> str:
    """A library's error message to end a sentence with: its first paragraph on one line, cut to `most` characters. The
    message of a KeyError is the key alone."""
    text = " ".join(str(error).strip().split("\n\n")[0].split()) or type(error).__name__
    text = f"unknown name {text}" if isinstance(error, KeyError) and error.args else text
    return text if len(text) <= most else text[: most - 3] + "..."


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
