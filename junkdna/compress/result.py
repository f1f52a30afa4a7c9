"""What a method gives for one matrix."""

from typing import NamedTuple

from torch import Tensor


class MatrixResult(NamedTuple):
    """One compressed matrix, (out, in), on the device of the weight it came from.

    `mask` is bool, True = kept; None where nothing is pruned. `weight` holds the new values in the old dtype; None
    where kept weights stay bit for bit. Pruned entries of `weight` are 0.
    """

    mask: Tensor | None
    weight: Tensor | None
