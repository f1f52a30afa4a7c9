"""Compress the matrices of a model: in the cell, or in a separate job whose compressed weights many cells read.

Compressed weights are named as in the plain pre-trained model (`scope.body_name`), so they also fit a classifier built
from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from junkdna.compress.block_levels import OutlierRatios, allocation_of, block_facts, matrix_levels
from junkdna.compress.layer_patterns import select_layers
from junkdna.compress.masks import MatrixResult
from junkdna.compress.report import LayerReport, check_total, layer_report, model_report
from junkdna.compress.scope import Prunable, body_name, matrices, prunable
from junkdna.errors import UserError
from junkdna.study import methods
from junkdna.study.cell import Compression
from junkdna.study.methods import METHODS
from junkdna.study.options import compression_options, function_options

if TYPE_CHECKING:
    from fractions import Fraction

    from junkdna.compress.artifact import Artifact
    from junkdna.compress.input_stats import InputStatistics
    from junkdna.study.levels import Level

Results = Iterator[tuple[str, MatrixResult]]
Levels = Mapping[str, "Level | Fraction"]


def select_prunables(
    model: nn.Module, compression: Compression, head_names: Sequence[str] | None = None
) -> list[Prunable]:
    """The matrices of `model` that a compression changes, selected by its options `embeddings` and `layers`.

    `layers` selects among all of them, so it must also match embeddings and the matrices of a head (`head_names`) that
    are to change. Raises UserError if a pattern matches nothing.
    """
    options = compression_options(compression)
    prunables = prunable(model, head_names, embeddings=bool(options.get("embeddings")))
    if not options.get("layers"):
        return prunables
    names = {*select_layers([target.name for target in prunables], options["layers"])}
    return [target for target in prunables if target.name in names]


def compress_each(
    prunables: Sequence[Prunable], compression: Compression, generator: torch.Generator | None
) -> Results:
    """Yields (name, result) of each matrix for a method without calibration. Changes no weight.

    `generator` is for random methods (`Method.random`) and None for all others. Raises UserError, prefixed with the
    name of the matrix, if the level does not fit a matrix.
    """
    method = METHODS[compression.method]
    if method.over == "model":
        options = function_options(compression)
        masks = methods.load(method.name)(matrices(prunables), compression.value, generator, **options)
        for name, mask in masks:
            yield name, MatrixResult(mask, None)
        return
    levels = matrix_levels(prunables, compression)
    for target in prunables:
        yield target.name, compress_matrix(target.name, target.matrix(), None, compression, levels)


def compress_matrix(
    name: str,
    weight: Tensor,
    statistics: InputStatistics | None,
    compression: Compression,
    levels: Levels | None = None,
    **prepared: object,
) -> MatrixResult:
    """The result of a method for one matrix at its level (`block_levels.matrix_levels`), by default that of the
    compression. `prepared` goes to the method's function as keyword arguments.

    Raises the method's UserError, prefixed with the name of the matrix.
    """
    options = function_options(compression)
    level = levels[name] if levels else compression.value
    try:
        return methods.load(compression.method)(weight, statistics, level, **options, **prepared)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


class Reports:
    """Collects a report on each matrix of a model as results are computed."""

    def __init__(
        self,
        model: nn.Module,
        compression: Compression,
        scope: Sequence[Prunable],
        levels: Levels | None = None,
        outlier_ratios: OutlierRatios | None = None,
    ) -> None:
        """`scope` lists all matrices that could be compressed; those that get no result count as dense. `levels` are
        those of the matrices that get one, by default that of the compression. `outlier_ratios` are by path of the
        block.
        """
        self.compression = compression
        self.layers: list[LayerReport] = []
        self._model = model
        self._levels = levels
        self._weights = {body_name(model, target.name): target.parameter.numel() for target in scope}
        self._blocks = {body_name(model, target.name): body_name(model, target.block) for target in scope}
        self._ratios = {body_name(model, block): ratio for block, ratio in (outlier_ratios or {}).items()}

    def add(self, name: str, weight: Tensor, result: MatrixResult, gram: Tensor | None = None) -> None:
        """Adds one result of a `weight` that is not compressed yet; `gram` is that of its inputs, if known. Raises
        RuntimeError if it is compressed less than its level requires.
        """
        level = self._levels[name] if self._levels else None
        self.layers.append(layer_report(body_name(self._model, name), weight, result, self.compression, level, gram))

    def report(self) -> dict:
        """The report on the model (`report.model_report`), with `blocks` (`block_levels.block_facts`) unless all blocks
        get the same sparsity. Raises RuntimeError if the model is compressed less than the level requires.
        """
        if self.compression.level:
            check_total(self.layers, self.compression)
        compressed = {layer.name for layer in self.layers}
        report = model_report(self.layers, {name: n for name, n in self._weights.items() if name not in compressed})
        if allocation_of(self.compression) != "uniform":
            report["blocks"] = block_facts(self.layers, self._blocks, self._ratios)
        return report


def artifact_results(artifact: Artifact, model: nn.Module, prunables: Sequence[Prunable]) -> Results:
    """Yields (name, result) of each of this model's matrices from compressed weights, on the device of the matrix.

    Raises UserError if a matrix is missing.
    """
    for target in prunables:
        name = body_name(model, target.name)
        if name not in artifact.masks and name not in artifact.weights:
            raise UserError(
                f"the compressed weights contain nothing for {name}: they were built from another model. Delete their "
                "file and rerun."
            )
        mask, weight = artifact.masks.get(name), artifact.weights.get(name)
        device = target.parameter.device
        yield target.name, MatrixResult(*(tensor if tensor is None else tensor.to(device) for tensor in (mask, weight)))
