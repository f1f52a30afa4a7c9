"""Scores the models on the straight line between the weights of two trained cells.

The model at a point a of [0, 1] has the weights (1 - a) start + a end, for every parameter (Frankle et al. 2020,
arXiv 1912.05671, section 2). Nothing else is interpolated: supported models have no batch statistics, and their other
buffers are constants. The examples, their batches and the scoring are those of the cells.

The weights are those that the cells kept, or the engine that trained a cell trains it again (`line_ends`). In both
cases the model at each end must reproduce the score in the cell's file.

Shapes: p points, n examples.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from junkdna.evaluate.answers import Answers
from junkdna.resumable import NO_CHECKPOINTS, Stopwatch
from junkdna.run.cell import Prepared, processor, versions
from junkdna.run.checkpoint import Checkpoint, interval_s
from junkdna.run.connection_file import connection_table
from junkdna.run.line_ends import StoredCell, allowed, check_repeatable, difference, stored_cell, weights_of
from junkdna.run.line_points import Points, alphas_of, interpolate
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.storage.tensors import tensors_digest
from junkdna.study.connections import ConnectSettings
from junkdna.study.paths import CHECKPOINTS


def connect(settings: ConnectSettings, device: str, bar: Callable = iter) -> pa.Table:
    """The table of a connection with its footer. Writes nothing but weights and checkpoints.

    Raises UserError if a cell's file is missing or was made with other settings, if a cell cannot be trained again
    here (before anything is computed), if an end does not reproduce its score, and the errors of `run_cell` and
    `run_stack`.
    """
    watch = Stopwatch()
    stored = [stored_cell(each) for each in (settings.start, settings.end)]
    for each in stored:
        check_repeatable(each, device)
    (start, start_from), (end, end_from) = [weights_of(each, device, bar) for each in stored]
    watch.lap("weights")
    line = _Line(Prepared(settings.end), start, end, device)
    footer = _footer(settings, line, device)
    alphas = alphas_of(settings.points)
    with _kept_points(settings, bar) as loop:
        loop.begin(footer, watch)
        found = Points()
        for alpha in loop("score", alphas, found.save, found.load):
            found.add(settings.end, line.answers(alpha))
    watch.lap("score")
    ends = _ends(stored, (start_from, end_from), (found.score[0], found.score[-1]), footer)
    points = {"alpha": alphas, "score": found.score, "collapsed": found.collapsed}
    points |= {"loss": [float(np.mean(each)) for each in found.loss]}
    return connection_table(
        points,
        found.examples(settings.end, line.cell.inputs.rows["evaluate"]),
        footer | ends | {"wall_s": watch.wall_s, "resumed": loop.resumed},
    )


def _ends(cells: list[StoredCell], weights: tuple[str, str], scores: tuple[float, float], footer: dict) -> dict:
    """What the footer says about both ends: where the weights came from, the engines and devices that trained them, and
    how far the scores are, and may be, from those of the cells."""
    most = [allowed(cell, each, footer) for cell, each in zip(cells, weights, strict=True)]
    return {
        "weights": [*weights],
        "engines": [cell.engine for cell in cells],
        "trained_on": [cell.footer["device"] for cell in cells],
        "differences": [difference(*each) for each in zip(cells, scores, most, strict=True)],
        "allowed_differences": most,
    }


class _Line:
    """The model of a cell, to be given the weights of any point between two."""

    def __init__(self, cell: Prepared, start: Mapping[str, Tensor], end: Mapping[str, Tensor], device: str) -> None:
        self.cell, self._start, self._end, self._device = cell, start, end, device
        self._model, _ = cell.load(device)
        names = {name for name, _ in self._model.named_parameters()}
        assert names == {*start} == {*end}, "the cells have other parameters than the model"
        self.sha256 = [tensors_digest(start), tensors_digest(end)]

    def answers(self, alpha: float) -> Answers:
        """The answers of the model at a point."""
        interpolate(self._model, self._start, self._end, alpha)
        return self.cell.answers(self._model, self._device, NO_CHECKPOINTS)


def _footer(settings: ConnectSettings, line: _Line, device: str) -> dict:
    inputs = line.cell.inputs
    return {
        "settings": settings,
        "settings_fingerprint": settings_fingerprint(settings),
        "tokens_sha256": inputs.tokens_sha256,
        "model": inputs.manifest,
        "weights_sha256": line.sha256,
        "device": torch.cuda.get_device_name(0) if device != "cpu" else processor(),
        "torch_threads": torch.get_num_threads(),
        "versions": {**versions(), "torch_build": torch.__version__},
    }


@contextmanager
def _kept_points(settings: ConnectSettings, bar: Callable) -> Iterator[Checkpoint]:
    """A `Checkpoint` of the points, deleted when all are scored."""
    loop = Checkpoint(settings.end.cell, interval_s(), bar)
    loop.path = CHECKPOINTS / "connections" / f"{settings_fingerprint(settings)}.safetensors"
    yield loop
    loop.remove()
