"""Round to nearest: quantization that uses only the weights."""

import torch
from torch import Tensor

from junkdna.compress import quant_grid
from junkdna.compress.checks import check_matrix
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.rounding import rounding_of
from junkdna.study.methods import Method

METHOD = Method(
    label="RTN",
    line_style=(0, (2, 2)),
    meaning="round each weight to the nearest point of its group's grid or value of a number format",
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
        "per_channel": {
            "default": False,
            "meaning": "FP8 with one scale per row; otherwise one for the matrix",
            "only": ("fp8",),
            "label": {True: "one scale per row", False: "one scale per matrix"},
        },
    },
    gives="weight",
)


def compress(
    weight: Tensor,
    statistics: InputStatistics | None,
    level: int | str,
    group: int = 128,
    symmetric: bool = False,
    per_channel: bool = False,
) -> MatrixResult:
    """The (out, in) weights rounded to the grid of each group, or to a number format.

    A level of 2 to 8 bits has a grid of 2^level points for every `group` consecutive inputs of each row; group 0 uses
    one grid per row. The grids are those of `quant_grid.fit` (from the smallest to the largest weight, symmetric or
    not), with its rule for halves. The level nvfp4, mxfp4, fp8 or nf4 has the values and scales of
    `number_formats.BlockScales`; `per_channel` is for fp8.

    The result contains floats in the weight's dtype (quantization is simulated), computed in float32, or float64 for
    float64 weights. Zeros stay exactly 0. `statistics` are ignored.

    A second pass changes only the last bits on an asymmetric grid that spans all its points and in a number format. On
    a symmetric grid it changes more, because the largest weights are not grid points.

    Raises `UserError` for NaN or infinite weights and for a group or block that does not divide the inputs. Does not
    change `weight` or search for a range smaller than that of the weights.
    """
    check_matrix(weight)
    work = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    size, fit, nearest = rounding_of(work, level, group, symmetric, per_channel)
    groups = work.unflatten(1, (-1, size)).movedim(2, 0)
    rounded = nearest(groups, *fit(groups))
    return MatrixResult(None, quant_grid.cast(rounded.movedim(0, 2).flatten(1), weight.dtype))
