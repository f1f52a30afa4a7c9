"""How much more or less B loses than A: differences of scores, drops and shares lost, with 95 % intervals.

With the same examples, A, B and their dense references share the bootstrap draws, so the interval is that of the paired
difference (`analysis/intervals.py`). With the same seeds, a seed is left out of A and B at once. With other seeds, the
variances between the seeds of A and of B add up.

Otherwise A and B are independent samples, and the limits follow from those of each (MOVER: Zou and Donner 2008, doi
10.1002/sim.3095): with estimates a, b and intervals [al, ah], [bl, bh],

    low = b - a - sqrt((b - bl)^2 + (ah - a)^2),   high = b - a + sqrt((bh - b)^2 + (a - al)^2).
"""

from __future__ import annotations

from dataclasses import replace
from math import hypot

import numpy as np

from junkdna.analysis.effects import effects, panel_rows
from junkdna.analysis.intervals import Fit, finite
from junkdna.analysis.scores import Scores
from junkdna.compare.conditions import Both, Half

Array = np.ndarray
NAMES = ("score", "drop", "share_lost")
ENDS = ("", "_low", "_high")


def difference_columns(pair: Both, scores: Scores) -> dict[str, float | None]:
    """Score, drop and share lost of A, of B, and B minus A, each with limits.

    The columns are NAME_a, NAME_b and NAME_difference, with `_low` and `_high`. None: undefined or unbounded. Of dense
    pairs only the scores are compared: their drops are 0 by definition.
    """
    both = [_of_half(half, scores if pair.paired else None) for half in pair.halves]
    found = _paired(pair, scores) if pair.paired else _unpaired(*both)
    if pair.a.drop["baseline"] != pair.b.drop["baseline"]:
        found |= dict.fromkeys((f"share_lost{end}" for end in ENDS), None)
    parts = {"a": both[0], "b": both[1], "difference": found}
    shown = {
        f"{name}_{part}{end}": values[f"{name}{end}"]
        for part, values in parts.items()
        for name in NAMES
        for end in ENDS
    }
    compared = ("score",) if pair.pair.dense else NAMES
    return {name: value if name.startswith(compared) else None for name, value in shown.items()}


def _of_half(half: Half, scores: Scores | None) -> dict[str, float | None]:
    """The effects of one half; without cell files those of the study's table, over all its seeds."""
    row = half.drop if scores is None else effects(scores, half.group(), half.reference(), half.baseline)
    lost = {f"share_lost{end}": _minus(row[f"retention{other}"]) for end, other in LOST}
    return {f"{name}{end}": row[f"{name}{end}"] for name in ("score", "drop") for end in ENDS} | lost


LOST = (("", ""), ("_low", "_high"), ("_high", "_low"))


def _minus(value: float | None) -> float | None:
    return None if value is None else 1 - value


def _paired(pair: Both, scores: Scores) -> dict[str, float | None]:
    fit = _fit(pair, scores)
    limits = dict(zip(ENDS, (fit.estimate, *fit.limits()), strict=True))
    return {f"{name}{end}": finite(values[at]) for at, name in enumerate(NAMES) for end, values in limits.items()}


def _fit(pair: Both, scores: Scores) -> Fit:
    """The estimate of B minus A for each of `NAMES`."""
    rows = [panel_rows(half.group(), half.reference(), half.metric) for half in pair.halves]
    zeros, size = [half.baseline for half in pair.halves], len(rows[0])

    def difference(m: Array) -> Array:
        return _statistic(m[size:], zeros[1]) - _statistic(m[:size], zeros[0])

    fit = scores.panel([*rows[0], *rows[1]]).fit(difference)
    if pair.pair.same_seeds:
        return fit
    single = [
        scores.panel(own).fit(lambda m, zero=zero: _statistic(m, zero)) for own, zero in zip(rows, zeros, strict=True)
    ]
    repeated = [each.seeds for each in single if each.seeds > 1]
    variance = single[0].seed_variance + single[1].seed_variance
    return replace(fit, seed_variance=variance, seeds=min(repeated, default=1))


def _statistic(m: Array, baseline: float) -> Array:
    """Score, drop and share lost (3, k) of dense scores, scores and, for likelihoods, baselines (2 or 3, k)."""
    dense, score, zero = m[0], m[1], m[2] if len(m) > 2 else baseline
    with np.errstate(all="ignore"):
        lost = np.where(dense > zero, (dense - score) / (dense - zero), np.nan)
    return np.stack([score, dense - score, lost])


def _unpaired(a: dict, b: dict) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in NAMES:
        found |= dict(zip((f"{name}{end}" for end in ENDS), mover(_limits(a, name), _limits(b, name)), strict=True))
    return found


def _limits(row: dict, name: str) -> tuple:
    return tuple(row[f"{name}{end}"] for end in ENDS)


def mover(a: tuple, b: tuple) -> tuple[float | None, float | None, float | None]:
    """Estimate and limits of b - a from (estimate, low, high) of two independent estimates; None if unknown or
    unbounded."""
    a, b = tuple(map(finite, a)), tuple(map(finite, b))
    if a[0] is None or b[0] is None:
        return None, None, None
    value = b[0] - a[0]
    below = None if b[1] is None or a[2] is None else value - hypot(b[0] - b[1], a[2] - a[0])
    above = None if b[2] is None or a[1] is None else value + hypot(b[2] - b[0], a[0] - a[1])
    return value, below, above
