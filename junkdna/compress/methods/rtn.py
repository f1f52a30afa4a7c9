"""Round to nearest: quantization that uses only the weights."""

import torch
from torch import Tensor

from junkdna.compress import quant_grid
from junkdna.compress.checks import check_matrix, group_size
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult
from junkdna.study.methods import Method

METHOD = Method(
    label="RTN",
    line_style=(0, (2, 2)),
    meaning="round each weight to the nearest point of its group's uniform grid",
    over="matrix",
    levels=("bits",),
    options={
        "group": {
            "default": 128,
            "minimum": 0,
            "maximum": 65536,
            "divides_inputs": True,
            "meaning": "consecutive inputs of a row that share a grid; 0 means one grid per row",
            "label": {0: "one group per row", "*": "groups of {}"},
        },
        "symmetric": {
            "default": False,
            "meaning": "a grid without zero point",
            "label": {True: "symmetric grid", False: "grid with zero point"},
        },
    },
    gives="weight",
)


def compress(
    weight: Tensor, statistics: InputStatistics | None, level: int, group: int = 128, symmetric: bool = False
) -> MatrixResult:
    """The (out, in) weights rounded to a grid of 2^level points for every `group` consecutive inputs of each row.

    level is 2, 3, 4 or 8 bits; group 0 uses one grid per row. The grids are those of `quant_grid.fit` (from the
    smallest to the largest weight, symmetric or not), with its rule for halves. The result contains floats in the
    weight's dtype (quantization is simulated), computed in float32, or float64 for float64 weights. Zeros stay exactly
    0. `statistics` are ignored.

    A second pass changes only the last bits on an asymmetric grid that spans all its points. On a symmetric grid it
    changes more, because the largest weights are not grid points.

    Raises `UserError` for NaN or infinite weights and for a group that does not divide the inputs. Does not change
    `weight` or search for a range smaller than that of the weights.
    """
    check_matrix(weight)
    size = group_size(weight.shape[1], group)
    work = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    groups = work.unflatten(1, (-1, size)).movedim(2, 0)
    rounded = quant_grid.nearest(groups, quant_grid.fit(groups, level, symmetric))
    return MatrixResult(None, quant_grid.cast(rounded.movedim(0, 2).flatten(1), weight.dtype))
