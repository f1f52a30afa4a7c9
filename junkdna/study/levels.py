"""Levels: how much a method compresses, as text in names and as the value that its function takes. Imports no torch.

kind       text        value
sparsity   0.7         the fraction of weights pruned, 0..1
keep_of    keep2of4    (2, 4): N:M sparsity, the best 2 of every 4 consecutive inputs kept
band       0.2to0.3    (0.2, 0.3): weights from the 0.2 to the 0.3 quantile of |w| pruned
bits       4bit        4 bits per weight
format     nvfp4       a number format that is not an integer (`number_formats.NUMBER_FORMATS`)
rank       rank0.25    the fraction of the full rank, min(outputs, inputs), that is kept, 0..1
external   from-half   "half", the name of a checkpoint or mask file of another tool (`study.external`)

This file contains all rules for levels. Code that runs after a study's validation assumes valid levels.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction

from junkdna.study.number_formats import NUMBER_FORMATS

BITS = (2, 3, 4, 5, 6, 7, 8)
MAX_NAME = 80  # characters of the name of an external compression, as of other names in a study

Level = float | int | str | tuple[int, int] | tuple[float, float]


@dataclass(frozen=True)
class LevelKind:
    """One way to specify how much to compress.

    - `keys`: the keys of a study that give levels of this kind; `example` shows them.
    - `pattern`, `read`, `write`: the text of a level in names.
    - `error`: the problem with a value, as text that follows the value; "" if there is none.
    - `is_identity`: whether a value leaves every weight unchanged.
    - `sparsity`: the fraction of the weights that a value prunes.
    """

    keys: tuple[str, ...]
    example: str
    pattern: str
    read: Callable[[tuple[str, ...]], Level]
    write: Callable[[Level], str]
    error: Callable[[Level], str]
    is_identity: Callable[[Level], bool]
    sparsity: Callable[[Level], float] = lambda value: 0.0


def _keep_of_error(value: tuple[int, int]) -> str:
    keep, of = value
    swapped = f"; did you mean keep: {of}, of: {keep}?" if 0 <= of < keep else ""
    return "" if 0 <= keep <= of and of >= 1 else f"must have keep in 0..{of} (of){swapped}"


def _band_error(value: tuple[float, float]) -> str:
    low, high = value
    if not all(0 <= end <= 1 for end in value):
        percent = all(end == 0 or _is_percent(end) for end in value)
        hint = f"; did you mean [{low / 100:g}, {high / 100:g}]?" if percent else ""
        return f"must be in 0..1 (quantiles of |w|){hint}"
    first = next(filter(None, (_fraction_error(end, "a quantile of |w|") for end in value)), "")
    return first or ("" if low <= high else f"must be increasing; did you mean [{high:g}, {low:g}]?")


def _bits_error(value: int) -> str:
    hint = "; a model in 16 bits is dense" if value in (16, 32) else ""
    return "" if value in BITS else f"must be one of {', '.join(map(str, BITS))} bits{hint}"


def _format_error(value: str) -> str:
    if value in NUMBER_FORMATS:
        return ""
    names = [*(f"int{bits}" for bits in BITS), *NUMBER_FORMATS]
    plain = value.lower()
    close = [plain] if plain in names else get_close_matches(plain, names, n=2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"must be one of {', '.join(names)}{hint}"


def _fraction_error(value: float, quantity: str, percent: bool = True) -> str:
    if not 0 <= value <= 1:
        hint = f"; did you mean {value / 100:g}?" if percent and _is_percent(value) else ""
        return f"must be in 0..1 ({quantity}){hint}"
    exact = f"is {value!r}, which has more than six digits, too many for a file name; round it"
    return "" if float(_text(value)) == value else exact


def _name_error(value: str) -> str:
    short = len(value) <= MAX_NAME and re.fullmatch(_NAME, value)
    return "" if short else f"must start with a letter or digit and have only A-Z a-z 0-9 _ . - (at most {MAX_NAME})"


def _is_percent(value: float) -> bool:
    """Whether a number that is not a fraction is probably a percentage: 50 is, 1.5 may be anything."""
    return 2 <= value <= 100 and value == int(value)


def _text(value: float) -> str:
    return f"{value:.6g}"


_NUMBER = r"([0-9.]+(?:e-[0-9]+)?)"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
LEVEL_KINDS: dict[str, LevelKind] = {
    "sparsity": LevelKind(
        keys=("sparsity",),
        example="sparsity: [0.3, 0.5]",
        pattern=_NUMBER,
        read=lambda texts: float(texts[0]),
        write=_text,
        error=lambda value: _fraction_error(value, "the fraction of weights pruned"),
        is_identity=lambda value: value == 0,
        sparsity=lambda value: value,
    ),
    "keep_of": LevelKind(
        keys=("keep", "of"),
        example="keep: [2], of: 4",
        pattern=r"keep(\d+)of(\d+)",
        read=lambda texts: (int(texts[0]), int(texts[1])),
        write=lambda value: f"keep{value[0]}of{value[1]}",
        error=_keep_of_error,
        is_identity=lambda value: value[0] == value[1],
        sparsity=lambda value: 1 - value[0] / value[1],
    ),
    "band": LevelKind(
        keys=("band",),
        example="band: [[0.1, 0.2], [0.2, 0.3]]",
        pattern=f"{_NUMBER}to{_NUMBER}",
        read=lambda texts: (float(texts[0]), float(texts[1])),
        write=lambda value: f"{_text(value[0])}to{_text(value[1])}",
        error=_band_error,
        is_identity=lambda value: value[0] == value[1],
        sparsity=lambda value: float(_text(value[1] - value[0])),
    ),
    "bits": LevelKind(
        keys=("bits",),
        example="bits: [3, 4, 8]",
        pattern=r"(\d+)bit",
        read=lambda texts: int(texts[0]),
        write=lambda value: f"{value}bit",
        error=_bits_error,
        is_identity=lambda value: False,
    ),
    "format": LevelKind(
        keys=("format",),
        example="format: [int4, nvfp4]",
        pattern=f"({'|'.join(NUMBER_FORMATS)})",
        read=lambda texts: texts[0],
        write=lambda value: value,
        error=_format_error,
        is_identity=lambda value: False,
    ),
    "rank": LevelKind(
        keys=("rank",),
        example="rank: [0.25, 0.5]",
        pattern=f"rank{_NUMBER}",
        read=lambda texts: float(texts[0]),
        write=lambda value: f"rank{_text(value)}",
        error=lambda value: _fraction_error(
            value, "the kept fraction of min(outputs, inputs), not a number of singular values", percent=False
        ),
        is_identity=lambda value: value == 1,
    ),
    "external": LevelKind(
        keys=("path",),
        example="path: FOLDER, or a file of masks",
        pattern=f"from-({_NAME})",
        read=lambda texts: texts[0],
        write=lambda value: f"from-{value}",
        error=_name_error,
        is_identity=lambda value: False,
    ),
}


def exact(number: float | Fraction) -> Fraction:
    """A number as the decimal that it prints as: 0.7 is 7/10, not the float just below."""
    return number if isinstance(number, Fraction) else Fraction(repr(float(number)))


def parse_level(text: str) -> tuple[str, Level]:
    """(kind, value) of a level's text. Raises ValueError for text that `LevelKind.write` does not write."""
    for name, kind in LEVEL_KINDS.items():
        match = re.fullmatch(kind.pattern, text)
        if match:
            value = kind.read(match.groups())
            if kind.write(value) == text and not kind.error(value):
                return name, value
    raise ValueError(text)


def read_format(name: str) -> tuple[str, Level]:
    """(kind, value) of a number format as a study writes it: int4 is 4 bits, all others are of kind format."""
    integer = re.fullmatch(r"int([0-9])", name)
    return ("bits", int(integer[1])) if integer and int(integer[1]) in BITS else ("format", name)


def family(kind: str, value: Level) -> str:
    """What the options of a level depend on: its kind or, for a number format, the format's name."""
    return value if kind == "format" else kind
