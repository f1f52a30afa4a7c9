"""Levels: how much a method compresses, as text in names and as the value its function takes. Imports no torch.

sparsity   0.7         the fraction of weights pruned, 0..1
keep_of    keep2of4    (2, 4): of every 4 consecutive inputs the 2 best are kept
band       0.2to0.3    (0.2, 0.3): weights from the 0.2 to the 0.3 quantile of |w| are pruned
bits       4bit        4 bits a weight
rank       rank0.25    the fraction of the full rank, min(outputs, inputs), that is kept, 0..1
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

BITS = (2, 3, 4, 8)

Level = float | int | tuple[int, int] | tuple[float, float]


@dataclass(frozen=True)
class LevelKind:
    """One way to say how much: its text, its value, whether a value leaves every weight as it is, and the fraction of
    the weights that a value prunes."""

    pattern: str
    read: Callable[[tuple[str, ...]], Level]
    write: Callable[[Level], str]
    is_identity: Callable[[Level], bool]
    sparsity: Callable[[Level], float]


def _share(value: float) -> str:
    return f"{value:.6g}"


_NUMBER = r"([0-9.]+(?:e-[0-9]+)?)"
LEVEL_KINDS: dict[str, LevelKind] = {
    "sparsity": LevelKind(_NUMBER, lambda t: float(t[0]), lambda v: _share(v), lambda v: v == 0, lambda v: v),
    "keep_of": LevelKind(
        r"keep(\d+)of(\d+)",
        lambda t: (int(t[0]), int(t[1])),
        lambda v: f"keep{v[0]}of{v[1]}",
        lambda v: v[0] == v[1],
        lambda v: 1 - v[0] / v[1],
    ),
    "band": LevelKind(
        f"{_NUMBER}to{_NUMBER}",
        lambda t: (float(t[0]), float(t[1])),
        lambda v: f"{_share(v[0])}to{_share(v[1])}",
        lambda v: v[0] == v[1],
        lambda v: float(_share(v[1] - v[0])),
    ),
    "bits": LevelKind(r"(\d+)bit", lambda t: int(t[0]), lambda v: f"{v}bit", lambda v: False, lambda v: 0.0),
    "rank": LevelKind(
        f"rank{_NUMBER}", lambda t: float(t[0]), lambda v: f"rank{_share(v)}", lambda v: v == 1, lambda v: 0.0
    ),
}


def problem(kind: str, value: Level) -> str:
    """What is wrong with a level's value, in words that follow it; "" where nothing is."""
    if kind == "sparsity":
        return _share_problem(value, "the fraction of weights pruned")
    if kind == "rank":
        return _share_problem(value, "the kept share of min(outputs, inputs), not a number of singular values", False)
    if kind == "keep_of":
        keep, of = value
        return "" if 0 <= keep <= of and of >= 1 else f"must have keep in 0..{of} (of)"
    if kind == "band":
        if any(not 0 <= part <= 1 for part in value):
            percent = all(part == 0 or _is_percent(part) for part in value)
            hint = f"; did you mean [{value[0] / 100:g}, {value[1] / 100:g}]?" if percent else ""
            return f"must lie in 0..1 (quantiles of |w|){hint}"
        first = next(filter(None, (_share_problem(part, "a quantile of |w|") for part in value)), "")
        return first or ("" if value[0] <= value[1] else "must run upwards: [from, to]")
    return "" if value in BITS else f"must be one of {', '.join(map(str, BITS))} bits"


def _share_problem(value: float, what: str, percent: bool = True) -> str:
    if not 0 <= value <= 1:
        hint = f"; did you mean {value / 100:g}?" if percent and _is_percent(value) else ""
        return f"must lie in 0..1 ({what}){hint}"
    return "" if float(_share(value)) == value else "has more than six digits: the file name could not hold it"


def _is_percent(value: float) -> bool:
    """Whether a number that is no share is probably one in percent: 50 is, 1.5 may be anything."""
    return 2 <= value <= 100 and value == int(value)


def parse_level(text: str) -> tuple[str, Level]:
    """(kind, value) of a level's text; ValueError for any text that `LevelKind.write` does not write."""
    for name, kind in LEVEL_KINDS.items():
        found = re.fullmatch(kind.pattern, text)
        if found:
            value = kind.read(found.groups())
            if kind.write(value) == text and not problem(name, value):
                return name, value
    raise ValueError(text)
