"""What compression changes in one run: a compressed cell and its dense reference on the same examples."""

from dataclasses import dataclass

import numpy as np

from junkdna.analysis.changed_answers import broken, kappa, mcnemar
from junkdna.analysis.option_probabilities import blind_nll, kl_divergence, log_probabilities, nll
from junkdna.analysis.picked_options import CellAnswer, Options

Array = np.ndarray
MEANS = ("broken", "fixed", "kl_divergence", "nll", "dense_nll", "blind_nll")
UNDEFINED = float("nan")


@dataclass(frozen=True)
class PairChanges:
    """The changes in one run. NaN where something is undefined.

    - `means` (measures, n): the value of each example for each of `MEANS`. `blind_nll` is the NLL of a model that does
      not see the input.
    - `numbers`: numbers of the whole run by name: `agreement` (share of equal predictions), `kappa`, `mcnemar_p`,
      `temperature`, `bits_per_byte` and `dense_bits_per_byte` (means over examples).
    """

    means: Array
    numbers: dict[str, float]


def pair_changes(
    dense: CellAnswer, other: CellAnswer, n: int, classes: bool, cluster_n: Array | None = None
) -> PairChanges:
    """The changes from `dense` to `other`, both on the same n examples.

    `classes`: options are classes of the task. `cluster_n`: the cluster of each example (`draws.clusters`).
    """
    turned, numbers = _flips(dense.right_n, other.right_n, n, cluster_n)
    if dense.options is None or other.options is None:
        return PairChanges(np.concatenate([turned, np.full((4, n), UNDEFINED)]), numbers)
    probable, temperature = _probabilities(dense.options, other.options)
    blind_n = blind_nll(dense.options.gold_n, dense.options.options_n, classes)
    numbers |= _predictions(dense.options, other.options) | {"temperature": temperature}
    return PairChanges(np.concatenate([turned, probable, blind_n[None]]), numbers)


def _flips(
    dense_right_n: Array | None, right_n: Array | None, n: int, cluster_n: Array | None
) -> tuple[Array, dict[str, float]]:
    if dense_right_n is None or right_n is None:
        return np.full((2, n), UNDEFINED), {}
    turned = np.stack([broken(dense_right_n, right_n), broken(right_n, dense_right_n)])
    return turned.astype(float), {"mcnemar_p": mcnemar(*turned, cluster_n)}


def _probabilities(dense: Options, other: Options) -> tuple[Array, float]:
    """(KL divergence, NLL and the dense model's NLL (3, n), temperature). The dense model's temperature is used for
    both, so that smaller differences between scores count as less certain."""
    temperature = dense.temperature
    if temperature is None:
        return np.full((3, len(dense.gold_n)), UNDEFINED), UNDEFINED
    log_p, log_q = (log_probabilities(each.scores_nk, each.options_n, temperature) for each in (dense, other))
    measures = [kl_divergence(log_p, log_q), nll(log_q, other.gold_n), nll(log_p, dense.gold_n)]
    return np.stack(measures), temperature if dense.similarities else UNDEFINED


def _predictions(dense: Options, other: Options) -> dict[str, float]:
    found = {
        "agreement": float(np.mean(dense.prediction_n == other.prediction_n)),
        "kappa": kappa(dense.prediction_n, other.prediction_n),
    }
    for name, each in (("bits_per_byte", other), ("dense_bits_per_byte", dense)):
        if each.bits_per_byte_n is not None:
            found[name] = float(each.bits_per_byte_n.mean())
    return found
