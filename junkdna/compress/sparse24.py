"""Matrices with at most 2 of every 4 consecutive inputs kept, in the packed layout of GPUs with sparse tensor cores."""

import torch
from torch import Tensor
from torch.sparse._semi_structured_conversions import sparse_semi_structured_from_dense_cutlass

from junkdna.errors import UserError

KIND = "2 of 4 kept 1"
ROWS, INPUTS = 32, 64  # multiples that torch's CUTLASS kernels need in 16 bits (`SparseSemiStructuredTensorCUTLASS`)


def keeps_2_of_4(matrix: Tensor) -> bool:
    """Whether every 4 consecutive inputs of each row of an (out, in) matrix have at most two values that are not 0."""
    if matrix.shape[1] % 4:
        return False
    return int((matrix != 0).unflatten(1, (-1, 4)).sum(-1).max()) <= 2


def pack_2_of_4(name: str, matrix: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors NAME.values (out, in / 2), in `dtype` (16 bits), and NAME.meta (out, in / 16), int16.

    This is the layout of torch's `SparseSemiStructuredTensorCUTLASS` (its `packed` and `meta`): the two kept values of
    each group in order, and two 2-bit positions for each group, 4 groups in 16 bits, in CUTLASS's order of rows. Groups
    with fewer than two values also store a 0.

    Raises UserError, naming the matrix, if it keeps more than 2 of 4, if its shape is not one that the kernels accept,
    or if a value is beyond the largest of `dtype`. Values are rounded to `dtype`.
    """
    rows, inputs = matrix.shape
    if not keeps_2_of_4(matrix):
        raise UserError(
            f"{name}: more than 2 of 4 consecutive inputs are kept, so the 2-of-4 layout cannot store it. Leave out "
            "--pack, or export a compression with keep: 2, of: 4."
        )
    if rows % ROWS or inputs % INPUTS:
        raise UserError(
            f"{name}: {rows} x {inputs} is not a multiple of {ROWS} x {INPUTS}, which 2-of-4 kernels need. Leave "
            "out --pack."
        )
    rounded = matrix.to(dtype).contiguous()
    if not torch.isfinite(rounded).all():
        raise UserError(f"{name}: values exceed the largest {dtype}. Use --pack bfloat16.")
    values, meta = sparse_semi_structured_from_dense_cutlass(rounded)
    return {f"{name}.values": values, f"{name}.meta": meta}
