"""SparseGPT: prune by second-order saliency, column by column, and adjust the remaining columns to compensate."""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from junkdna.compress.checks import check_divides, check_matrix, prune_count
from junkdna.compress.column_sweep import sweep
from junkdna.compress.input_stats import InputStatistics, inverse_factor
from junkdna.compress.masks import MatrixResult
from junkdna.compress.select_rows import keep_highest_per_group, keep_highest_per_row
from junkdna.errors import UserError
from junkdna.study.methods import Method

METHOD = Method(
    label="SparseGPT",
    line_style=(0, (4, 1, 1, 1, 1, 1)),
    meaning="prune by second-order saliency in blocks of 128 columns (damping 1 %) and adjust the kept weights",
    source="Frantar and Alistarh 2023, arXiv 2301.00774",
    over="matrix",
    levels=("sparsity", "keep_of"),
    gives="both",
    statistics="gram",
    guarantee="matrix",
    precompute=True,
)

BLOCK = 128
"""Columns whose weights compete at a sparsity: their mask is chosen when the first of them is reached."""


def compress(weight: Tensor, statistics: InputStatistics, level: float | Fraction | tuple[int, int]) -> MatrixResult:
    """Mask (True = kept) and new weights of one (out, in) matrix (arXiv 2301.00774, algorithm 1).

    With U of `inverse_factor` (damping 1 %), the saliency of weight ij is |W_ij| / U_jj, with the value of W at the
    moment when the mask is chosen (squared in the paper; the order is the same). Columns are pruned from left to right.
    After each, the later weights change by the step that least increases the squared error over the calibration tokens
    (`column_sweep.sweep`).

    level is a sparsity or a pair (keep, of). For a sparsity the mask is chosen for 128 columns together, over all their
    rows. After the first c columns floor(out * c * level) weights are pruned, so the matrix loses exactly floor(out *
    in * level). For a pair, the mask is chosen for `of` columns together, and the `keep` most salient of them are kept
    in every row. The least salient weights are pruned first, among equal ones the lower column, then the lower row.

    Weights of dead inputs (0 in every calibration token) have saliency 0: they are pruned first and not compensated.
    Those that the level does not reach stay unchanged; the authors' code sets all of them to 0.

    Computed in float32, or float64 for float64 weights. Both results are on the weight's device, the new weights in its
    dtype, with pruned weights exactly 0. A level that prunes nothing returns the weights bit for bit. Does not change
    `weight`; the error may exceed that of `wanda`. Raises `UserError` for NaN or infinite weights or statistics, no
    tokens, a row that `of` does not divide, and new weights beyond the largest float16.
    """
    check_matrix(weight)
    rows, inputs = weight.shape
    assert inputs == statistics.inputs, f"statistics of {statistics.inputs} inputs for {tuple(weight.shape)}"
    rule = _pair_rule(inputs, level) if isinstance(level, tuple) else _sparsity_rule(rows, inputs, level)
    factor = inverse_factor(statistics)
    if rule.prunes_nothing:
        everything = torch.ones(rows, inputs, dtype=torch.bool, device=weight.device)
        return MatrixResult(everything, weight.detach().clone(memory_format=torch.contiguous_format))

    work = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    per_weight = torch.where(statistics.square_sums > 0, factor.diagonal().reciprocal(), 0).to(work.dtype)
    kept = torch.empty(inputs, rows, dtype=torch.bool, device=weight.device)

    def start(first: int, columns: Tensor) -> tuple[Tensor]:
        last = first + len(columns)
        kept[first:last] = rule.choose(first, columns.abs() * per_weight[first:last].unsqueeze(1))
        return (kept[first:last],)

    new = sweep(work, factor, rule.group, start, _prune).to(weight.dtype).contiguous()
    if not torch.isfinite(new).all():
        raise UserError(
            f"new weights exceed the largest {weight.dtype}, {torch.finfo(weight.dtype).max:g}: pruned weights are "
            "compensated by inputs that vary little. Load the model in bfloat16 or float32, or use wanda, which keeps "
            "the other weights unchanged."
        )
    return MatrixResult(kept.t().contiguous(), new)


def _prune(column: Tensor, kept: Tensor) -> Tensor:
    return torch.where(kept, column, 0)


class _Rule(NamedTuple):
    """How a level chooses the mask. `choose` takes the first of `group` columns and their saliencies (columns, out),
    and returns a bool tensor of that shape, True = kept.
    """

    group: int
    prunes_nothing: bool
    choose: Callable[[int, Tensor], Tensor]


def _sparsity_rule(rows: int, inputs: int, sparsity: float | Fraction) -> _Rule:
    def choose(first: int, saliencies: Tensor) -> Tensor:
        before, after = (prune_count(rows * columns, sparsity) for columns in (first, first + len(saliencies)))
        return keep_highest_per_row(saliencies.view(1, -1), saliencies.numel() - (after - before)).view_as(saliencies)

    return _Rule(BLOCK, prune_count(rows * inputs, sparsity) == 0, choose)


def _pair_rule(inputs: int, pair: tuple[int, int]) -> _Rule:
    keep, of = pair
    check_divides(inputs, of)
    return _Rule(of, keep == of, lambda first, saliencies: keep_highest_per_group(saliencies.t(), keep, of).t())
