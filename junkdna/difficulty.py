"""Difficulty: one number per condition (task and knob values), by a named measure with a written formula."""

CHANCE_CORRECTED_DENSE_ERROR = "chance_corrected_dense_error"


def chance_corrected_dense_error(dense_score: float, chance: float) -> float:
    """1 - (dense - chance) / (1 - chance): 0 where the dense model is always right, 1 where it guesses.

    An absolute measure: it compares tasks with different numbers of options, needs no human figure, and sees what
    the human gap hides (model and human both poor). It speaks of difficulty for this model only.
    """
    return 1 - (dense_score - chance) / (1 - chance)
