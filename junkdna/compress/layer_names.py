"""Picking matrices by parts of their names."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from junkdna.errors import UserError

_RANGE = re.compile(r"(\d+)-(\d+)")
_RULE = (
    "a pattern is consecutive parts of a matrix' name, joined by dots, such as 'attention', '11.mlp' or "
    "'layers.24-29.mlp', where 24-29 stands for the numbers from 24 to 29"
)


def select_layers(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that at least one pattern matches, in the order of `names`.

    A name is cut at its dots, a trailing "weight" apart (in patterns too); a pattern matches where its parts equal
    consecutive parts of the name. A part "24-29" equals each whole number from 24 to 29. Parts are never cut: "1" does
    not match "11", nor "attn" "self_attn".

    Raises `UserError` for no pattern at all, one with an empty part or a range that runs down, and one that matches no
    name (close ones are named): each pattern must match, so that a slip in one of several is seen.
    """
    if not patterns:
        raise UserError("layers: no pattern is given, so nothing would be compressed; leave `layers` out for all.")
    split = {name: _parts(name) for name in names}
    picked: set[str] = set()
    for pattern in patterns:
        wanted = [_allowed(part, pattern) for part in _parts(pattern)]
        found = {name for name, parts in split.items() if _matches(parts, wanted)}
        if not found:
            raise _no_match(pattern, len(wanted), split)
        picked |= found
    return [name for name in names if name in picked]


def _parts(text: str) -> list[str]:
    return text.removesuffix(".weight").split(".")


def _allowed(part: str, pattern: str) -> str | range:
    """A part of a pattern as the text or the numbers that it stands for."""
    if not part:
        raise UserError(f"layers: pattern {pattern!r} has an empty part: {_RULE}.")
    bounds = _RANGE.fullmatch(part)
    if not bounds:
        return part
    first, last = int(bounds[1]), int(bounds[2])
    if first > last:
        raise UserError(f"layers: pattern {pattern!r}: the range {part} runs down; write {last}-{first}.")
    return range(first, last + 1)


def _matches(parts: list[str], wanted: list[str | range]) -> bool:
    def equal(part: str, allowed: str | range) -> bool:
        return part == allowed if isinstance(allowed, str) else part.isdecimal() and int(part) in allowed

    width = len(wanted)
    return any(all(map(equal, parts[start : start + width], wanted)) for start in range(len(parts) - width + 1))


def _no_match(pattern: str, width: int, split: dict[str, list[str]]) -> UserError:
    """Says the runs of as many parts that look most like the pattern, and what names there are."""
    runs = {
        ".".join(parts[start : start + width]) for parts in split.values() for start in range(len(parts) - width + 1)
    }
    close = get_close_matches(pattern, sorted(runs), n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    names = list(split)
    shown = ", ".join(names if len(names) <= 4 else [*names[:2], "...", *names[-2:]])
    return UserError(
        f"layers: pattern {pattern!r} matches none of the {len(names)} matrices.{hint} Rule: {_RULE}. "
        f"Matrices: {shown}."
    )
