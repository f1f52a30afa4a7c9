"""Difficulty: one number per condition (task and knob values), by a named measure with a written formula.

Larger is harder in each of them by the paper's reading; that reading is what a study tests. Measures of a knob compare
conditions of one task only.
"""

import math

CHANCE_CORRECTED_DENSE_ERROR = "chance_corrected_dense_error"
HUMAN_GAP_BY_HUMAN = "human_gap_by_human"
HUMAN_GAP_BY_DENSE = "human_gap_by_dense"


def chance_corrected_dense_error(dense_score: float, chance: float) -> float:
    """1 - (dense - chance) / (1 - chance): 0 where the dense model is always right, 1 where it guesses.

    An absolute measure: it compares tasks with different numbers of options, needs no human figure, and sees what
    the human gap hides (model and human both poor). It speaks of difficulty for this model only.
    """
    return 1 - (dense_score - chance) / (1 - chance)


def human_gap_by_human(human: float, dense_score: float) -> float | None:
    """(human - dense) / human: share of human performance that the dense model lacks; negative where it is better.

    Both in the metric of the task. It does not see tasks at which human and model are both poor, knows no chance
    (guessing has a small gap where there are few options), and sets gaps of unlike metrics side by side. Human figures
    are mostly of the test set, model scores of the validation set. None where human performance is not above 0.
    """
    return (human - dense_score) / human if human > 0 else None


def human_gap_by_dense(human: float, dense_score: float) -> float | None:
    """(human - dense) / dense: the same gap as a share of the dense score, which grows without bound as that falls.

    It orders conditions of one human figure as `human_gap_by_human` does, and shares its blind spots. None where the
    dense score is not above 0.
    """
    return (human - dense_score) / dense_score if dense_score > 0 else None


def data_fraction(percent: int) -> float:
    """1 - fraction of the training rows. It does not see how many rows that is, nor that fewer rows of the same number
    of epochs are fewer training steps."""
    return 1 - percent / 100


def options(count: int) -> float:
    """1 - 1 / number of options: the error of guessing. It does not see how tempting the wrong options are."""
    return 1 - 1 / count


def context(tokens: int | str) -> float:
    """Tokens of passage shown: 0 for "none", infinity for "passage" (all of it, whatever its length).

    More text to search counts as harder. It does not see whether the answer is in the text: without a passage the task
    is another one (recall, not reading), so "none" is no small amount of context; `answer_span=masked` is its control.
    """
    return {"none": 0.0, "passage": math.inf}[tokens] if isinstance(tokens, str) else float(tokens)


def shots(count: int) -> float:
    """Number of in-context examples, negative: fewer are harder. It does not see what the examples show, nor that they
    lengthen the prompt."""
    return -float(count)


# Measures that need nothing but the value of the knob they are named after.
OF_KNOB = {"data_fraction": data_fraction, "options": options, "context": context, "shots": shots}
