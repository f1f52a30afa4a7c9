"""Answers drawn with a known chance, and what is inferred from them."""

from collections.abc import Sequence

import numpy as np

from junkdna.analysis import effects as of_groups
from junkdna.analysis.draws import Draws
from junkdna.analysis.scores import Answers, Scores


def ids(n: int, prefix: str = "row") -> tuple[str, ...]:
    return tuple(f"{prefix}-{i}" for i in range(n))


def coin(shape: tuple, p: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < p).astype(float)


def all_counts(n: int, replicates: int, cluster_n: np.ndarray | None = None, prefix: str = "row") -> np.ndarray:
    """Whole numbers (replicates, n): how often each replicate draws each example."""
    blocks = [counts for _, counts in Draws(ids(n, prefix), replicates, cluster_n).blocks()]
    return np.concatenate(blocks).astype(int)


def answers(given: np.ndarray, gold: np.ndarray | None = None, metric: str = "accuracy", **more: object) -> Answers:
    """The answers of a group of seeds 0, 1, ...; without gold, 1 is right."""
    gold = np.ones(given.shape[1]) if gold is None else gold
    fields = {"ids": ids(given.shape[1]), "seeds": tuple(range(len(given)))} | more
    return Answers(metric=metric, gold=gold, given=given, **fields)


def scores_of(replicates: int, **groups: Answers) -> Scores:
    return Scores(groups.__getitem__, replicates)


def effects_of(score: Answers, dense: Answers, baseline: float, replicates: int) -> dict:
    return of_groups.effects(scores_of(replicates, score=score, dense=dense), "score", "dense", baseline)


def effects(correct: np.ndarray, dense: np.ndarray, baseline: float, replicates: int, prefix: str = "row") -> dict:
    """Effects of accuracies, given as rows of right (1) and wrong (0) answers."""
    named = {"ids": ids(correct.shape[1], prefix)}
    return effects_of(answers(correct, **named), answers(dense, **named), baseline, replicates)


def sample(counts: Sequence[int]) -> list[int]:
    """The positions that one replicate draws, each as often as it is drawn."""
    return [at for at, count in enumerate(counts) for _ in range(count)]
