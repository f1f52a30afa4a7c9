"""Scores the models on the straight line between the weights of two trained cells.

The model at a point a of [0, 1] has the weights (1 - a) start + a end, for every parameter (Frankle et al. 2020,
arXiv 1912.05671, section 2). Nothing else is interpolated: supported models have no batch statistics, and their other
buffers are constants. The examples, their batches and the scoring are those of the cells.

The weights are those that the cells kept (`trained_weights`). Where there are none, the cell is trained again by the
code that trained it. In both cases the model at each end must reproduce the score in the cell's file: exactly on the
same processor with the same versions and threads, else within `TOLERANCE`.

Shapes: p points, n examples.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from junkdna.errors import UserError
from junkdna.evaluate.answers import Answers
from junkdna.resumable import NO_CHECKPOINTS, Stopwatch
from junkdna.run import batches, trained_weights
from junkdna.run.cell import Prepared, processor, run_cell, versions
from junkdna.run.cell_file import read_cell_file
from junkdna.run.checkpoint import Checkpoint, interval_s, kept
from junkdna.run.connection_file import connection_table
from junkdna.run.line_points import Points, alphas_of, interpolate
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.storage.tensors import tensors_digest
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.connections import ConnectSettings
from junkdna.study.paths import CHECKPOINTS

TOLERANCE = 0.02  # of the score, where another processor, version or engine trained the cell
log = logging.getLogger(__name__)


def connect(settings: ConnectSettings, device: str, bar: Callable = iter) -> pa.Table:
    """The table of a connection with its footer. Writes nothing but weights and checkpoints.

    Raises UserError if a cell's file is missing or was made with other settings, if an end does not reproduce its
    score, and the errors of `run_cell`.
    """
    watch = Stopwatch()
    ends = (settings.start, settings.end)
    stored = [_stored(each) for each in ends]
    (start, start_from), (end, end_from) = [_weights(each, device, bar) for each in ends]
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
    differences = [_checked(each, found.score[at], footer) for each, at in zip(stored, (0, -1), strict=True)]
    points = {"alpha": alphas, "score": found.score, "collapsed": found.collapsed}
    points |= {"loss": [float(np.mean(each)) for each in found.loss]}
    more = {"weights": [start_from, end_from], "differences": differences, "wall_s": watch.wall_s}
    return connection_table(
        points,
        found.examples(settings.end, line.cell.inputs.rows["evaluate"]),
        footer | more | {"resumed": loop.resumed},
    )


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


def _weights(settings: CellSettings, device: str, bar: Callable) -> tuple[Mapping[str, Tensor], str]:
    """The weights of a cell, and whether they were "kept" or "trained again"."""
    with batches.locked_file(trained_weights.folder_of(settings).with_suffix(".lock"), wait=True):
        if (found := trained_weights.kept_weights(settings)) is not None:
            return found, "kept"
        log.info("%s: no weights are kept; it is trained again", settings.cell)
        with kept(settings.cell, bar) as loop:
            run_cell(settings, device, loop, "its weights are needed again")
        if (found := trained_weights.kept_weights(settings)) is None:
            raise UserError(
                f"the weights of {settings.cell} cannot be kept in {trained_weights.TRAINED}. The log of this job says "
                "why: is the disk full?"
            )
        return found, "trained again"


def _stored(settings: CellSettings) -> dict:
    """Score and footer of a cell's file, which must have been made with these settings."""
    path = Path(parse_cell_path(settings.cell).path)
    data, footer = read_cell_file(path)
    if footer["settings_fingerprint"] != settings_fingerprint(settings):
        raise UserError(f"{path} was made with other settings than this connection needs. Rerun Snakemake.")
    return {"path": path, "score": pl.read_parquet(data, columns=["score"])["score"][0], "footer": footer}


def _checked(stored: dict, score: float, footer: dict) -> float:
    """The difference of the score at an end from that in the cell's file. Raises UserError if it is too large."""
    made = stored["footer"]
    engine = (made.get("training_engine") or {}).get("engine")
    same = footer["device"].startswith("cpu") and engine == "plain loop"
    same = same and all(made.get(name) == footer[name] for name in ("device", "versions", "torch_threads"))
    difference = score - stored["score"]
    if not abs(difference) <= (0 if same else TOLERANCE):
        raise UserError(
            f"the weights of {stored['path']} give the score {score:.6g}, but the file says {stored['score']:.6g}. "
            f"They may differ by {0 if same else TOLERANCE:g}: the file and the weights come from different trainings. "
            "Delete the file and rerun Snakemake: the cell then keeps its weights."
        )
    return difference


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
