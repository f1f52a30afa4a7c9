"""Independent answers for the second-order methods: numpy, float64, explicit inverses, loops, nothing factored.

Damped H is gram + 1 % of its mean diagonal; dead inputs get diagonal 1 and are left out of the mean.
"""

from itertools import combinations

import numpy as np
import torch

from junkdna.compress.input_stats import InputStatistics


def statistics_of(x, gram=True):
    """The package's statistics of inputs x (tokens, in), which the answers below share: their sums are float32."""
    statistics = InputStatistics(x.shape[1], gram=gram, device=x.device)
    statistics.add(x)
    return statistics


def correlated_inputs(tokens, inputs, seed, dead=(), spread=1.0):
    """(tokens, in) float32 inputs that share directions, with unequal norms (log-normal of width `spread`)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(tokens, inputs)) @ rng.normal(size=(inputs, inputs)) / np.sqrt(inputs)
    x = (x + rng.normal(size=(tokens, 1))) * np.exp(spread * rng.normal(size=inputs))
    x[:, list(dead)] = 0
    return torch.tensor(x, dtype=torch.float32)


def damped(statistics, damping=0.01):
    upper = np.triu(statistics.gram.double().cpu().numpy())
    h = upper + np.triu(upper, 1).T
    live = h.diagonal() > 0
    ridge = damping * h.diagonal()[live].mean() if live.any() else 0
    for j in range(len(h)):
        h[j, j] = (h[j, j] if live[j] else 1) + ridge
    return h


def error(w, new, h):
    """sum over rows of (w - new) h (w - new)^T: the squared output error where h is the gram."""
    change = np.asarray(w, dtype=float) - np.asarray(new, dtype=float)
    return float(np.einsum("ri,ij,rj->", change, h, change))


def obs_step(w, h, p):
    """Optimal brain surgeon (Hassibi & Stork 1993): (row without weight p, the others adjusted, rise of the error / 2).

    Equations 5: dw = - w_p / [H^-1]_pp H^-1 e_p, L = w_p^2 / (2 [H^-1]_pp).
    """
    inverse = np.linalg.inv(h)
    new = w - w[p] / inverse[p, p] * inverse[:, p]
    new[p] = 0
    return new, w[p] ** 2 / (2 * inverse[p, p])


def refit(w, h, kept):
    """The row of least (w - v) h (w - v)^T with v 0 off `kept`: the normal equations, solved."""
    best = np.zeros_like(w)
    if kept.any():
        best[kept] = np.linalg.solve(h[np.ix_(kept, kept)], h[kept] @ w)
    return best


def best_mask(w, h, count):
    """(error, kept) of the best of all ways to prune `count` weights of one row and refit the rest."""
    tries = []
    for pruned in combinations(range(len(w)), count):
        kept = np.ones(len(w), dtype=bool)
        kept[list(pruned)] = False
        tries.append((error(w[None], refit(w, h, kept)[None], h), kept))
    return min(tries, key=lambda one: one[0])


def sparsegpt(weight, h, dead, group, choose):
    """SparseGPT with an inverse of the Hessian over the columns not yet done, made anew for every column.

    `choose(first, saliencies)` gives the kept of a group of columns from (rows, columns) saliencies w^2 / [H^-1]_00,
    where H is over that column and those behind. Returns (kept, new weights).
    """
    w = np.array(weight, dtype=float)
    kept = np.ones(w.shape, dtype=bool)
    inputs = w.shape[1]
    for j in range(inputs):
        if j % group == 0:
            columns = range(j, min(j + group, inputs))
            saliencies = [
                np.zeros(len(w)) if c in dead else w[:, c] ** 2 / np.linalg.inv(h[c:, c:])[0, 0] for c in columns
            ]
            kept[:, list(columns)] = choose(j, np.stack(saliencies, axis=1))
        inverse = np.linalg.inv(h[j:, j:])
        for row in np.flatnonzero(~kept[:, j]):
            w[row, j:] -= w[row, j] / inverse[0, 0] * inverse[0]
            w[row, j] = 0
    return kept, w
