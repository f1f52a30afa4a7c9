"""Answers that are right in A and wrong in B, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from junkdna.analysis.changed_answers import broken, combined_p, mcnemar
from junkdna.compare.answers import AnswersOfBoth, CellAnswers
from junkdna.compare.conditions import Both

UNKNOWN = {"broken": None, "fixed": None, "mcnemar_p": None}


def flips(pair: Both, answers: AnswersOfBoth) -> dict[str, float | None]:
    """Shares of the examples that are `broken` (right in A, wrong in B) and `fixed`, and McNemar's p-value.

    Runs with one seed are compared with each other; of other seeds every run of A with every run of B. Shares are
    means over these, and the p-value is that of `combined_p`. None if the pair is not paired or credit is partial.
    """
    if not pair.paired:
        return UNKNOWN
    found = []
    for one, two in _runs(pair, answers):
        if one.right_n is None or two.right_n is None:
            return UNKNOWN
        found.append((broken(one.right_n, two.right_n), broken(two.right_n, one.right_n), one.cluster))
    return {
        "broken": float(np.mean([lost.mean() for lost, *_ in found])),
        "fixed": float(np.mean([gained.mean() for _, gained, _ in found])),
        "mcnemar_p": combined_p([mcnemar(*each) for each in found]),
    }


def _runs(pair: Both, answers: AnswersOfBoth) -> Iterator[tuple[CellAnswers, CellAnswers]]:
    one, two = ([answers.cell(half.metric, half.side.file(run)) for run in half.runs] for half in pair.halves)
    return zip(one, two, strict=True) if pair.pair.same_seeds else product(one, two)
