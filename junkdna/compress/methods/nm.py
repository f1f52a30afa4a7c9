"""Semi-structured pruning: keep n of every m consecutive inputs."""

from torch import Tensor

from junkdna.compress.checks import check_matrix
from junkdna.compress.masks import MatrixResult
from junkdna.compress.select_groups import keep_n_of_m
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

    level is (keep, of); the sparsity is 1 - keep/of in every row. Within a group the of - keep smallest |w| go, of
    equal ones the lower index first. keep 0 prunes everything, keep = of nothing. Nested as keep falls with `of` fixed.
    The weight is (out, in), of float16, bfloat16, float32 or float64; kept ones stay bit for bit, so the result holds
    no weight. `statistics` are not looked at. Raises `UserError` for NaN or infinite weights and a row length that
    `of` does not divide. It does not change the weight, and does not permute inputs to keep more.

    Source: the N:M rule of the Junk DNA Hypothesis code, whose two digits count the *pruned* (its 13 is keep 2 of 3).
    """
    check_matrix(weight)
    return MatrixResult(keep_n_of_m(weight.detach().abs(), *level), None)
