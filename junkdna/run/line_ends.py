"""The ends of a line: the files of its two cells, their weights, and whether these give the scores in the files.

Weights that a cell kept (`trained_weights`) are used as they are. Where there are none, the engine that the cell's
footer names trains the cell again, the plain loop or a stack of the same size, because each engine rounds in its own
way and, on a GPU, draws other dropout. So do a GPU and a CPU: the training is repeated only on the kind of processor
that did it; elsewhere it is an error. Companions change no number of a stack (`train.stack`), so copies of the cell
fill it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from torch import Tensor

from junkdna.errors import UserError
from junkdna.run import batches, trained_weights
from junkdna.run.cell import run_cell
from junkdna.run.cell_file import read_cell_file
from junkdna.run.checkpoint import kept
from junkdna.run.stack_checkpoint import kept_stack
from junkdna.run.stacked_cells import run_stack
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings

KEPT, AGAIN = "kept", "trained again"
ROUNDING = 1e-6  # of a score, on the same GPU
TIES, SMALL = 2, 0.005  # examples whose prediction rounding may change on another processor, and a change of the score
TOLERANCE = 0.02  # of the score of a cell that another processor or version trained again
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredCell:
    """What the file of a cell says: its settings, path, score, number of evaluated examples, and footer."""

    settings: CellSettings
    path: Path
    score: float
    examples: int
    footer: dict

    @property
    def engine(self) -> dict:
        """The engine that trained it: its name, with the size of a stack or the reason for the plain loop."""
        made = self.footer.get("training_engine") or {"engine": "plain loop", "why": "its file names no engine"}
        return {name: value for name, value in made.items() if name != "cells"}

    @property
    def is_of_stack(self) -> bool:
        """Whether a stack trained it."""
        return self.engine["engine"] == "stack"

    @property
    def trainer(self) -> str:
        """The engine in words."""
        return f"a stack of {self.engine['size']}" if self.is_of_stack else "the plain loop"

    @property
    def on_cpu(self) -> bool:
        """Whether it was trained on a CPU (`run.cell.processor`)."""
        return self.footer["device"].startswith("cpu")


def stored_cell(settings: CellSettings) -> StoredCell:
    """A cell's file. Raises UserError if it was not made with these settings."""
    path = Path(parse_cell_path(settings.cell).path)
    data, footer = read_cell_file(path)
    if footer["settings_fingerprint"] != settings_fingerprint(settings):
        raise UserError(f"{path} was made with other settings than this connection needs. Rerun Snakemake.")
    row = pl.read_parquet(data, columns=["score", "n_examples"])
    return StoredCell(settings, path, *row.row(0), footer)


def check_repeatable(cell: StoredCell, device: str) -> None:
    """Raises UserError if the cell has to be trained again, and not on the kind of processor that trained it."""
    if cell.on_cpu == (device == "cpu") or trained_weights.are_kept(cell.settings):
        return
    here = "this job has no GPU" if device == "cpu" else "this job runs on a GPU"
    fix = "Run it on a GPU" if device == "cpu" else "Run it without one (`--resources gpu=0`)"
    raise UserError(
        f"the weights of {cell.path} are not kept, and {here}. {cell.footer['device']} trained it, by {cell.trainer}, "
        f"and a CPU and a GPU draw other dropout, so training it again here would give another model. {fix}, or delete "
        "the file and rerun Snakemake: the cell then runs again here and keeps its weights."
    )


def weights_of(cell: StoredCell, device: str, bar: Callable) -> tuple[Mapping[str, Tensor], str]:
    """The weights of a cell by the name of the parameter, and whether the cell's job `KEPT` them or the job of a line,
    this one or another, trained them `AGAIN`. Raises UserError as `check_repeatable`, and if weights that were trained
    again cannot be written."""
    settings = cell.settings
    with batches.locked_file(trained_weights.folder_of(settings).with_suffix(".lock"), wait=True):
        if (found := trained_weights.kept_weights(settings)) is not None:
            return found, AGAIN if trained_weights.are_of_another_training(settings) else KEPT
        check_repeatable(cell, device)  # a corrupt file of weights was found only now
        with trained_weights.training_again():
            _train_again(cell, device, bar)
        if (found := trained_weights.kept_weights(settings)) is None:
            raise UserError(
                f"the weights of {settings.cell} cannot be kept in {trained_weights.TRAINED}. The log of this job says "
                "why: is the disk full?"
            )
        return found, AGAIN


def _train_again(cell: StoredCell, device: str, bar: Callable) -> None:
    """Train a cell, which keeps its weights, by the engine that trained it; its file stays as it is."""
    settings, engine = cell.settings, cell.engine
    log.info("%s: no weights are kept; it is trained again by %s, as its file says", settings.cell, cell.trainer)
    if not cell.is_of_stack:
        with kept(settings.cell, bar) as loop:
            run_cell(settings, device, loop, engine.get("why", ""))
        return
    with kept_stack([settings], bar) as loop:
        for _, score in run_stack([settings], engine["size"], device, loop):
            score()  # before it scores, a cell keeps its weights


def is_same_place(cell: StoredCell, facts: dict) -> bool:
    """Whether a cell was made on the processor, and with the versions and threads, that a line's footer states."""
    return all(cell.footer.get(name) == facts[name] for name in ("device", "versions", "torch_threads"))


def allowed(cell: StoredCell, weights: str, facts: dict) -> float:
    """How far the score of an end may be from that of its cell; `weights` is `KEPT` or `AGAIN`, `facts` are the footer
    of the line.

    In the same place nothing but the rounding of a GPU, whoever trained the weights. Elsewhere rounding differs: at an
    end with kept weights it changes the prediction of a few examples at a tie; in a training it adds up.
    """
    if is_same_place(cell, facts):
        return 0.0 if cell.on_cpu else ROUNDING
    if weights == KEPT:
        return max(SMALL, TIES / max(cell.examples, 1))
    return TOLERANCE


def difference(cell: StoredCell, score: float, most: float) -> float:
    """The score at an end minus that in the cell's file. Raises UserError if it is larger than `most`."""
    found = score - cell.score
    if not abs(found) <= most:
        raise UserError(
            f"the weights of {cell.path} give the score {score:.6g}, but the file says {cell.score:.6g}. They may "
            f"differ by {most:g}: the file and the weights come from different trainings. Delete the file and rerun "
            "Snakemake: the cell then keeps its weights."
        )
    return found
