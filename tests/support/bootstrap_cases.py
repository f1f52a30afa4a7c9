"""Answers drawn with a known chance, and what is inferred from them."""

import numpy as np

from junkdna.analysis import bootstrap
from junkdna.analysis.bootstrap import Resamples, estimate
from junkdna.evaluate.metrics import METRICS


def ids(n: int, prefix: str = "row") -> tuple[str, ...]:
    return tuple(f"{prefix}-{i}" for i in range(n))


def coin(shape: tuple, p: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < p).astype(float)


def effects(correct_sn: np.ndarray, dense_sn: np.ndarray, chance: float, draws: Resamples) -> dict:
    """Effects of accuracies, given as rows of right (1) and wrong (0) answers."""
    gold = np.ones(correct_sn.shape[1])
    parts = [estimate(METRICS["accuracy"], gold, rows, draws) for rows in (correct_sn, dense_sn)]
    return bootstrap.effects(*parts, chance)
