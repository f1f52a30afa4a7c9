"""Score, drop, relative score and retention of one group of seeds, with intervals."""

from collections.abc import Hashable

import numpy as np

from junkdna.analysis.intervals import Fit, finite, wilson
from junkdna.analysis.retention import ratio
from junkdna.analysis.scores import Scores, blind_model
from junkdna.evaluate.metrics import METRICS
from junkdna.study.metrics import METRIC_RANGES

Array = np.ndarray
NAMES = ("score", "drop", "relative_score", "retention")
DENSE, SCORE, BLIND = 0, 1, 2  # positions in the panel


def effects(scores: Scores, group: Hashable, dense: Hashable, baseline: float) -> dict:
    """Effects of one group against its dense reference, with 95 % intervals `NAME_low` and `NAME_high`.

    drop = dense - score; relative_score = 100 score / dense, in percent; retention = (score - baseline) / (dense -
    baseline), which is not clipped. `relative_score` and `retention` are null unless the divisor is above 0
    (`retention.ratio`). An unbounded limit is null: the data do not say how large the value may be. Replicates with a
    divisor of at most 0 count against both limits. Limits of the score and of the drop stay in the range that the
    metric allows. A score of exactly 0 or 1 has Wilson's interval, if it is a fraction of right answers. The baseline
    of likelihoods, the mean of the input-blind dense model, is drawn with the scores; other baselines are fixed.
    """
    metric = scores.answers_of(group).metric

    def statistic(m: Array) -> Array:
        full, score, zero = m[DENSE], m[SCORE], m[BLIND] if len(m) > BLIND else baseline
        relative = 100 * ratio(score, full)  # exactly 100 where they are equal
        return np.stack([score, full - score, relative, ratio(score - zero, full - zero)])

    panel = scores.panel(panel_rows(group, dense, metric))
    row = {"dense_score": float(panel.value[DENSE])} | _row(panel.fit(statistic))
    row |= _within(row, METRIC_RANGES[metric])
    if row["score"] in (0, 1) and _is_fraction(scores, group):
        row["score_low"], row["score_high"] = wilson(row["score"], scores.answers_of(group).n_independent)
    return row


def panel_rows(group: Hashable, dense: Hashable, metric: str) -> list[Hashable]:
    """The groups of which the effects of a group are computed: dense, the group, and a baseline that is drawn."""
    return [dense, group, *blind_model(dense, metric)]


def _row(fit: Fit) -> dict:
    low, high = fit.limits()
    columns = {"": fit.estimate, "_low": low, "_high": high}
    return {name + end: finite(values[at]) for at, name in enumerate(NAMES) for end, values in columns.items()}


def _within(row: dict, limits: tuple[float, float]) -> dict:
    """The limits of the score and of the drop, moved into the range that its metric allows."""
    lowest, highest = limits
    ranges = {"score": limits, "drop": (lowest - highest, highest - lowest)}
    ends = {f"{name}{end}": ranges[name] for name in ranges for end in ("_low", "_high")}
    return {name: float(np.clip(row[name], *range_)) for name, range_ in ends.items() if row[name] is not None}


def _is_fraction(scores: Scores, group: Hashable) -> bool:
    """Whether every example is either right or wrong."""
    answers = scores.answers_of(group)
    credit = METRICS[answers.metric].credit
    return credit is not None and bool(np.isin(credit(answers.gold, answers.given), (0, 1)).all())
