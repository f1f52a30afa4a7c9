"""Low rank that preserves the outputs of a layer: the largest singular values of the whitened matrix are kept."""

import torch
from torch import Tensor

from junkdna.compress.checks import check_matrix, kept_rank
from junkdna.compress.input_stats import DAMPING, InputStatistics, check_statistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.quant_grid import cast
from junkdna.errors import UserError
from junkdna.study.methods import Method

METHOD = Method(
    label="whitened SVD",
    line_style=(0, (1, 2, 1, 2, 4, 2)),
    meaning="keep the largest singular values of each matrix times a factor of x x^T (damping 1 %)",
    source="SVD-LLM without its update: Wang et al. 2024, arXiv 2403.07378",
    over="matrix",
    levels=("rank",),
    gives="weight",
    statistics="gram",
    precompute=True,
)


def compress(weight: Tensor, statistics: InputStatistics, level: float) -> MatrixResult:
    """The (out, in) matrix W' of rank floor(level * min(out, in)) whose outputs are nearest to those of `weight`.

    With S of `whitening_factor`, W S = U diag(s) V^T is truncated to its largest singular values and multiplied by S^-1
    (truncation-aware data whitening, Wang et al. 2024, SVD-LLM, arXiv 2403.07378, section 3.1). Since U_r U_r^T W S is
    that truncation, W' = U_r U_r^T W, and no inverse is needed. The error ||(W - W') S||_F, which is the error of the
    outputs over the calibration tokens up to damping, is the root of the summed squares of the dropped singular values,
    the smallest at this rank. Also without damping it is at most that of `svd` at the same rank. If the gram is a
    multiple of the identity, the result is that of `svd`.

    level is the fraction of the full rank to keep: 1 returns the weight bit for bit, 0 (or less than one singular
    value) zeros. Computed in float64; the result has the dtype of `weight`. The layer keeps its shape and speed: the
    product of the factors is returned. The paper's second step, which updates the factors afterwards, is left out.

    Raises `UserError` for NaN or infinite weights, and for missing or non-finite statistics. Does not change `weight`.
    """
    check_matrix(weight)
    assert statistics.inputs == weight.shape[1], f"statistics of {statistics.inputs} inputs for {tuple(weight.shape)}"
    check_statistics(statistics)
    rank = kept_rank(*weight.shape, level)
    if rank == 0:
        return MatrixResult(None, torch.zeros_like(weight))
    if rank == min(weight.shape):
        return MatrixResult(None, weight.detach().clone())
    wide = weight.detach().double()
    u = torch.linalg.svd(wide @ whitening_factor(statistics), full_matrices=False).U[:, :rank]
    return MatrixResult(None, cast(u @ (u.t() @ wide), weight.dtype))


def whitening_factor(statistics: InputStatistics) -> Tensor:
    """Lower triangular S, float64, (inputs, inputs), with S S^T = H + DAMPING * mean(diag H) * I; H is the gram.

    The mean is over inputs that are not 0 in every token. Dead inputs get the damping alone, so their weights count a
    little, in proportion to the other inputs. If all inputs are dead, S is the identity. With sums in float32 the two
    triangles of the gram may differ by rounding; the lower triangle counts. Raises `UserError` if the damped gram is
    not positive definite.
    """
    assert statistics.gram is not None, "statistics without a gram"
    hessian = statistics.gram.double()
    diagonal = hessian.diagonal()
    live = int((diagonal > 0).count_nonzero())
    diagonal.add_(DAMPING * diagonal.sum() / live if live else 1)
    factor, failed = torch.linalg.cholesky_ex(hessian)
    if failed:
        raise UserError(
            f"the sum of x x^T over {statistics.tokens} calibration tokens is not positive definite, even with "
            f"{DAMPING:g} of its mean diagonal added. Some inputs may be orders of magnitude larger than the others: "
            "calibrate with more tokens, or use svd, which needs none."
        )
    return factor
