"""Select the highest scores in groups of consecutive inputs."""

import torch
from torch import Tensor

from junkdna.compress.checks import check_divides


def keep_highest_per_group(scores: Tensor, keep: int, of: int) -> Tensor:
    """A bool mask of the scores' shape (rows, inputs), True at the `keep` highest of every `of` consecutive inputs.

    The lowest scores are pruned, among equal ones the lower index first, in the same way on every device. Scores are
    finite numbers of any sign; 0 <= keep <= of. Raises `UserError` if `of` does not divide the inputs. The scores are
    not changed.

    The rank of each score in its group is counted by comparing all pairs, which is faster than sorting for small
    groups.
    """
    rows, inputs = scores.shape
    assert 0 <= keep <= of >= 1, (keep, of)
    check_divides(inputs, of)
    members = scores.detach().reshape(-1, of).t().contiguous()  # (of, groups)
    lower = torch.zeros_like(
        members, dtype=torch.int8 if of < 128 else torch.int32
    )  # how many are pruned before this one
    for later in range(1, of):
        above = members[:later] > members[later]
        lower[:later] += above
        lower[later] += later - above.sum(0, dtype=lower.dtype)
    return (lower >= of - keep).t().contiguous().view(rows, inputs)
