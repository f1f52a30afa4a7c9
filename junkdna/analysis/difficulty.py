"""Difficulty: one number per condition (task and knob values), by a named measure with a written formula.

For every measure, larger means harder according to the paper; a study tests exactly that reading. Knob measures compare
conditions of one task only.
"""

import math

CHANCE_CORRECTED_DENSE_ERROR = "chance_corrected_dense_error"
HUMAN_GAP_BY_HUMAN = "human_gap_by_human"
HUMAN_GAP_BY_DENSE = "human_gap_by_dense"
WHOLE_PASSAGE = 1e9  # more tokens than any passage has


def chance_corrected_dense_error(dense_score: float, chance: float, perfect: float = 1.0) -> float:
    """1 - (dense - chance) / (perfect - chance): 0 where the dense model is always right, 1 where it guesses.

    An absolute measure: it compares tasks with different numbers of options, needs no human performance, and shows
    what the human gap hides (model and human both poor). It measures difficulty for this model only.
    """
    return 1 - (dense_score - chance) / (perfect - chance)


def human_gap_by_human(human: float, dense_score: float) -> float | None:
    """(human - dense) / human: share of human performance that the dense model lacks; negative where it is better.

    Both are in the task's metric. It misses tasks at which human and model are both poor, ignores chance (with few
    options even guessing has a small gap), and compares gaps of different metrics. Human performance is mostly reported
    on the test set, model scores on the validation set. None unless human performance is above 0.
    """
    return (human - dense_score) / human if human > 0 else None


def human_gap_by_dense(human: float, dense_score: float) -> float | None:
    """(human - dense) / dense: the same gap as a share of the dense score, which grows without bound as that falls.

    It orders conditions with the same human performance as `human_gap_by_human` does and has the same limitations. None
    unless the dense score is above 0.
    """
    return (human - dense_score) / dense_score if dense_score > 0 else None


def data_fraction(percent: int) -> float:
    """1 - fraction of the training rows. It ignores how many rows that is, and that with the number of epochs fixed
    fewer rows also mean fewer training steps."""
    return 1 - percent / 100


def options(count: int) -> float:
    """1 - 1 / number of options: the error of guessing. It ignores how tempting the wrong options are."""
    return 1 - 1 / count


def context(tokens: int | str) -> float:
    """Tokens of passage shown; more text to search counts as harder. "passage" (all of it, whatever its length) is
    harder than any number, and "none" is hardest: without the passage, the task changes from reading to recall.

    It ignores whether the answer is in the text; `answer_span=masked` is the control.
    """
    return {"none": math.inf, "passage": WHOLE_PASSAGE}[tokens] if isinstance(tokens, str) else float(tokens)


def shots(count: int) -> float:
    """Minus the number of in-context examples: fewer are harder. It ignores what the examples show and that they make
    the prompt longer."""
    return -float(count)


# Measures computed from the value of the knob alone.
OF_KNOB = {"data_fraction": data_fraction, "options": options, "context": context, "shots": shots}
