"""Series of compressions: what one curve may join, in order of how much it compresses."""

import re
from dataclasses import dataclass
from functools import cache

from junkdna.study.cell import parse_compression
from junkdna.study.levels import parse_level

PRUNING, PLAIN = ("sparsity", "keep_of"), ("bits", "rank", "external")  # kinds of level with and without a sparsity


@dataclass(frozen=True)
class Series:
    """Compressions with the same method, options and kind of level (`levels.LEVEL_KINDS`), which a line may join.

    `of` is the M of N:M sparsity, else 0: 2 of 4 and 4 of 8 prune the same share but are two series. No line joins
    bands, because they are positions among the weights and not amounts. Each external compression is a series alone,
    called `name`.
    """

    method: str
    kind: str
    of: int
    options: tuple[tuple[str, str], ...]
    name: str = ""

    @property
    def order(self) -> tuple:
        """Sort key: pruning before other methods, magnitude first; within a method, sparsity and few options first."""
        kind = (*PRUNING, *PLAIN, "band").index(self.kind)
        family = max(kind, len(PRUNING) - 1)
        return (family, self.method != "magnitude", self.method, kind, len(self.options), natural(self.key))

    @property
    def key(self) -> str:
        """Short text that identifies the series within a figure."""
        options = [f"{name}={value}" for name, value in self.options]
        return ",".join(
            [" ".join(filter(None, (self.method, self.name))) + (f" of {self.of}" if self.of else ""), *options]
        )


@cache
def series_of(tag: str) -> Series | None:
    """The series of a compression, by its tag in the drops table; None for dense."""
    compression = parse_compression(tag)
    if not compression.level:
        return None
    kind, value = parse_level(compression.level)
    of, name = value[1] if kind == "keep_of" else 0, value if kind == "external" else ""
    return Series(compression.method, kind, of, compression.options, name)


@cache
def strength(tag: str) -> float:
    """A number that increases from weak to strong compressions of a series; for a band, its start."""
    kind, value = series_of(tag).kind, parse_compression(tag).value
    if kind == "keep_of":
        return 1 - value[0] / value[1]
    if kind == "band":
        return value[0]
    if kind == "external":
        return 0.0
    return -value if kind in PLAIN else value


def natural(text: str) -> tuple:
    """Sort key that puts `options=10` after `options=2`."""
    tokens = re.findall(r"\d+(?:\.\d+)?|\D+", text)
    return tuple((0, float(token), "") if token[0].isdigit() else (1, 0.0, token) for token in tokens)
