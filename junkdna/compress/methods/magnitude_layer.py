"""Magnitude pruning of each matrix separately: one threshold per matrix."""

from fractions import Fraction

from torch import Tensor

from junkdna.compress.checks import check_matrix, prune_count
from junkdna.compress.masks import MatrixResult
from junkdna.compress.select import keep_all_but_lowest, magnitude_order
from junkdna.study.methods import Method

METHOD = Method(
    label="magnitude per matrix",
    caption="smallest weights of each matrix pruned",
    line_style=(0, (3, 1.2)),
    meaning="prune the smallest |w| of each matrix",
    source="rule of the Junk DNA Hypothesis for language models, arXiv 2310.02277",
    over="matrix",
    levels=("sparsity",),
    scope=("embeddings",),
    guarantee="matrix",
)


def compress(weight: Tensor, statistics: None, level: float | Fraction) -> MatrixResult:
    """The mask (True = kept) of one (out, in) matrix that prunes its smallest |w|; level = the fraction pruned.

    Of n scalars exactly floor(n * level) are pruned, smallest |w| first, ties by the lower row-major index: `magnitude`
    with only this matrix. Level 0 prunes nothing and 1 everything; masks are nested as the level increases. Kept
    weights do not change, so the result contains no weight. `statistics` are ignored. Raises `UserError` for NaN or
    infinite weights. Does not change the weight.

    Source: the per-layer magnitude rule of the LLM code of the Junk DNA Hypothesis. Its threshold is the scalar of rank
    floor(n * level), counted from 0, and it prunes that scalar and its ties too; here the count is exact.
    """
    check_matrix(weight)  # here, because the check in magnitude_order adds a matrix name, which is unknown here
    count = prune_count(weight.numel(), level)
    ((_, mask),) = keep_all_but_lowest(magnitude_order({"weight": weight}), count)
    return MatrixResult(mask, None)
