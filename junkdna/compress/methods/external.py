"""External: the weights or masks that another tool made of the model, as they are."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from junkdna.compress.checks import check_matrix
from junkdna.compress.external_files import external_matrices
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.scope import Prunable
from junkdna.study.methods import Method

if TYPE_CHECKING:
    from junkdna.study.compress_settings import CompressedSettings

METHOD = Method(
    label="external",
    line_style=(0, (2, 1, 2, 1, 1, 1)),
    meaning="the checkpoint or the masks that another tool made of the model",
    over="matrix",
    levels=("external",),
    options={
        "quantized": {
            "default": False,
            "meaning": "the checkpoint is quantized, low rank or changed without pruning: its zeros are values, and it "
            "has no mask",
            "no_mask": True,
            "label": {True: "not pruned", False: ""},
        },
        "effective_bits": {
            "default": 0.0,
            "minimum": 0,
            "maximum": 16,
            "meaning": "bits per weight that its authors state; 0: 16, or those of its zeros as a bitmask",
            "label": {0.0: "", "*": "{} stated bits"},
        },
    },
    scope=("embeddings",),
    gives="both",
    precompute=True,
)


def compress(
    weight: Tensor,
    statistics: InputStatistics | None,
    level: str,
    quantized: bool = False,
    effective_bits: float = 0.0,
    given: Tensor | None = None,
) -> MatrixResult:
    """The result for one (out, in) matrix of what was `given` for it: a bool mask (True = kept), or new weights in the
    dtype of `weight`.

    The mask of new weights is True where they are not 0, so a kept weight that is exactly 0 counts as pruned; a file of
    masks has no such ambiguity. `quantized` weights have no mask. There are no new weights if all kept ones are those
    of `weight`. `level` (the name), `effective_bits` (for the report) and `statistics` change nothing. Raises UserError
    for NaN or infinite weights. Does not change `weight`.
    """
    assert given is not None, "nothing was read for this matrix"
    check_matrix(weight)
    if given.dtype == torch.bool:
        return MatrixResult(given, None)
    check_matrix(given)
    if quantized:
        return MatrixResult(None, given)
    mask = given != 0
    unchanged = torch.equal(torch.where(mask, weight.detach(), 0), given)
    return MatrixResult(mask, None if unchanged else given)


def prepare_all(
    settings: "CompressedSettings", model: nn.Module, scope: Sequence[Prunable]
) -> Callable[[str, Tensor], dict[str, Tensor]]:
    """The function that gives the argument `given` of `compress` for a matrix, by its name and weight.

    Reads the checkpoint or masks of `settings` for the dense `model` (`external_matrices`, with its errors).
    """
    quantized = settings.options["quantized"]
    found = external_matrices(
        settings.external.path, model, settings.model_kind, settings.model_dtype, scope, quantized
    )
    return lambda name, weight: {"given": found[name].to(weight.device)}
