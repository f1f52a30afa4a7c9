"""N:M sparsity: keep n of every m consecutive inputs (for example, 2 of 4 kept)."""

from torch import Tensor

from junkdna.compress.checks import check_matrix
from junkdna.compress.masks import MatrixResult
from junkdna.compress.select_rows import keep_highest_per_group
from junkdna.study.methods import Method

METHOD = Method(
    label="N:M sparsity",
    line_style=(0, (5, 1.5, 1.2, 1.5)),
    meaning="keep the n largest |w| of every m consecutive inputs in each output row",
    source="N:M rule of the Junk DNA Hypothesis, arXiv 2310.02277",
    over="matrix",
    levels=("keep_of",),
)


def compress(weight: Tensor, statistics: None, level: tuple[int, int]) -> MatrixResult:
    """The mask (True = kept) of one matrix that keeps the `keep` largest |w| of every `of` consecutive inputs of a row.

    level is (keep, of); the sparsity is 1 - keep/of in every row. In each group the of - keep smallest |w| are pruned,
    among equal ones the lower index first. keep 0 prunes everything, keep = of nothing. Masks are nested as keep
    decreases with `of` fixed. The weight is (out, in), of float16, bfloat16, float32 or float64. Kept weights do not
    change, so the result contains no weight. `statistics` are ignored. Raises `UserError` for NaN or infinite weights
    and for a row length that `of` does not divide. Does not change the weight or permute its inputs.

    Source: the N:M rule of the Junk DNA Hypothesis code, whose two digits count the *pruned* weights (its 13 keeps 2 of
    3).
    """
    check_matrix(weight)
    return MatrixResult(keep_highest_per_group(weight.detach().abs(), *level), None)
