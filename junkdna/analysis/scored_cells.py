"""What one cell answered, and the evaluation set that it shares with other cells."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class EvaluationSet:
    """The ids of n examples, the cluster of each (`draws.clusters`), and what decides its half (`units`): the name of
    the cluster, or the id of an example without one."""

    ids: tuple[str, ...]
    cluster: Array | None
    units: tuple[str, ...]


@dataclass(frozen=True)
class ScoredCell:
    """One cell: its examples, the gold answer of each (n,), and what its metric takes of the given answer (n,)."""

    examples: EvaluationSet
    gold: Array
    given: Array
