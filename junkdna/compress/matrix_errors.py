"""How far a compressed matrix is from the original: in its weights, and in its outputs on the calibration tokens."""

import torch
from torch import Tensor

from junkdna.compress.masks import MatrixResult

DIGITS = 6  # significant ones that are stored


def relative_errors(weight: Tensor, result: MatrixResult, gram: Tensor | None = None) -> tuple[float | None, ...]:
    """The weight error and the output error of one (out, in) matrix W, whose compressed values are W'.

    - Weight error: ||W - W'||_F / ||W||_F. It is 0 if nothing changed, and 1 if everything became 0.
    - Output error: ||(W - W') X||_F / ||W X||_F, with the inputs X (in, tokens) of the layer; None without `gram`. The
      gram matrix G = X X^T (in, in) suffices, because ||A X||_F^2 = trace(A G A^T). It is the square root of the
      layer's objective in SparseGPT (Frantar and Alistarh 2023, arXiv 2301.00774, equation 1) and GPTQ (Frantar et al.
      2022, arXiv 2210.17323, equation 1), relative to the output.

    X are the inputs that the method saw: those of the compressed blocks before it (`sequential.calibrated`). So the
    output error is that of this matrix alone, on disturbed inputs, and not that of the model's activations.

    None, too, if the denominator is 0. Weights must be finite. Does not change its arguments.
    """
    change = _change(weight, result)
    weight_error = _ratio(_norm(change), _norm(weight))
    if gram is None:
        return weight_error, None
    return weight_error, _ratio(_output_norm(change, gram), _output_norm(weight, gram))


def _change(weight: Tensor, result: MatrixResult) -> Tensor:
    """W - W', at least in float32. Products with a mask are several times as fast as filling with 0, and the same for
    finite weights."""
    weight = weight.detach()
    if result.weight is None:
        return torch.zeros_like(weight) if result.mask is None else weight * ~result.mask
    wide = torch.promote_types(weight.dtype, torch.float32)
    new = result.weight if result.mask is None else result.weight * result.mask
    return weight.to(wide) - new.to(wide)


def _norm(matrix: Tensor) -> float:
    """Rows in float32 and their sum in float64: exact to 1e-8, and 20 times as fast as all of it in float64."""
    rows = torch.linalg.vector_norm(matrix.detach(), dim=1, dtype=torch.promote_types(matrix.dtype, torch.float32))
    return float(torch.linalg.vector_norm(rows.double()))


def _output_norm(matrix: Tensor, gram: Tensor) -> float:
    """||A X||_F. Rounding may make the trace slightly negative where A is orthogonal to all inputs."""
    wide = matrix.detach().double()
    return float(((wide @ gram.double()) * wide).sum().clamp(min=0).sqrt())


def _ratio(changed: float, full: float) -> float | None:
    return float(f"{changed / full:.{DIGITS}g}") if full else None
