"""What a user reads when something they gave is wrong: value, rule, likely cause, fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake in what the user gave (study, task file, source, command line).

    The command line prints its text without a traceback and exits with status 2.
    """


def unknown_name(kind: str, given: object, legal: Iterable[str], where: str = "") -> UserError:
    """Error for a name that is not one of `legal`: says close names first, then all legal ones.

    `kind` is what is named ("task", "compression method"); `where` is the key or file that named it.
    Returned, not raised, so that the caller's `raise` keeps its own traceback.
    """
    names = sorted(legal)
    close = get_close_matches(str(given), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
    place = f"{where}: " if where else ""
    return UserError(f"{place}unknown {kind} {given!r}.{hint} Legal: {', '.join(names)}.")
