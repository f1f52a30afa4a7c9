"""What a study must know of the metrics before any number is computed: names, kinds of task, legal ranges.

Imports nothing heavy, so that task files can be checked quickly; the formulas are in `evaluate.metrics`.
"""

import math

# Kinds of task that each metric can score. `token_f1` compares words: it does not fit answers matched as numbers.
METRIC_KINDS: dict[str, tuple[str, ...]] = {
    "accuracy": ("classify", "pair", "choice"),
    "matthews": ("classify", "pair"),
    "f1": ("classify", "pair"),
    "pearson": ("regress",),
    "spearman": ("regress",),
    "exact_match": ("generate",),
    "lenient_match": ("generate",),
    "token_f1": ("generate",),
    "log2_likelihood_per_byte": ("likelihood",),
}

# Lowest and highest value of each metric; higher is better for all of them.
METRIC_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(METRIC_KINDS, (0.0, 1.0)),
    **dict.fromkeys(("matthews", "pearson", "spearman"), (-1.0, 1.0)),
    "log2_likelihood_per_byte": (-math.inf, 0.0),
}


def perfect_score(metric: str) -> float:
    """The highest value of a metric: 1, or 0 for a log-likelihood (every token is certain)."""
    return METRIC_RANGES[metric][1]
