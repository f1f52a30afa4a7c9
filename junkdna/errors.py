"""What a user reads when something they gave is wrong: value, rule, likely cause, fix; on one screen."""

from collections.abc import Iterable
from difflib import get_close_matches

SCREEN_TEXT = 2000  # characters of a message, before what a terminal makes of its lines
SCREEN_LINES = 20


class UserError(ValueError):
    """A mistake in what the user gave (study, task file, source, command line).

    The command line prints its text without a traceback and exits with status 2. The text is kept to one screen, and
    what a terminal could take as a command (control characters, marks of writing direction) is written as escapes.
    """

    def __init__(self, text: str) -> None:
        super().__init__(one_screen(text))


def unknown_name(kind: str, given: object, valid: Iterable[str], where: str = "") -> UserError:
    """Error for a name that is not one of `legal`: says close names first, then all valid ones (of very many, some).

    `kind` is what is named ("task", "compression method"); `where` is the key or file that named it.
    Returned, not raised, so that the caller's `raise` keeps its own traceback.
    """
    names = sorted(valid)
    text = shown(given)
    plain = given[:80] if isinstance(given, str) else text  # comparing is quadratic in the length
    close = get_close_matches(plain, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
    place = f"{cut(where, 600)}: " if where else ""
    return UserError(f"{place}unknown {kind} {text}.{hint} Valid: {cut(', '.join(names), 1000)}.")


def shown(value: object, most: int = 80) -> str:
    """`repr` of a value, cut to `most` characters; for numbers and lists that Python will not write, what they are."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # whole numbers of more than 4,300 digits; lists inside lists inside lists
        return f"<{type(value).__name__} too large to show>"
    return text if len(text) <= most else text[: most - 3] + "..."


def one_screen(text: str) -> str:
    """`text` in at most `SCREEN_LINES` lines and about `SCREEN_TEXT` characters, in printable characters only.

    A message starts with the value and ends with the fix: long lines lose their middle, many lines those before the
    last. A text that fits stays.
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
    """`text`, without its middle where it is longer than `most` characters. Its last sentence stays whole where that
    takes no more than half of them: there messages say what to do."""
    if len(text) <= most:
        return text
    sentence = len(text) - (text.rfind(". ", 0, len(text) - 1) + 2)
    end = max(most // 4, sentence if sentence <= most // 2 else 0)
    return f"{text[: most - end - 5]} ... {text[-end:]}"


def cause(error: BaseException, most: int = 200) -> str:
    """What a library's exception says, as the end of a sentence: its first paragraph in one line, without the tail."""
    text = " ".join(str(error).strip().split("\n\n")[0].split()) or type(error).__name__
    return text if len(text) <= most else text[: most - 3] + "..."


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
