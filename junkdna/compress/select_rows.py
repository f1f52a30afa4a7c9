"""Exact selection in each row of a matrix of scores, or in each group of consecutive inputs of a row."""

import torch
from torch import Tensor

from junkdna.compress.checks import check_divides


def keep_highest_per_row(scores: Tensor, count: int) -> Tensor:
    """A bool mask of the scores' shape (rows, columns), True at exactly the `count` highest scores of each row.

    The lowest scores are pruned first, among equal ones the lower column. Masks are therefore nested: what a larger
    count prunes, a smaller one prunes too. The result is the same on every device. Scores are finite numbers of any
    sign; they are not changed. Memory: the lowest scores of each row with their columns, and counters for the rows with
    too many ties.
    """
    columns = scores.shape[1]
    assert 0 <= count <= columns, f"{count} of {columns} scores per row to keep"
    scores = scores.detach()
    pruned = columns - count
    if pruned == 0:
        return torch.ones_like(scores, dtype=torch.bool, memory_format=torch.contiguous_format)
    threshold = scores.topk(pruned, dim=1, largest=False, sorted=False).values.amax(1, keepdim=True)
    kept = (scores > threshold).contiguous()
    missing = count - kept.sum(1)  # ties to keep
    rows = missing.nonzero().flatten()
    ties = scores[rows] == threshold[rows]
    # from the right, because lower columns are pruned first
    ties &= ties.flip(1).cumsum(1, dtype=torch.int32).flip(1) <= missing[rows, None]
    kept[rows] |= ties
    return kept


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
    # how many are pruned before this one
    lower = torch.zeros_like(members, dtype=torch.int8 if of < 128 else torch.int32)
    for later in range(1, of):
        above = members[:later] > members[later]
        lower[:later] += above
        lower[later] += later - above.sum(0, dtype=lower.dtype)
    return (lower >= of - keep).t().contiguous().view(rows, inputs)
