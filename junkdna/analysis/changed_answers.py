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


def mcnemar(broken_n: Array, fixed_n: Array, cluster_n: Array | None = None) -> float:
    """Two-sided p-value of an exact test that as many answers break as are fixed; 1 if none changes.

    In a cluster (`cluster_n`, whole numbers from 0; None if every example is its own) d more answers break than are
    fixed. Without an effect, d and -d are equally likely, whatever the correlation within the cluster. So every cluster
    keeps its |d| and gets a random sign, and the p-value is the chance that the sum of all d is as far from 0 as
    observed. If no |d| is above 1, as without clusters, this is McNemar's exact test, a binomial one. With many
    clusters it agrees with the modified Obuchowski test, whose statistic is (sum d)^2 / sum d^2 (Yang et al. 2010, doi
    10.1002/bimj.201000035). It takes clusters as independent.
    """
    from scipy.special import bdtr

    net_n = np.asarray(broken_n, int) - np.asarray(fixed_n, int)
    net = net_n if cluster_n is None else np.bincount(cluster_n, net_n).astype(int)
    sizes, counts = np.unique(np.abs(net[net != 0]), return_counts=True)
    least = (int(sizes @ counts) - abs(int(net.sum()))) // 2  # the smaller one of what breaks and what is fixed, net
    ones = int(counts[sizes == 1].sum())
    larger = _signed_sums(sizes[sizes > 1], counts[sizes > 1])[: least + 1]
    tail = larger @ bdtr(np.minimum(least - np.arange(len(larger)), ones), ones, 0.5)
    return min(1.0, 2 * float(tail))


def _signed_sums(sizes: Array, counts: Array) -> Array:
    """Chances (1 + sum of sizes x counts,) that the positive ones of clusters with random signs sum to 0, 1, ..."""
    from scipy.stats import binom

    chances = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        own = np.zeros(size * count + 1)
        own[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, own)
    return chances


def combined_p(p_values: list[float]) -> float:
    """One p-value of several tests of one hypothesis, whatever their dependence: twice their mean, at most 1.

    Runs on the same examples are dependent, so their counts must not be added up (Vovk and Wang 2020, doi
    10.1093/biomet/asaa027). A single p-value stays as it is.
    """
    return p_values[0] if len(p_values) == 1 else min(1.0, 2 * float(np.mean(p_values)))
