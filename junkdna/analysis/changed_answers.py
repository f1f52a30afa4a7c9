"""How the answers of two models on the same examples differ, as functions of arrays. Shapes: n examples."""

import numpy as np

Array = np.ndarray


def broken(dense_right_n: Array, right_n: Array) -> Array:
    """Examples (n,) that the dense model answers right and the other one wrong, as booleans. Swapped: those fixed."""
    return dense_right_n & ~right_n


def kappa(one_n: Array, other_n: Array) -> float:
    """Cohen's kappa of two columns of answers: (agreement - expected) / (1 - expected), where the expected agreement is
    that of independent answers with the same frequencies (Cohen 1960, doi 10.1177/001316446002000104).

    NaN if both always give the same one answer.
    """
    answers, codes = np.unique(np.concatenate([one_n, other_n]), return_inverse=True)
    one, other = np.split(codes, 2)
    shares = (np.bincount(side, minlength=len(answers)) / len(one_n) for side in (one, other))
    expected = float(np.dot(*shares))
    return (float(np.mean(one == other)) - expected) / (1 - expected) if len(answers) > 1 else float("nan")


def mcnemar(broken: int, fixed: int) -> float:
    """Two-sided p-value of McNemar's exact test that as many answers break as are fixed; 1 if none changes.

    Given that an answer changes, it breaks with probability 1/2: a binomial test. It takes examples as independent.
    """
    from scipy.special import bdtr

    changed = broken + fixed
    return min(1.0, 2 * float(bdtr(min(broken, fixed), changed, 0.5))) if changed else 1.0


def combined_p(p_values: list[float]) -> float:
    """One p-value of several tests of one hypothesis, whatever their dependence: twice their mean, at most 1.

    Runs on the same examples are dependent, so their counts must not be added up (Vovk and Wang 2020, doi
    10.1093/biomet/asaa027). A single p-value stays as it is.
    """
    return p_values[0] if len(p_values) == 1 else min(1.0, 2 * float(np.mean(p_values)))
