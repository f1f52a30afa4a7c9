"""Changed answers in clusters, as many broken as fixed on average, and how often tests of that reject it.

A test at 0.05 should reject in at most 5 % of studies. The modified Obuchowski test is computed for comparison (Yang et
al. 2010, doi 10.1002/bimj.201000035): (sum d)^2 / sum d^2 is chi-square, with d the difference of a cluster.
"""

from collections.abc import Iterable

import numpy as np
from scipy.stats import chi2

from junkdna.analysis.changed_answers import mcnemar
from junkdna.seeds import seed_for

Array = np.ndarray
CHANGED = 0.15  # share of answers that change
LEVEL = 0.05
MIXED = (1, 2, 5, 20)
CLUSTERED = {  # number of clusters, their sizes, correlation of the direction of two changes in a cluster
    "50 clusters of 10, correlation 0": (50, (10,), 0.0),
    "50 clusters of 10, correlation 0.3": (50, (10,), 0.3),
    "20 clusters of 10, correlation 0.3": (20, (10,), 0.3),
    "200 clusters of 5, correlation 0.3": (200, (5,), 0.3),
    "200 clusters of 1 to 20, correlation 0.3": (200, MIXED, 0.3),
    "200 clusters of 1 to 20, correlation 0.6": (200, MIXED, 0.6),
}


def changes(name: str, study: int) -> tuple[Array, Array, Array]:
    """Broken and fixed answers, and the cluster of each. A change breaks or fixes with the same chance."""
    count, sizes, same = CLUSTERED[name]
    generator = np.random.default_rng(seed_for("planted clusters", name, study))
    cluster_n = np.repeat(np.arange(count), generator.choice(sizes, count))
    changed, follows = generator.random((2, len(cluster_n))) < np.array([[CHANGED], [np.sqrt(same)]])
    direction = np.where(follows, generator.integers(0, 2, count)[cluster_n], generator.integers(0, 2, len(cluster_n)))
    return changed & (direction == 1), changed & (direction == 0), cluster_n


def rejected(name: str, study: int) -> Iterable[tuple[str, float]]:
    """Whether each test rejects that as many answers break as are fixed."""
    broken_n, fixed_n, cluster_n = changes(name, study)
    yield "clusters", float(mcnemar(broken_n, fixed_n, cluster_n) < LEVEL)
    yield "single answers", float(mcnemar(broken_n, fixed_n) < LEVEL)
    yield "modified Obuchowski", float(modified_obuchowski(broken_n, fixed_n, cluster_n) < LEVEL)


def modified_obuchowski(broken_n: Array, fixed_n: Array, cluster_n: Array) -> float:
    """Its p-value; 1 if nothing changes."""
    net = np.bincount(cluster_n, broken_n.astype(int) - fixed_n.astype(int))
    return float(chi2.sf(net.sum() ** 2 / (net**2).sum(), 1)) if net.any() else 1.0
