"""What calibration learns about a linear layer: sums over the tokens of its inputs, and the factor made from them."""

import torch
from torch import Tensor

from junkdna.errors import UserError

DAMPING = 0.01
"""Added to the Hessian's diagonal, as a fraction of its mean (SparseGPT and GPTQ, both papers' code)."""


class InputStatistics:
    """Sums over the calibration tokens of what goes into one linear layer of `inputs` inputs.

    `tokens` counts them. `square_sums` is sum_t x_tj^2, (inputs,); `gram` is sum_t x_t x_t^T, (inputs, inputs), kept
    only where `gram=True` asks for it, else None. Both are float32 on `device`. Sums, not means: no method here
    depends on the scale. Pad tokens are the caller's to take out. Layers that see one input may share the object.
    """

    def __init__(self, inputs: int, gram: bool, device: torch.device | str) -> None:
        self.inputs = inputs
        self.tokens = 0
        self.gram = torch.zeros(inputs, inputs, dtype=torch.float32, device=device) if gram else None
        self.factors: dict[float, Tensor] = {}
        """What `inverse_factor` made of the tokens so far, by damping."""
        self._square_sums = None if gram else torch.zeros(inputs, dtype=torch.float32, device=device)

    @property
    def square_sums(self) -> Tensor:
        return self.gram.diagonal() if self._square_sums is None else self._square_sums

    def add(self, x: Tensor) -> None:
        """Counts tokens in; x is (tokens, inputs) of any float dtype, on the statistics' device.

        Products of 16-bit floats are exact in float32, where they are summed; on CUDA without a float32 copy of x.
        float32 is multiplied in float32 (PyTorch's default: TF32 is off unless a program turns it on), float64
        rounded to it first.
        """
        assert x.ndim == 2, f"inputs of shape {tuple(x.shape)} are not (tokens, inputs)"
        assert x.shape[1] == self.inputs, f"{x.shape[1]} inputs given to the statistics of {self.inputs}"
        x = x.detach()
        self.tokens += len(x)
        self.factors.clear()
        if self.gram is None:
            self._square_sums += x.float().square().sum(0)
        elif x.is_cuda and x.dtype in (torch.float16, torch.bfloat16):
            self.gram += torch.mm(x.t(), x, out_dtype=torch.float32)
        else:
            x = x.float()
            self.gram.addmm_(x.t(), x)


def check_statistics(statistics: InputStatistics) -> None:
    """Refuses (`UserError`) statistics of no tokens, and NaN or infinite ones. One look at the diagonal is enough:
    a NaN or an infinity in x_tj makes square_sums_j one."""
    if not statistics.tokens:
        raise UserError(
            "no calibration tokens reached this layer, so nothing is known about its inputs. The calibration set may "
            "be empty or all padding, or the layer takes no part in the forward pass: leave it out of the scope."
        )
    sums = statistics.square_sums
    broken = sums.numel() - int(torch.isfinite(sums).count_nonzero())
    if broken:
        raise UserError(
            f"{broken} of {sums.numel()} inputs have NaN or infinite calibration statistics. Activations overflowed "
            "(float16 does so above 65504) or an earlier layer is damaged: load the model in bfloat16 or float32."
        )


def inverse_factor(statistics: InputStatistics, damping: float = DAMPING) -> Tensor:
    """Upper triangular U, float64, (inputs, inputs), with (H + damping * mean(diag H) * I)^-1 = U^T U; H is the gram.

    Row j of U holds all that SparseGPT and GPTQ need of input j: U_jj^2 is the first diagonal entry, and U_jj * U_j,j:
    the first row, of the inverse of H over the inputs j and behind (Frantar et al. 2023, GPTQ, section 3, step 3).
    Dead inputs (diag 0 in H) get diag 1; the mean is over the others, so that dead inputs change nothing for them.

    Sums in float32 leave the gram's two triangles equal to rounding only: the upper one counts.

    With J the reversal, J H J = L L^T gives U = J L^-1 J: one Cholesky and no inverse of H, which would have to be
    factored again. Always in float64: on inputs that share a direction (condition number 1e5; it can reach 100 times
    the number of inputs) U in float32 was off by 4e-4 of its norm, and 1,536 inputs took 0.2 s on one CPU core.
    Kept on the statistics until tokens are added. Raises `UserError` as `check_statistics` does, and where H is not
    positive definite.
    """
    assert statistics.gram is not None, "these statistics were made without a gram"
    if damping not in statistics.factors:
        check_statistics(statistics)
        hessian = statistics.gram.double()
        diagonal = hessian.diagonal()
        live = diagonal > 0
        mean = diagonal.sum() / live.count_nonzero().clamp(min=1)
        diagonal.masked_fill_(~live, 1).add_(damping * mean)
        lower, problem = torch.linalg.cholesky_ex(hessian.flip(0, 1))
        del hessian, diagonal
        if problem:
            raise UserError(
                f"the sum of x x^T over {statistics.tokens} calibration tokens is not positive definite, with "
                f"{damping:g} of its mean diagonal added. Some inputs may be larger than the others by many orders: "
                "calibrate with more tokens, or use a method that needs no such matrix (wanda, magnitude_layer, rtn)."
            )
        identity = torch.eye(statistics.inputs, dtype=torch.float64, device=lower.device)
        inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
        statistics.factors[damping] = inverse.flip(0, 1)
    return statistics.factors[damping]
