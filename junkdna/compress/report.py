"""Report the sparsity, rank or bits of each compressed matrix and its size on disk; less than required is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from junkdna.compress import effective_bits
from junkdna.compress.checks import guaranteed_count, kept_rank, prune_count
from junkdna.compress.masks import MatrixResult
from junkdna.compress.matrix_errors import relative_errors
from junkdna.errors import UserError
from junkdna.study.cell import Compression
from junkdna.study.levels import Level, parse_level
from junkdna.study.methods import METHODS
from junkdna.study.number_formats import NUMBER_FORMATS
from junkdna.study.options import function_options

SAMPLED_ROWS = 16


@dataclass(frozen=True)
class LayerReport:
    """The report on one compressed matrix of rows x inputs weights.

    `pruned` is the number of scalars that the mask prunes, `rank` the number of singular values kept, `bits` the bits
    of a weight's code. Each is None for methods to which it does not apply. `effective_bits` are bits per weight
    (module `effective_bits`). `weight_error` and `output_error` are those of `matrix_errors.relative_errors`.
    """

    name: str
    rows: int
    inputs: int
    pruned: int | None
    rank: int | None
    bits: int | None
    effective_bits: float
    weight_error: float | None = None
    output_error: float | None = None

    @property
    def weights(self) -> int:
        """The number of scalars."""
        return self.rows * self.inputs

    @property
    def sparsity(self) -> float | None:
        """The fraction pruned."""
        return None if self.pruned is None else self.pruned / self.weights

    def facts(self) -> dict[str, int | float]:
        """The fields that apply to this matrix, by name, for JSON."""
        names = ("rows", "inputs", "sparsity", "rank", "bits", "effective_bits", "weight_error", "output_error")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def layer_report(
    name: str,
    weight: Tensor,
    result: MatrixResult,
    compression: Compression,
    level: Level | Fraction | None = None,
    gram: Tensor | None = None,
) -> LayerReport:
    """The report on one matrix, from its (out, in) `weight` before compression and the `result`; runs `check_achieved`.

    `level` is that of the matrix, by default that of the compression. `gram` is that of the layer's inputs, if known.
    Sparsity is counted from the mask. Rank and bits are those of the level. Effective bits of an external compression
    are those that the study states, else those of its mask.
    """
    rows, inputs = weight.shape
    for tensor in result:
        assert tensor is None or tensor.shape == weight.shape, f"{name}: {tuple(tensor.shape)} of {tuple(weight.shape)}"
    assert result.weight is None or result.weight.dtype == weight.dtype, f"{name}: {result.weight.dtype}"
    level = compression.value if level is None else level
    check_achieved(name, result, compression, level)
    kind, _ = parse_level(compression.level)
    pruned = rank = bits = None
    if kind == "bits":
        bits = level
        options = _options(compression, "group", "symmetric", "act_order")
        effective = effective_bits.quantized_bits(bits, inputs=inputs, outputs=rows, **options)
    elif kind == "format":
        bits = NUMBER_FORMATS[level].bits
        effective = effective_bits.format_bits(level, inputs, rows, **_options(compression, "act_order", "per_channel"))
    elif kind == "rank":
        rank = kept_rank(rows, inputs, level)
        effective = effective_bits.low_rank_bits(rank, rows, inputs)
    elif kind == "external":
        pruned = None if result.mask is None else _pruned(result.mask)
        stated = function_options(compression)["effective_bits"]
        effective = stated or effective_bits.sparse_bits(1 - (pruned or 0) / weight.numel())
    else:
        pruned = _pruned(result.mask)
        kept = 1 - pruned / weight.numel()
        effective = effective_bits.keep_of_bits(*level) if kind == "keep_of" else effective_bits.sparse_bits(kept)
    errors = relative_errors(weight, result, gram)
    return LayerReport(name, rows, inputs, pruned, rank, bits, effective, *errors)


def _options(compression: Compression, *names: str) -> dict[str, int | bool]:
    """The values of some options, 0 (one group per row; off) for methods without them."""
    options = function_options(compression)
    return {name: options.get(name, 0) for name in names}


def check_achieved(name: str, result: MatrixResult, compression: Compression, level: Level | Fraction) -> None:
    """Raises RuntimeError, naming the matrix, if its result is compressed less than its level requires.

    - N:M sparsity (n of m kept): no group keeps more than n.
    - Sparsity: what the method guarantees (`Method.guarantee`), floor(rows * inputs * level) pruned in the matrix or
      floor(inputs * level) in each row.
    - Bits and number formats: no group or block has more than 2^bits values, checked in SAMPLED_ROWS rows. With
      act_order, which mixes the inputs of groups, no row has more than all its groups together.
    - All: new weights are 0 where the mask prunes.

    The rank is not measured, because that would take another decomposition. `check_total` checks methods over the
    model.
    """
    kind, _ = parse_level(compression.level)
    problem = ""
    if kind == "keep_of":
        problem = _group_problem(result.mask, *level)
    elif kind == "bits":
        problem = _bits_problem(result.weight, level, **_options(compression, "group", "act_order"))
    elif kind == "format":
        form = NUMBER_FORMATS[level]
        problem = _bits_problem(result.weight, form.bits, form.block, **_options(compression, "act_order"))
    elif kind == "sparsity" and (check := _CHECKS.get(METHODS[compression.method].guarantee)):
        problem = check(result.mask, level)
    if result.mask is not None and result.weight is not None and not problem:
        moved = int(((result.weight != 0) & ~result.mask).count_nonzero())
        problem = f"{moved} pruned weights are not 0" if moved else ""
    if problem:
        raise RuntimeError(
            f"{name}: {compression.tag} compressed less than required: {problem}. This is a bug in the method."
        )


def _pruned(mask: Tensor) -> int:
    return mask.numel() - int(mask.count_nonzero())


def _group_problem(mask: Tensor, keep: int, of: int) -> str:
    most = int(mask.unflatten(1, (-1, of)).sum(-1).max())
    return f"a group of {of} keeps {most} weights, more than {keep}" if most > keep else ""


def _matrix_problem(mask: Tensor, sparsity: float | Fraction) -> str:
    pruned, required = _pruned(mask), prune_count(mask.numel(), sparsity)
    return f"{pruned} of {mask.numel()} weights are pruned, fewer than {required}" if pruned < required else ""


def _row_problem(mask: Tensor, sparsity: float | Fraction) -> str:
    inputs = mask.shape[1]
    least, required = inputs - int(mask.sum(-1).max()), prune_count(inputs, sparsity)
    return f"a row of {inputs} weights has {least} pruned, fewer than {required}" if least < required else ""


_CHECKS = {"matrix": _matrix_problem, "row": _row_problem}  # by `Method.guarantee`; "model" is for `check_total`


def _bits_problem(weight: Tensor, bits: int, group: int, act_order: bool) -> str:
    rows, inputs = weight.shape
    size = group or inputs
    sample = weight[torch.linspace(0, rows - 1, min(rows, SAMPLED_ROWS)).long()]
    groups = sample.unflatten(1, (-1, size))
    most = 2**bits
    if act_order:
        most *= groups.shape[1]
        groups = sample
    ordered = groups.sort(dim=-1).values
    values = 1 + int((ordered[..., 1:] != ordered[..., :-1]).sum(-1).max())
    return f"{values} values share a grid of {most}" if values > most else ""


def check_total(reports: Sequence[LayerReport], compression: Compression) -> None:
    """Raises RuntimeError if the method pruned another number of weights than it guarantees for a sparsity or a band,
    and UserError if it prunes none, because the cells would repeat the dense ones.

    With a guarantee over the model, of N scalars in all reports it must prune floor(N * level), or floor(N * to) -
    floor(N * from) for a band; with another, the sum of what it guarantees for each matrix, which an allocation only
    moves between matrices. Options with `prunes_more` may increase the number. Other levels pass.
    """
    kind, level = parse_level(compression.level)
    guarantee = METHODS[compression.method].guarantee
    if kind not in ("sparsity", "band") or not guarantee:
        return
    total = sum(report.weights for report in reports)
    pruned = sum(report.pruned for report in reports)
    if guarantee == "model":
        low, high = level if kind == "band" else (0, level)
        required = prune_count(total, high) - prune_count(total, low)
    else:
        required = sum(guaranteed_count(guarantee, report.rows, report.inputs, level) for report in reports)
    options = function_options(compression)
    more = any(value and METHODS[compression.method].options[name].prunes_more for name, value in options.items())
    if pruned < required or (pruned > required and not more):
        raise RuntimeError(
            f"{compression.tag} pruned {pruned} of {total} weights, not {required}. This is a bug in the method."
        )
    if not pruned:
        raise UserError(
            f"{compression.tag} prunes none of {total:,} weights, because the level is too low for matrices of this "
            "size (counts are rounded down), so its cells would repeat the dense ones. Use a higher level."
        )


def model_report(reports: Sequence[LayerReport], left_dense: Mapping[str, int]) -> dict:
    """The compression entry of a cell's footer, as JSON values; `left_dense` is {name: number of weights}.

    - `layers`: {name: facts of the matrix}.
    - `left_dense`: names of the matrices in the scope that the compression leaves unchanged by design.
    - `achieved_sparsity`: pruned scalars as a fraction of all scalars in the scope, dense matrices included; 0 if
      nothing is pruned.
    - `effective_bits_per_weight`: the mean over the scope, weighted by scalars; dense matrices count DENSE_BITS.
    """
    weights = sum(report.weights for report in reports) + sum(left_dense.values())
    assert weights, "no matrices to report"
    compressed = [(report.weights, report.effective_bits) for report in reports]
    dense = [(count, effective_bits.DENSE_BITS) for count in left_dense.values()]
    return {
        "layers": {report.name: report.facts() for report in reports},
        "left_dense": list(left_dense),
        "achieved_sparsity": sum(report.pruned or 0 for report in reports) / weights,
        "effective_bits_per_weight": effective_bits.mean_bits(compressed + dense),
    }
