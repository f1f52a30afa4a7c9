"""Whether an effect holds on another scale too: d', on which guessing plays no role.

"Falls faster" can depend on the scale: the same shift of an underlying ability costs different shares of accuracy
(Loftus 1978; Wagenmakers et al. 2012).
"""

from collections.abc import Sequence
from typing import NamedTuple

from junkdna.analysis.evidence import Block
from junkdna.analysis.findings import AGAINST, FOR, UNDECIDED
from junkdna.analysis.interval_words import between
from junkdna.analysis.intervals import Fit

NOT_COMPARABLE = "no level at which every condition knows enough to compare d'"


class ScaleFree(NamedTuple):
    """Whether the effect on d' is above 0 (for the claim), below 0 (against the claim) or neither (undecided), "" if it
    cannot be compared; and its numbers in words."""

    verdict: str
    words: str


def scale_free(estimate: float, low: float, high: float) -> ScaleFree:
    """The check of an effect on d' with its 95 % interval."""
    verdict = FOR if low > 0 else AGAINST if high < 0 else UNDECIDED
    return ScaleFree(verdict, f"d' {estimate:.3f} ({between(low, high)})")


def of_fit(fit: Fit, at: int) -> ScaleFree:
    """The check of value `at` of a fit."""
    low, high = (float(limit[at]) for limit in fit.limits())
    return scale_free(float(fit.estimate[at]), low, high)


def shared_levels(block: Block, levels: Sequence[int]) -> list[int]:
    """Those of the levels at which every condition knows enough to compare d'."""
    return [at for at in block.comparable() if at in levels]
