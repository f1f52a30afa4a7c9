"""Statistics of a linear layer's inputs over the calibration tokens, and the factor of the inverse Hessian."""

import torch
from torch import Tensor

from junkdna.errors import UserError

DAMPING = 0.01
"""Added to the Hessian's diagonal, as a fraction of its mean (as in the code of SparseGPT and GPTQ)."""


class InputStatistics:
    """Sums over the calibration tokens of the inputs of one linear layer with `inputs` inputs.

    `tokens` counts the tokens. `square_sums` is sum_t x_tj^2, (inputs,). `gram` is sum_t x_t x_t^T, (inputs, inputs),
    or None unless `gram=True`. Both are float32 on `device`. They are sums, not means, because no method here depends
    on the scale. The caller removes pad tokens. Layers with the same input may share the object.
    """

    def __init__(self, inputs: int, gram: bool, device: torch.device | str) -> None:
        self.inputs = inputs
        self.tokens = 0
        self.gram = torch.zeros(inputs, inputs, dtype=torch.float32, device=device) if gram else None
        self.factor: Tensor | None = None
        """The result of `inverse_factor` for the tokens so far, once computed."""
        self._square_sums = None if gram else torch.zeros(inputs, dtype=torch.float32, device=device)

    @property
    def square_sums(self) -> Tensor:
        return self.gram.diagonal() if self._square_sums is None else self._square_sums

    def add(self, x: Tensor) -> None:
        """Adds tokens; x is (tokens, inputs) of any float dtype, on the device of the statistics.

        Products of 16-bit floats are exact in float32, in which they are summed; on CUDA without a float32 copy of x.
        float32 is multiplied in float32 (TF32 is off by default in PyTorch), and float64 is rounded to float32 first.
        """
        assert x.ndim == 2, f"inputs of shape {tuple(x.shape)} are not (tokens, inputs)"
        assert x.shape[1] == self.inputs, f"{x.shape[1]} inputs for statistics of {self.inputs}"
        x = x.detach()
        self.tokens += len(x)
        self.factor = None
        if self.gram is None:
            self._square_sums += x.float().square().sum(0)
        elif x.is_cuda and x.dtype in (torch.float16, torch.bfloat16):
            self.gram += torch.mm(x.t(), x, out_dtype=torch.float32)
        else:
            x = x.float()
            self.gram.addmm_(x.t(), x)


def check_statistics(statistics: InputStatistics) -> None:
    """Raises `UserError` if the statistics contain no tokens, NaN or infinity.

    Checking the diagonal is enough: NaN or infinity in x_tj makes square_sums_j NaN or infinite.
    """
    if not statistics.tokens:
        raise UserError(
            "no calibration tokens reached this layer, so it has no input statistics. The calibration set may be empty "
            "or all padding, or the forward pass may skip the layer: leave the layer out of the scope."
        )
    sums = statistics.square_sums
    if nonfinite := sums.numel() - int(torch.isfinite(sums).count_nonzero()):
        raise UserError(
            f"{nonfinite} of {sums.numel()} inputs have NaN or infinite calibration statistics. Activations may have "
            "overflowed (in float16 above 65504), or an earlier layer may be corrupt: load the model in bfloat16 or "
            "float32."
        )


def inverse_factor(statistics: InputStatistics) -> Tensor:
    """Upper triangular U, float64, (inputs, inputs), with (H + DAMPING * mean(diag H) * I)^-1 = U^T U; H is the gram.

    Row j of U contains everything that SparseGPT and GPTQ need of input j. In the inverse of H over the inputs from j
    on, U_jj^2 is the first diagonal entry and U_jj * U_j,j: is the first row (Frantar et al. 2023, GPTQ, section 3,
    step 3). Dead inputs (diag 0 in H) get diag 1. The mean is over all other inputs, so dead inputs do not affect them.

    With sums in float32 the two triangles of the gram may differ by rounding; the upper triangle counts.

    With J the reversal, J H J = L L^T gives U = J L^-1 J: one Cholesky factorization and no inverse of H, which would
    have to be factored again. Always in float64: on inputs that share a direction (condition number 1e5; it can reach
    100 times the number of inputs), U in float32 was off by 4e-4 of its norm, and 1,536 inputs took 0.2 s on one CPU
    core.

    The result is cached in the statistics until tokens are added. Raises `UserError` as `check_statistics` does, and if
    H is not positive definite.
    """
    assert statistics.gram is not None, "statistics without a gram"
    if statistics.factor is None:
        check_statistics(statistics)
        hessian = statistics.gram.double()
        diagonal = hessian.diagonal()
        live = diagonal > 0
        mean = diagonal.sum() / live.count_nonzero().clamp(min=1)
        diagonal.masked_fill_(~live, 1).add_(DAMPING * mean)
        lower, failed = torch.linalg.cholesky_ex(hessian.flip(0, 1))
        del hessian, diagonal
        if failed:
            raise UserError(
                f"the sum of x x^T over {statistics.tokens} calibration tokens is not positive definite, even "
                f"with {DAMPING:g} of its mean diagonal added. Some inputs may be orders of magnitude larger than the "
                "others: calibrate with more tokens, or use a method without this matrix (wanda, magnitude_layer, rtn)."
            )
        identity = torch.eye(statistics.inputs, dtype=torch.float64, device=lower.device)
        inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
        statistics.factor = inverse.flip(0, 1)
    return statistics.factor
