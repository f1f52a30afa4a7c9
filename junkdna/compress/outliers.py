"""Outlier ratios of transformer blocks, by which OWL divides a sparsity (Yin et al. 2023, arXiv 2310.05175)."""

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn

from junkdna.compress.block_levels import by_block
from junkdna.compress.blocks import Batch
from junkdna.compress.input_stats import InputStatistics, check_statistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.scope import Prunable
from junkdna.compress.sequential import calibrated
from junkdna.errors import UserError

NO_CHANGE = MatrixResult(None, None)


def outlier_ratios(
    model: nn.Module,
    prunables: Sequence[Prunable],
    batches: Sequence[Batch],
    threshold: float,
    device: torch.device | str,
) -> dict[str, Fraction]:
    """{path of the block: `outlier_ratio` of its matrices among `prunables`}, from one pass of the dense model.

    `batches` and `device` are those of `sequential.calibrated`, and so are the errors. No weight changes. Memory: what
    `calibrated` needs without grams, and one norm for each input of each matrix.
    """
    blocks = by_block(prunables)
    norms = input_norms(model, [each for matrices in blocks.values() for each in matrices], batches, device)
    return {
        block: outlier_ratio([(each.matrix().to(device), norms[each.name].to(device)) for each in matrices], threshold)
        for block, matrices in blocks.items()
    }


def input_norms(
    model: nn.Module, prunables: Sequence[Prunable], batches: Sequence[Batch], device: torch.device | str
) -> dict[str, Tensor]:
    """{name: norm of each input over the tokens of `batches` in the dense model, (inputs,), float64, on the CPU}."""
    norms: dict[str, Tensor] = {}

    def note(name: str, weight: Tensor, statistics: InputStatistics) -> MatrixResult:
        try:
            check_statistics(statistics)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        norms[name] = statistics.square_sums.double().sqrt().cpu()
        return NO_CHANGE

    for _ in calibrated(model, prunables, batches, note, gram=False, device=device):
        pass
    return norms


def outlier_ratio(matrices: Sequence[tuple[Tensor, Tensor]], threshold: float) -> Fraction:
    """The share of the weights of a block that are outliers, from its (weight (out, in), norms of the inputs (in,)).

    The score of weight ij is |W_ij| * ||x_j||_2, as in Wanda. An outlier's score is more than `threshold` (M of the
    paper) times the mean score of the block. All matrices of the block share that mean, as in the authors' code.
    Computed in float64.
    """
    weights = sum(weight.numel() for weight, _ in matrices)
    mean = sum(float(_scores(weight, norms).sum()) for weight, norms in matrices) / weights
    outliers = sum(int((_scores(weight, norms) > threshold * mean).count_nonzero()) for weight, norms in matrices)
    return Fraction(outliers, weights)


def _scores(weight: Tensor, norms: Tensor) -> Tensor:
    return weight.detach().abs().double() * norms
