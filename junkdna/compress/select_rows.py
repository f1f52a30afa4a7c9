"""Exact selection in each row of a matrix of scores."""

import torch
from torch import Tensor


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
