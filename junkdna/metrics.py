"""Task metric, its floors, and the signs of a run that learned or kept nothing."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """Per-example predictions: `gold` and `prediction` are class ids or option positions, `margin` is the gold
    score less the best other score (> 0 exactly when right without a tie)."""

    gold: np.ndarray
    prediction: np.ndarray
    margin: np.ndarray


def outcome(scores: list[np.ndarray], gold: np.ndarray) -> Outcome:
    """Outcome of scores per option (or class): the highest wins, the lowest position among equals.

    A score that is not a number counts as minus infinity: a broken model must not look right.
    """
    clean = [np.where(np.isnan(row), -np.inf, row) for row in scores]
    prediction = np.array([int(np.argmax(row)) for row in clean], dtype=np.int32)
    margin = np.array(
        [_margin(row, answer) for row, answer in zip(clean, gold, strict=True)],
        dtype=np.float32,
    )
    return Outcome(gold.astype(np.int32), prediction, margin)


def _margin(row: np.ndarray, answer: int) -> float:
    others = np.delete(row, answer).max()
    return 0.0 if row[answer] == others else float(row[answer] - others)


def accuracy(result: Outcome) -> float:
    """Share of examples whose prediction is the gold answer."""
    return float(np.mean(result.prediction == result.gold))


def chance_floor(options: np.ndarray) -> float:
    """Expected accuracy of guessing evenly: mean of 1 / (number of options or classes) over the examples."""
    return float(np.mean(1.0 / options))


def majority_floor(gold: np.ndarray) -> float:
    """Accuracy of always giving the evaluation set's most frequent answer (class id or option position)."""
    return float(np.bincount(gold).max() / len(gold))


def collapsed(result: Outcome) -> bool:
    """Whether the run gives one and the same prediction for every example, or cannot tell any options apart."""
    return len(np.unique(result.prediction)) == 1 or bool(np.all(result.margin == 0))
