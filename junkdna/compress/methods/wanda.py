"""Wanda: prune by |weight| times the norm of its input, the same fraction of every output row."""

from fractions import Fraction

import torch
from torch import Tensor

from junkdna.compress.checks import check_matrix, prune_count
from junkdna.compress.input_stats import InputStatistics, check_statistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.select_rows import keep_highest_per_group, keep_highest_per_row
from junkdna.study.methods import Method

METHOD = Method(
    label="Wanda",
    line_style=(0, (6.5, 1.1)),
    meaning="prune the smallest |w| x norm of the input in each output row",
    source="Sun et al. 2024, arXiv 2306.11695",
    over="matrix",
    levels=("sparsity", "keep_of"),
    statistics="square_sums",
    guarantee="row",
    precompute=True,
)


def compress(weight: Tensor, statistics: InputStatistics, level: float | Fraction | tuple[int, int]) -> MatrixResult:
    """The mask (True = kept) of one (out, in) matrix. Kept weights do not change, so the result contains no weight.

    The score of weight ij is |W_ij| * ||x_j||_2, with the norm over the calibration tokens (Sun et al. 2024, arXiv
    2306.11695, equation 1). level is one of:
    - a sparsity: every output row loses exactly floor(in * level) weights;
    - a Fraction, the exact share of an allocation: the matrix loses exactly floor(out * in * level) weights, every row
      the same number, or the first rows one more;
    - a pair (keep, of): of every `of` consecutive inputs of a row, the `keep` highest scores are kept.

    The lowest scores are pruned, among equal ones the lower index first, so masks are nested as the sparsity increases.
    A dead input (0 in every calibration token) scores 0 and is pruned first. Only the diagonal of a gram is used.

    Raises `UserError` for NaN or infinite weights or statistics, no tokens, and a row that `of` does not divide. Does
    not change the weight, and does not compensate for pruned weights.
    """
    check_matrix(weight)
    inputs = weight.shape[1]
    assert inputs == statistics.inputs, f"statistics of {statistics.inputs} inputs for {tuple(weight.shape)}"
    check_statistics(statistics)
    # fewer bits would create ties between different weights of one input
    dtype = torch.float32 if weight.dtype in (torch.float16, torch.bfloat16) else torch.float64
    scores = weight.detach().abs().to(dtype) * statistics.square_sums.to(dtype).sqrt()
    if isinstance(level, tuple):
        return MatrixResult(keep_highest_per_group(scores, *level), None)
    if isinstance(level, Fraction):
        return MatrixResult(_prune_evenly(scores, prune_count(scores.numel(), level)), None)
    return MatrixResult(keep_highest_per_row(scores, inputs - prune_count(inputs, level)), None)


def _prune_evenly(scores: Tensor, count: int) -> Tensor:
    """The mask without the `count` lowest scores, the same number in every row, or one more in the first rows."""
    rows, inputs = scores.shape
    each, more = divmod(count, rows)
    if not more:
        return keep_highest_per_row(scores, inputs - each)
    parts = keep_highest_per_row(scores[:more], inputs - each - 1), keep_highest_per_row(scores[more:], inputs - each)
    return torch.cat(parts)
