"""The level of each matrix under an allocation: what each block gets, and how many weights each matrix loses."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

from junkdna.compress.allocation import divide, list_sparsities, owl_sparsities
from junkdna.compress.checks import guaranteed_count
from junkdna.compress.report import LayerReport
from junkdna.compress.scope import Prunable
from junkdna.errors import UserError
from junkdna.study.cell import Compression
from junkdna.study.levels import Level, exact
from junkdna.study.methods import METHODS
from junkdna.study.options import compression_options

OutlierRatios = Mapping[str, Fraction]


def matrix_levels(
    prunables: Sequence[Prunable], compression: Compression, outlier_ratios: OutlierRatios | None = None
) -> dict[str, Level | Fraction]:
    """{name of the matrix: its level}. With a uniform allocation that is the compression's level for every matrix.

    With another allocation it is the exact fraction of the matrix to prune. All matrices together lose as many weights
    as with a uniform allocation, which is the sum of what the method guarantees for each (`Method.guarantee`); the
    matrices of the blocks share them in proportion to their weights times the sparsity of their block, by largest
    remainders. Matrices outside the blocks (embeddings, a task head) keep the compression's level.

    `outlier_ratios` are by path of the block, for allocation owl. Raises UserError if no matrix is in a block, and for
    an allocation that does not fit the blocks (`allocation.list_sparsities`).
    """
    levels: dict[str, Level | Fraction] = dict.fromkeys((each.name for each in prunables), compression.value)
    allocation = allocation_of(compression)
    if allocation == "uniform":
        return levels
    blocks = by_block(prunables)
    sparsities = _block_sparsities(blocks, compression, allocation, outlier_ratios)
    if len({*sparsities.values()}) == 1:
        return levels
    guarantee = METHODS[compression.method].guarantee
    members = [each for matrices in blocks.values() for each in matrices]
    total = sum(guaranteed_count(guarantee, *each.matrix().shape, compression.value) for each in members)
    counts = divide(total, {each.name: each.parameter.numel() * sparsities[each.block] for each in members})
    return levels | {each.name: Fraction(counts[each.name], each.parameter.numel()) for each in members}


def allocation_of(compression: Compression) -> str | list[float]:
    """The allocation of a compression; "uniform" for methods that have none, and if dense."""
    return compression_options(compression).get("allocation", "uniform")


def by_block(prunables: Sequence[Prunable]) -> dict[str, list[Prunable]]:
    """{path of the block: its matrices}, in model order, without matrices outside the blocks. Raises UserError if that
    is all of them.
    """
    blocks = defaultdict(list)
    for each in prunables:
        if each.block:
            blocks[each.block].append(each)
    if not blocks:
        raise UserError(
            "allocation divides a sparsity among the transformer blocks, but none of the selected matrices is in one: "
            "select some with `layers`, or remove allocation."
        )
    return dict(blocks)


def block_facts(
    reports: Sequence[LayerReport], block_of: Mapping[str, str], outlier_ratios: OutlierRatios
) -> dict[str, dict[str, float]]:
    """{block: its achieved sparsity and, if known, its outlier ratio}, for JSON. `block_of` is {matrix: block}."""
    pruned, weights = defaultdict(int), defaultdict(int)
    for report in reports:
        if block := block_of.get(report.name):
            pruned[block] += report.pruned or 0
            weights[block] += report.weights
    facts = {block: {"sparsity": pruned[block] / weights[block]} for block in weights}
    for block, ratio in outlier_ratios.items():
        facts[block]["outlier_ratio"] = float(ratio)
    return facts


def _block_sparsities(
    blocks: Mapping[str, Sequence[Prunable]],
    compression: Compression,
    allocation: str | list[float],
    outlier_ratios: OutlierRatios | None,
) -> dict[str, Fraction]:
    sparsity = exact(compression.value)
    weights = [sum(each.parameter.numel() for each in matrices) for matrices in blocks.values()]
    if allocation == "owl":
        assert outlier_ratios is not None, "OWL without outlier ratios"
        width = compression_options(compression)["owl_lambda"]
        sparsities = owl_sparsities(sparsity, weights, [outlier_ratios[block] for block in blocks], width)
    else:
        sparsities = list_sparsities(sparsity, weights, allocation)
    return dict(zip(blocks, sparsities, strict=True))
