"""Choosing the highest scores in groups of consecutive inputs."""

import torch
from torch import Tensor

from junkdna.compress.checks import check_divides


def keep_n_of_m(scores: Tensor, keep: int, of: int) -> Tensor:
    """A bool mask of the scores' shape (rows, inputs), True at the `keep` highest of every `of` consecutive inputs.

    The lowest go, of equal ones the lower index first; the same on every device. Scores are finite numbers of any sign,
    0 <= keep <= of. Raises `UserError` where `of` does not divide the inputs. It does not change the scores.

    Each score's rank in its group is counted by comparing all pairs: for the small groups in use faster than sorting.
    """
    rows, inputs = scores.shape
    assert 0 <= keep <= of >= 1, (keep, of)
    check_divides(inputs, of)
    members = scores.detach().reshape(-1, of).t().contiguous()  # (of, groups)
    lower = torch.zeros_like(members, dtype=torch.int8 if of < 128 else torch.int32)  # how many go before this one
    for later in range(1, of):
        above = members[:later] > members[later]
        lower[:later] += above
        lower[later] += later - above.sum(0, dtype=lower.dtype)
    return (lower >= of - keep).t().contiguous().view(rows, inputs)
