"""Compresses a whole model: in the cell, or once as a stored compression that all cells of the model read.

Names in a stored compression are those of the plain pre-trained model (`scope.body_name`), so that it also fits the
classifier made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from junkdna.compress.masks import MatrixResult
from junkdna.compress.report import LayerReport, check_total, layer_report, model_report
from junkdna.compress.scope import Prunable, body_name, matrices, prunable, select_layers
from junkdna.errors import UserError
from junkdna.study import methods
from junkdna.study.cell import Compression
from junkdna.study.methods import METHODS
from junkdna.study.options import function_options, option_values

if TYPE_CHECKING:
    from junkdna.compress.artifact import Artifact
    from junkdna.compress.input_stats import InputStatistics

Results = Iterator[tuple[str, MatrixResult]]


def chosen(
    model: nn.Module, compression: Compression, prune_head: bool = False, head_names: Sequence[str] = ()
) -> list[Prunable]:
    """The matrices that a compression works on, of all that may be pruned: its options `embeddings` and `layers`."""
    options = option_values(compression.method, compression.options) if compression.level else {}
    embeddings = bool(options.get("embeddings"))
    prunables = prunable(model, prune_head=prune_head, head_names=head_names, embeddings=embeddings)
    if not options.get("layers"):
        return prunables
    names = {*select_layers([each.name for each in prunables], options["layers"])}
    return [each for each in prunables if each.name in names]


def results(prunables: Sequence[Prunable], compression: Compression, generator: torch.Generator | None) -> Results:
    """What a method that needs no calibration makes of each matrix, one at a time; changes no weight.

    `generator` is for methods that draw (`Method.random`), None for the others. Raises UserError, the matrix' name in
    front, for a level that does not fit it.
    """
    method = METHODS[compression.method]
    if method.over == "model":
        options = function_options(method.name, compression.options)
        masks = methods.load(method.name)(matrices(prunables), compression.value, generator, **options)
        for name, mask in masks:
            yield name, MatrixResult(mask, None)
        return
    for each in prunables:
        yield each.name, one_matrix(each.name, each.matrix(), None, compression)


def one_matrix(
    name: str, weight: Tensor, statistics: InputStatistics | None, compression: Compression, **prepared: object
) -> MatrixResult:
    """What a method makes of one matrix; its UserError gets the matrix' name in front. `prepared` goes to its
    function."""
    options = function_options(compression.method, compression.options)
    try:
        return methods.load(compression.method)(weight, statistics, compression.value, **options, **prepared)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


class Reports:
    """What each matrix of a model got, gathered as results pass by."""

    def __init__(self, model: nn.Module, compression: Compression, scope: Sequence[Prunable]) -> None:
        """`scope` are all matrices that could have been compressed; those that get no result are left dense."""
        self.compression = compression
        self.layers: list[LayerReport] = []
        self._model = model
        self._weights = {body_name(model, each.name): each.parameter.numel() for each in scope}

    def add(self, name: str, weight: Tensor, result: MatrixResult) -> None:
        """Counts one result in; RuntimeError where it is less than the level asks."""
        self.layers.append(layer_report(body_name(self._model, name), weight, result, self.compression))

    def report(self) -> dict:
        """`layer_report.model_report`; RuntimeError where the model got less than the level asks."""
        if self.compression.level:
            check_total(self.layers, self.compression)
        got = {layer.name for layer in self.layers}
        return model_report(self.layers, {name: n for name, n in self._weights.items() if name not in got})


def stored_results(artifact: Artifact, model: nn.Module, prunables: Sequence[Prunable]) -> Results:
    """The results of a stored compression for this model's matrices, on their devices."""
    for each in prunables:
        name = body_name(model, each.name)
        if name not in artifact.masks and name not in artifact.weights:
            raise UserError(
                f"the stored compression holds nothing for {name}: it was made of another model. Delete it and run "
                "again."
            )
        mask, weight = artifact.masks.get(name), artifact.weights.get(name)
        device = each.parameter.device
        yield each.name, MatrixResult(*(part if part is None else part.to(device) for part in (mask, weight)))
