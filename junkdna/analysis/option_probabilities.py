"""Probabilities of options from scores, and what is computed from them. All logarithms are natural: units are nats.

Shapes: n examples, k options of the example with the most. Scores of options that an example lacks are ignored.
"""

import numpy as np

Array = np.ndarray
TEMPERATURES = (1e-5, 1e3)  # cosine similarities differ by 1e-4 to 2


def log_probabilities(scores_nk: Array, options_n: Array, temperature: float = 1.0) -> Array:
    """Log-softmax (n, k) of the scores of each example / temperature; minus infinity for options that it lacks.

    NaN counts as minus infinity, as for predictions. Where no option has a finite score, all have equal probabilities.
    """
    present = np.arange(scores_nk.shape[1]) < options_n[:, None]
    scores = np.where(present & ~np.isnan(scores_nk), scores_nk, -np.inf)
    scores = np.where(present & np.isneginf(scores).all(axis=1, keepdims=True), 0, scores) / temperature
    with np.errstate(invalid="ignore"):  # a score of infinity gives NaN
        scores = scores - scores.max(axis=1, keepdims=True)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def nll(log_p_nk: Array, gold_n: Array) -> Array:
    """Negative log-likelihood (n,) of the gold options."""
    return -np.take_along_axis(log_p_nk, gold_n[:, None], axis=1)[:, 0]


def kl_divergence(log_p_nk: Array, log_q_nk: Array) -> Array:
    """Kullback-Leibler divergence (n,) of q from p: the sum over options of p log(p / q)."""
    with np.errstate(invalid="ignore"):
        terms = np.exp(log_p_nk) * (log_p_nk - log_q_nk)
    return np.where(np.isneginf(log_p_nk), 0, terms).sum(axis=1)


def fitted_temperature(scores_nk: Array, options_n: Array, gold_n: Array) -> float | None:
    """The temperature with the least mean NLL of the gold options (Guo et al. 2017, arXiv 1706.04599).

    NLL is convex in 1 / temperature. None if there is no minimum: no finite scores, gold options that do not score
    above the mean of their example on average (the best temperature is infinite), or above or equal to all others in
    every example (it is 0).
    """
    from scipy.optimize import minimize_scalar

    present = np.arange(scores_nk.shape[1]) < options_n[:, None]
    if not np.isfinite(scores_nk[present]).all():
        return None
    gold_scores = np.take_along_axis(scores_nk, gold_n[:, None], axis=1)[:, 0]
    means = np.where(present, scores_nk, 0).sum(axis=1) / options_n
    best = np.where(present, scores_nk, -np.inf).max(axis=1)
    if np.mean(gold_scores - means) <= 0 or (gold_scores >= best).all():
        return None

    def mean_nll(log_temperature: float) -> float:
        return float(nll(log_probabilities(scores_nk, options_n, np.exp(log_temperature)), gold_n).mean())

    found = minimize_scalar(mean_nll, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def blind_nll(gold_n: Array, options_n: Array, classes: bool) -> Array:
    """The NLL (n,) of a model that does not see the input: -log of the frequency of the gold class, or, for options
    without fixed meaning, log(number of options). Its mean over classes is the entropy of their frequencies."""
    if not classes:
        return np.log(options_n)
    _, class_n, counts = np.unique(gold_n, return_inverse=True, return_counts=True)
    return -np.log(counts / len(gold_n))[class_n]


def bits_per_byte(log_likelihood_n: Array, bytes_n: Array) -> Array:
    """-log2 of the likelihood of each text / its bytes in UTF-8 (n,)."""
    return -log_likelihood_n / (np.log(2) * bytes_n)
