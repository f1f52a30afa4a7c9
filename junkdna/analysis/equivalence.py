"""Whether a compressed model keeps what the dense model knows, up to a margin."""

from collections.abc import Hashable

import numpy as np

from junkdna.analysis.effects import BLIND, DENSE, SCORE, panel_rows
from junkdna.analysis.retention import KNOWN_SHARE, known_share, ratio
from junkdna.analysis.scores import Scores
from junkdna.study.metrics import perfect_score

Array = np.ndarray
LEVEL = 0.05  # of the test; its interval is the 90 % interval


def equivalence_p(scores: Scores, group: Hashable, dense: Hashable, baseline: float, margin: float) -> float | None:
    """p-value of two one-sided tests (Schuirmann 1987, doi 10.1007/BF01068419) of "the drop in retention, 1 -
    retention, is at least `margin` or at most -`margin`": the larger of the two p-values, between 1e-6 and 1.

    The baseline is drawn or fixed as for `effects`. None if the dense model knows less than `KNOWN_SHARE` above the
    baseline: then retention says nothing.
    """
    metric = scores.answers_of(dense).metric
    panel = scores.panel(panel_rows(group, dense, metric))
    if not known_share(panel.value[DENSE], baseline, perfect_score(metric)) >= KNOWN_SHARE:
        return None

    def lost(m: Array) -> Array:
        above = m[DENSE] - (m[BLIND] if len(m) > BLIND else baseline)
        return ratio(m[DENSE] - m[SCORE], above)[None]

    fit = panel.fit(lost)
    return float(max(fit.p_above(-margin)[0], fit.p_below(margin)[0]))
