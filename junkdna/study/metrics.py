"""What a study must know of the metrics before any number is computed: names, kinds of task, legal ranges.

Imports nothing, so that task files can be checked quickly; the formulas are in `metrics`.
"""

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
}

# Lowest and highest value of each metric; higher is better for all of them.
METRIC_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(METRIC_KINDS, (0.0, 1.0)),
    **dict.fromkeys(("matthews", "pearson", "spearman"), (-1.0, 1.0)),
}
