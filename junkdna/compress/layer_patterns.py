"""Patterns that select matrices by their names, such as 11.mlp. Imports no torch."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from junkdna.errors import UserError

_RANGE = re.compile(r"(\d+)-(\d+)")
_RULE = (
    "a pattern is a run of consecutive components of a matrix name, joined by dots, such as 'attention', '11.mlp' or "
    "'layers.24-29.mlp', in which 24-29 means the numbers from 24 to 29"
)


def select_layers(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that match at least one pattern, in the order of `names`.

    Names and patterns are split at their dots, after removing a trailing ".weight". A pattern matches if its components
    equal consecutive components of the name. The component "24-29" equals each integer from 24 to 29. Components match
    only completely: "1" does not match "11", and "attn" does not match "self_attn".

    Raises `UserError` if there are no patterns, or if a pattern has an empty component, has a decreasing range, or
    matches no name (with suggestions). Every pattern must match, so that a typo in one of several is reported.
    """
    if not patterns:
        raise UserError("layers is empty, so nothing would be compressed; omit `layers` to compress all matrices.")
    split = {name: _components(name) for name in names}
    selected: set[str] = set()
    for pattern in patterns:
        run = [_component(text, pattern) for text in _components(pattern)]
        matching = {name for name, components in split.items() if _matches(components, run)}
        if not matching:
            raise _no_match_error(pattern, len(run), split)
        selected |= matching
    return [name for name in names if name in selected]


def _components(text: str) -> list[str]:
    return text.removesuffix(".weight").split(".")


def _component(text: str, pattern: str) -> str | range:
    """A component of a pattern as the text or the numbers that it matches."""
    if not text:
        raise UserError(f"layers: pattern {pattern!r} has an empty component: {_RULE}.")
    bounds = _RANGE.fullmatch(text)
    if not bounds:
        return text
    first, last = int(bounds[1]), int(bounds[2])
    if first > last:
        raise UserError(f"layers: pattern {pattern!r}: the range {text} is decreasing; write {last}-{first}.")
    return range(first, last + 1)


def _matches(components: list[str], run: list[str | range]) -> bool:
    def equal(text: str, allowed: str | range) -> bool:
        return text == allowed if isinstance(allowed, str) else text.isdecimal() and int(text) in allowed

    return any(all(map(equal, part, run)) for part in _runs(components, len(run)))


def _runs(components: list[str], width: int) -> list[list[str]]:
    return [components[start : start + width] for start in range(len(components) - width + 1)]


def _no_match_error(pattern: str, width: int, split: dict[str, list[str]]) -> UserError:
    """The error for a pattern without matches, with similar runs of as many components and some of the names."""
    runs = {".".join(part) for components in split.values() for part in _runs(components, width)}
    close = get_close_matches(pattern, sorted(runs), n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    names = list(split)
    listed = ", ".join(names if len(names) <= 4 else [*names[:2], "...", *names[-2:]])
    return UserError(
        f"layers: pattern {pattern!r} matches none of the {len(names)} matrices.{hint} Rule: {_RULE}. "
        f"Matrices: {listed}."
    )
