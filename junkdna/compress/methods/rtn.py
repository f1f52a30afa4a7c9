"""Round to nearest: quantization that looks at nothing but the weights."""

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
            "meaning": "consecutive inputs of a row that share a grid; 0 takes the whole row",
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

    level is 2, 3, 4 or 8 bits; group 0 makes one grid of a row. The grids are those of `quant_grid.fit` (from the least
    to the largest weight, symmetric or not), with its rule for halves. Weights come back as floats in their dtype
    (quantization is simulated), computed in float32, of float64 weights in float64; zeros stay exactly 0, and a group
    of zeros too. `statistics` are not looked at. A second pass changes nothing but the last bits on an asymmetric grid
    that spans all its points; on a symmetric one it does, because the largest weights are no grid points.
    Raises `UserError` for NaN or infinite weights, a group that does not divide the inputs. It does not
    change `weight`, nor search for a range smaller than that of the weights.
    """
    check_matrix(weight)
    size = group_size(weight.shape[1], group)
    work = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    groups = work.unflatten(1, (-1, size)).movedim(2, 0)
    rounded = quant_grid.nearest(groups, quant_grid.fit(groups, level, symmetric))
    return MatrixResult(None, quant_grid.cast(rounded.movedim(0, 2).flatten(1), weight.dtype))
