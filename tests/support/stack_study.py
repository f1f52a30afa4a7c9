"""A study whose trained cells form stacks. Its jobs run in this process, also while another one holds a cell's lock."""

import multiprocessing
from pathlib import Path

import pyarrow.parquet as pq
import stack_run
import toy
import toy_run
from toy_run import read_footer

from junkdna.cli import jobs
from junkdna.run import batches
from junkdna.study import paths
from junkdna.study.cell import Cell
from junkdna.study.study import Resolved

SIZE = stack_run.SIZE
MODES = ["dense", "sparse", "sparse_to_dense", "dense_freeze"]
STUDY = {
    **toy.STUDY,
    "experiments": {
        "modes": {"title": "Modes", "models": ["tiny"], "tasks": ["mood"], "transfer": MODES, "seeds": [0, 1],
                  "compressions": [{"method": "magnitude", "sparsity": 0.5}]},
        "stronger": {"title": "More", "models": ["tiny"], "tasks": ["mood"], "transfer": ["sparse"], "seeds": [0, 1],
                     "compressions": [{"method": "magnitude", "sparsity": [0.8, 0.9]}]},
    },
}  # fmt: skip


def run(cell: Cell, resolved: Resolved, bar=iter) -> None:
    jobs.cell(Path(cell.path), toy_run.settings_of(cell, resolved), gpus=0, threads=1, bar=bar)


def batched() -> set[str]:
    return {read_footer(file)["settings"]["cell"] for file in paths.BATCHES.glob("*.parquet")}


def rows(cell: Cell) -> dict:
    return pq.read_table(cell.path).to_pylist()[0]


def _hold(settings, ready, go) -> None:
    with batches.claimed(settings, wait=True):
        ready.set()
        go.wait(60)


def holding(cell: Cell, resolved: Resolved):
    """A process that holds a cell's lock, and the event that ends it."""
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(toy_run.settings_of(cell, resolved), ready, go))
    other.start()
    assert ready.wait(30)
    return other, go
