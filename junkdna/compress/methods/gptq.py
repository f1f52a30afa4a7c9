"""GPTQ: round the weights input by input, and adjust the remaining inputs to compensate for each error."""

import torch
from torch import Tensor

from junkdna.compress import quant_grid
from junkdna.compress.checks import check_matrix
from junkdna.compress.column_sweep import sweep
from junkdna.compress.input_stats import InputStatistics, inverse_factor
from junkdna.compress.masks import MatrixResult
from junkdna.compress.rounding import Rounding, rounding_of
from junkdna.study.methods import Method

METHOD = Method(
    label="GPTQ",
    line_style=(0, (6.5, 1.2, 2.4, 1.2)),
    meaning="round column by column (damping 1 %) and adjust the remaining columns",
    source="Frantar et al. 2022, arXiv 2210.17323",
    over="matrix",
    levels=("bits", "format"),
    options={
        "group": {
            "default": 128,
            "minimum": 0,
            "maximum": 65536,
            "divides_inputs": True,
            "meaning": "consecutive inputs of a row that share a grid of integers; 0 means one grid per row",
            "only": ("bits",),
            "label": {0: "one group per row", "*": "groups of {}"},
        },
        "symmetric": {
            "default": False,
            "meaning": "a grid of integers without zero point",
            "only": ("bits",),
            "label": {True: "symmetric grid", False: "grid with zero point"},
        },
        "act_order": {
            "default": False,
            "meaning": "round the columns with large inputs first",
            "label": {True: "ordered by activation", False: "in column order"},
        },
        "per_channel": {
            "default": False,
            "meaning": "FP8 with one scale per row; otherwise one for the matrix",
            "only": ("fp8",),
            "label": {True: "one scale per row", False: "one scale per matrix"},
        },
    },
    gives="weight",
    statistics="gram",
    precompute=True,
)


def compress(
    weight: Tensor,
    statistics: InputStatistics,
    level: int | str,
    group: int = 128,
    symmetric: bool = False,
    act_order: bool = False,
    per_channel: bool = False,
) -> MatrixResult:
    """The (out, in) weights on a grid of 2^level points per group, or in a number format, chosen to preserve the
    layer's outputs.

    Inputs are rounded in order. After each, the weights of the later inputs change by the step that least increases the
    squared error over the calibration tokens, sum_t |W x_t - Q x_t|^2 (Frantar et al. 2022, arXiv 2210.17323, equations
    2 and 3 in the Cholesky form of algorithm 1, damping 1 %; `column_sweep.sweep` computes the steps). The grid of a
    group of `group` consecutive inputs (0: the entire row) is that of `rtn`, fitted to the weights at the moment when
    the group's first input is reached. So with uncorrelated inputs the result equals `rtn`.

    The scales of a number format's blocks (level nvfp4, mxfp4, fp8 or nf4) are fitted in the same way. The tensor scale
    of nvfp4 and the scales of fp8 come from the original weights: weights that grow beyond the largest original one are
    cut to it.

    `act_order` processes the inputs by descending square sum, ties in their original order, and forms groups in that
    order. A file must then store each input's group, ceil(log2 groups) bits per input, in one list for all rows (common
    formats use 32 bits), and a kernel reads scales out of order.

    Dead inputs (0 in every token) provide no information about their weights, which are rounded to the nearest point,
    as in `rtn`. The authors' code sets them to 0, which prunes inputs that other texts may use. It also fits a group
    that begins inside one of its blocks of 128 inputs to weights from before the block; here weights are always
    current.

    Computed in float32, or float64 for float64 weights; the result has the dtype of `weight`. Zeros may become nonzero,
    and the error may exceed that of `rtn`. Does not change `weight`. Raises `UserError` for NaN or infinite weights, a
    group or block that does not divide the inputs, and missing or non-finite statistics (`inverse_factor`).
    """
    check_matrix(weight)
    work = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    rounding = rounding_of(work, level, group, symmetric, per_channel)
    assert statistics.inputs == weight.shape[1], f"statistics of {statistics.inputs} inputs for {tuple(weight.shape)}"
    factor = inverse_factor(statistics)
    if act_order:
        order = statistics.square_sums.argsort(descending=True, stable=True)
        # U P is a factor of the permuted inverse, but not triangular; R of its QR is. The signs of R's rows cancel
        factor = torch.linalg.qr(factor[:, order], mode="r").R
        rounded = _round_in_order(work[:, order], factor, rounding)[:, order.argsort()]
    else:
        rounded = _round_in_order(work, factor, rounding)
    return MatrixResult(None, quant_grid.cast(rounded, weight.dtype))


def _round_in_order(weight: Tensor, factor: Tensor, rounding: Rounding) -> Tensor:
    """The rounded weights, (out, in). `factor` is U of `inverse_factor`."""

    def start(first: int, columns: Tensor) -> tuple[Tensor, ...]:
        return rounding.fit(columns)

    return sweep(weight, factor, rounding.group, start, rounding.nearest)
