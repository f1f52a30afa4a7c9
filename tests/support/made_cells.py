"""The cells of a study with made-up answers, from which tables are computed without a model or a file."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from bootstrap_cases import ids

from junkdna.analysis import cell_answers
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.claims_table import claims
from junkdna.analysis.scores import Scores
from junkdna.seeds import seed_for
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.study import Resolved

OWN = 0.2  # share of an answer's luck that is the cell's own; the rest belongs to the example


@dataclass
class MadeCells:
    """`facts` is the table of cells."""

    resolved: Resolved
    facts: pl.DataFrame

    def claims(self, claim: str = "") -> list[dict]:
        """Rows of the table of claims, of one claim or of all."""
        scores = Scores(CellAnswers(self.resolved, {}), self.resolved.study.bootstrap)
        table = claims(self.resolved, self.facts, scores, {})
        return [row for row in table.iter_rows(named=True) if claim in ("", row["claim"])]

    def without(self, chosen: Callable[[Cell], bool]) -> "MadeCells":
        """The study while the chosen cells are missing."""
        gone = [cell.key for cell in all_cells(self.resolved) if chosen(cell)]
        assert gone
        return MadeCells(self.resolved, self.facts.filter(~pl.col("cell").is_in(gone)))

    def collapsed(self, chosen: Callable[[Cell], bool]) -> "MadeCells":
        """The study with the chosen cells marked as collapsed."""
        names = [cell.key for cell in all_cells(self.resolved) if chosen(cell)]
        assert names
        return MadeCells(self.resolved, self.facts.with_columns(collapsed=pl.col("cell").is_in(names)))


def make(monkeypatch: pytest.MonkeyPatch, resolved: Resolved, right: Callable[[Cell], float], n: int) -> MadeCells:
    """Answers of every cell of tasks with the metric accuracy; `right(cell)` is the expected share of right ones.

    Cells share the luck of each example, as models do that are compressed from one.
    """
    luck = {task: np.random.default_rng(seed_for("luck", task)).random(n) for task in resolved.tasks}
    answers, rows = {}, []
    for cell in all_cells(resolved):
        own = np.random.default_rng(seed_for("own", cell.key))
        drawn = np.where(own.random(n) < OWN, own.random(n), luck[cell.task])
        given = (drawn < right(cell)).astype(float)
        columns = {"id": ids(n, cell.task), "cluster": [None] * n, "gold": np.ones(n), "prediction": given}
        answers[cell] = pl.DataFrame(columns, schema_overrides={"cluster": pl.String})
        rows.append(fact(cell, resolved, given.mean(), n))
    monkeypatch.setattr(cell_answers, "examples_of", lambda cell, columns: answers[cell].select(columns))
    return MadeCells(resolved, pl.DataFrame(rows))


def fact(cell: Cell, resolved: Resolved, score: float, n: int, **more: object) -> dict:
    """The row of a cell in the table of cells; `more` are columns with other values."""
    task, sparsity = resolved.tasks[cell.task], cell.compression.nominal_sparsity
    bits = 16.0 if cell.compression.method == "dense" else 16 * (1 - sparsity)
    level = cell.compression.level
    quantized = {"nvfp4": "4.5", "mxfp4": "4.25"}.get(level, level.removesuffix("bit") if level.endswith("bit") else "")
    return {
        "cell": cell.key, "model": cell.model, "task": cell.task, "metric": task.metric, "kind": task.kind,
        "knobs": ",".join(f"{k}={v}" for k, v in cell.knobs),
        "method": cell.compression.method, "compression": cell.compression.tag, "sparsity": sparsity,
        "transfer": cell.transfer, "protocol": cell.protocol, "seed": cell.seed, "n_examples": n,
        "chance": 0.25, "majority": 0.35, "score": score, "collapsed": False, "truncated": 0.0,
        "achieved_sparsity": sparsity,
        "effective_bits_per_weight": float(quantized) if quantized else bits,
    } | more  # fmt: skip
