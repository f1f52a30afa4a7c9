"""Options, scores and right answers of multiple choice in logs of lm-evaluation-harness."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from junkdna.grade.lm_eval_rows import Choice, Row

DECIDED_BY_LIKELIHOOD = ("acc", "acc_norm")


def picked(rows: list[Row], metric: str, delimiter: str) -> dict[str, Choice] | None:
    """Question id -> what was picked, for a metric that compares options by log-likelihood.

    `acc` picks the highest log-likelihood, `acc_norm` the highest one / characters of the option without `delimiter`
    (lm-eval, `ConfigurableTask.process_results`). The log has the right answer as a position or as the text of an
    option and, for tasks with one continuation after two contexts (WinoGrande), not at all: of two options it follows
    from the score. None unless one of these readings gives the logged score of every question.
    """
    if metric not in DECIDED_BY_LIKELIHOOD or not all(row.likelihoods for row in rows):
        return None
    by_character = [_per_character(row, delimiter) if metric == "acc_norm" else None for row in rows]
    if metric == "acc_norm" and None in by_character:
        return None
    given = [int(np.argmax(each or row.likelihoods)) for row, each in zip(rows, by_character, strict=True)]
    credit = [row.values[metric] for row in rows]
    for rule in (_by_position, _by_text(delimiter), _of_two):
        gold = [rule(row, pick, right) for row, pick, right in zip(rows, given, credit, strict=True)]
        if None not in gold and all((g == p) == right for g, p, right in zip(gold, given, credit, strict=True)):
            each = zip(rows, gold, given, by_character, strict=True)
            return {row.id: Choice(g, p, row.likelihoods, scaled, _bytes(row)) for row, g, p, scaled in each}
    return None


def _by_position(row: Row, _: int, __: float) -> int | None:
    at = int(row.target) if row.target.isdecimal() else -1
    return at if 0 <= at < len(row.likelihoods) else None


def _by_text(delimiter: str) -> Callable[[Row, int, float], int | None]:
    def rule(row: Row, _: int, __: float) -> int | None:
        options = [text.removeprefix(delimiter) for text in row.continuations]
        return options.index(row.target) if row.target in options else None

    return rule


def _of_two(row: Row, given: int, right: float) -> int | None:
    return None if len(row.likelihoods) != 2 else given if right == 1 else 1 - given


def _per_character(row: Row, delimiter: str) -> tuple[float, ...] | None:
    lengths = [len(text.removeprefix(delimiter)) for text in row.continuations]
    if len(lengths) != len(row.likelihoods) or not all(lengths):
        return None
    return tuple(value / length for value, length in zip(row.likelihoods, lengths, strict=True))


def _bytes(row: Row) -> tuple[int, ...] | None:
    """Bytes of the scored texts; None if there is no text, or one text after different contexts."""
    sizes = tuple(len(text.encode()) for text in row.continuations)
    same = all(one == other for one, other in pairwise(row.continuations))
    return sizes if len(sizes) == len(row.likelihoods) and all(sizes) and not same else None
