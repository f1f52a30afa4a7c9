"""X axes for the amount of compression, with dense at the left: sparsity and effective bits per weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from junkdna.analysis.series import PLAIN, PRUNING, strength
from junkdna.report.plotting.drawing import Axis

if TYPE_CHECKING:
    import polars as pl

FIRST_LEVEL = 30 + 1e-9  # percent pruned up to which a curve starts at dense
CLOSE_TICKS = 5  # axes of up to this many octaves also have ticks between powers of two


@dataclass(frozen=True)
class Amount:
    """An x axis: its name in titles, its column and the factor to its unit, and a function that makes it for rows.

    It shows compressions whose kind of level is in `levels`; `example` describes one. On a `falling` axis, values
    decrease from left to right. A curve starts at dense only if its weakest level is within `reach` of it: a longer
    line would suggest values where nothing was measured.
    """

    title: str
    column: str
    unit: float
    falling: bool
    axis: Callable[[pl.DataFrame], Axis]
    levels: tuple[str, ...]
    example: str
    explanation: tuple[str, ...] = ()  # caption sentences
    reach: float = inf

    def x(self, rows: pl.DataFrame) -> list[float]:
        """Positions of rows on the axis."""
        return (self.unit * rows[self.column]).to_list()

    def in_order(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of one series from left to right: dense first and, at the same x, the weaker level first."""
        sign = -1 if self.falling else 1
        pairs = zip(rows[self.column], rows["compression"], strict=True)
        keys = [(sign * x, tag != "dense", 0 if tag == "dense" else strength(tag)) for x, tag in pairs]
        return rows[sorted(range(len(keys)), key=keys.__getitem__)]

    def curve(self, dense: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of one series from left to right, after those of `dense` if the first level is near enough.

        On a falling axis a single level, such as 4 bits, is a point: a line to it would cross all other levels.
        """
        ordered = self.in_order(rows)
        starts = self.x(dense)[:1] + self.x(ordered)[:1]
        near = len(starts) == 2 and abs(starts[0] - starts[1]) <= self.reach and not (self.falling and len(rows) == 1)
        return self.in_order(dense.vstack(rows)) if near else ordered


def _sparsity(rows: pl.DataFrame) -> Axis:
    """An axis of percent of weights pruned, from dense to the highest level of `rows`."""
    top = max(100 * float(rows["sparsity"].max()), 10)
    step = 10 if top <= 60 else 20
    ticks = tuple((float(at), str(at)) for at in range(0, int(top) + 1, step))
    return Axis(label="weights pruned, %", limits=(-0.04 * top, 1.06 * top), ticks=ticks)


def _bits(rows: pl.DataFrame) -> Axis:
    """A logarithmic axis of bits, from dense down.

    On a linear axis, low-bit quantization (2, 3, 4 bits) and high sparsities would crowd into the last quarter.
    """
    bits = rows["effective_bits_per_weight"]
    high, low = float(bits.max()), min(float(bits.min()), 0.5 * float(bits.max()))
    ticks, power = [], 16.0
    while power >= 0.8 * low:
        ticks += [power, 0.75 * power] if high / low <= 2**CLOSE_TICKS else [power]
        power /= 2
    left, right = 1.09 * high, low / 1.11
    ticks = tuple((tick, f"{tick:g}") for tick in ticks if right <= tick <= left)
    return Axis(label="effective bits per weight (log scale)", limits=(left, right), ticks=ticks, log=True)


def _rank(rows: pl.DataFrame) -> Axis:
    """A logarithmic axis of shares of the rank, from all of it down."""
    low = min(float(rows["rank"].min()), 0.5)
    ticks = [(2.0**-power, f"{2.0**-power:g}") for power in range(12) if 2.0**-power >= 0.95 * low]
    return Axis(label="rank kept, share of all (log scale)", limits=(1.1, low / 1.12), ticks=tuple(ticks), log=True)


SPARSITY = Amount(
    "sparsity", "sparsity", 100, False, _sparsity, PRUNING, "a compression that prunes, such as magnitude at 0.5",
    reach=FIRST_LEVEL,
)  # fmt: skip
BITS = Amount(
    "effective bits per weight",
    "effective_bits_per_weight",
    1,
    True,
    _bits,
    (*PRUNING, *PLAIN),
    "a compression to more than 0 bits, such as rtn at 4 bits",
    (
        "Effective bits: nominal storage of the weights in scope, including masks, scales, zero points and low-rank "
        "factors (dense: 16). No speedup is implied.",
    ),
)
RANK = Amount("rank", "rank", 1, True, _rank, ("rank",), "a low-rank compression, such as svd at rank 0.5")
