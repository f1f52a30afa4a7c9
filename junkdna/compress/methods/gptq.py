"""GPTQ: rounding input by input, with the inputs still to come making up for each error."""

import torch
from torch import Tensor

from junkdna.compress import quant_grid
from junkdna.compress.checks import check_matrix, group_size
from junkdna.compress.column_sweep import sweep
from junkdna.compress.input_stats import InputStatistics, inverse_factor
from junkdna.compress.masks import MatrixResult
from junkdna.study.methods import Method

METHOD = Method(
    label="GPTQ",
    line_style=(0, (6.5, 1.2, 2.4, 1.2)),
    meaning="round column by column (damping 1 %) and adjust the columns still to come",
    source="Frantar et al. 2022, arXiv 2210.17323",
    over="matrix",
    levels=("bits",),
    options={
        "group": {
            "default": 128,
            "minimum": 0,
            "maximum": 65536,
            "divides_inputs": True,
            "meaning": "consecutive inputs of a row that share a grid; 0 takes the whole row",
            "label": {0: "one group per row", "*": "groups of {}"},
        },
        "symmetric": {
            "default": False,
            "meaning": "a grid without zero point",
            "label": {True: "symmetric grid", False: "grid with zero point"},
        },
        "act_order": {
            "default": False,
            "meaning": "round the columns of large inputs first",
            "label": {True: "ordered by activation", False: "in column order"},
        },
    },
    gives="weight",
    statistics="gram",
    precompute=True,
)


def compress(
    weight: Tensor,
    statistics: InputStatistics,
    level: int,
    group: int = 128,
    symmetric: bool = False,
    act_order: bool = False,
) -> MatrixResult:
    """The (out, in) weights on a grid of 2^level points per group, chosen to keep the layer's outputs.

    Inputs are rounded in their order; after each, the weights of the inputs behind take the step that least raises
    the squared error over the calibration tokens, sum_t |W x_t - Q x_t|^2 (Frantar et al. 2022, arXiv 2210.17323,
    equations 2 and 3 in the Cholesky form of algorithm 1, damping 1 %; `column_sweep.sweep` does the steps).
    The grid of a group of `group` consecutive inputs (0: the whole row) is that of `rtn`, fitted to the weights as
    they stand when the group's first input is reached. So with uncorrelated inputs the result is that of `rtn`.

    `act_order` takes the inputs by descending square sum, equal ones in their order, and makes groups of them in that
    order; a file must then store each input's group, ceil(log2 groups) bits an input, one list for all rows (common
    formats spend 32), and a kernel reads scales out of order.

    Dead inputs (0 in every token) say nothing about their weights: these are rounded to the nearest, as in `rtn`. The
    authors' code sets them to 0, which prunes inputs that other texts may use. And it fits a group that begins inside
    one of its blocks of 128 inputs to weights from before the block; here weights are never stale.

    Computed in float32, of float64 weights in float64; the dtype of `weight` comes back. Zeros need not stay 0.
    Raises `UserError` for NaN or infinite weights, a group that does not divide the inputs, no or broken
    statistics (`inverse_factor`). It does not change `weight`, and the error need not be below that of `rtn`.
    """
    check_matrix(weight)
    size = group_size(weight.shape[1], group)
    assert statistics.inputs == weight.shape[1], f"statistics of {statistics.inputs} inputs for {tuple(weight.shape)}"
    factor = inverse_factor(statistics)
    work = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    if act_order:
        order = statistics.square_sums.argsort(descending=True, stable=True)
        # U P factors the permuted inverse, but is not triangular; its R is. Signs of its rows cancel in a sweep
        factor = torch.linalg.qr(factor[:, order], mode="r").R
        rounded = _round_in_order(work[:, order], factor, level, size, symmetric)[:, order.argsort()]
    else:
        rounded = _round_in_order(work, factor, level, size, symmetric)
    return MatrixResult(None, quant_grid.cast(rounded, weight.dtype))


def _round_in_order(weight: Tensor, factor: Tensor, bits: int, size: int, symmetric: bool) -> Tensor:
    """The rounded weights, (out, in), with a grid for every `size` inputs and U of the inverse Hessian, (in, in)."""
    grid: quant_grid.Grid

    def start(first: int, columns: Tensor) -> None:
        nonlocal grid
        grid = quant_grid.fit(columns, bits, symmetric)

    return sweep(weight, factor, size, start, lambda index, column: quant_grid.nearest(column, grid))
