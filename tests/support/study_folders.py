"""Folders of results with made-up answers: cell files, tables and the checked study, as a run leaves them."""

import json
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import made_cells
import numpy as np
import other_tables
import polars as pl

from junkdna.analysis import behavior
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.claims_table import claims
from junkdna.analysis.drops import drops
from junkdna.analysis.scores import Scores
from junkdna.run.cell_file import cell_table, examples_array, write_cell
from junkdna.seeds import seed_for
from junkdna.storage.tables import write_frame
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve

N = 120
STUDY = {
    "study": "one", "models": {"enc": {"kind": "encoder", "local": "enc"}}, "tasks": {"sciq": None}, "bootstrap": 2000,
    "experiments": {"only": {"title": "", "models": ["enc"], "tasks": ["sciq"], "compressions": [
        {"method": "magnitude", "sparsity": [0.3, 0.6]}, {"method": "random", "sparsity": [0.3]}], "seeds": [0, 1]}},
}  # fmt: skip
FOOTER = {
    "settings_fingerprint": "0", "tokens_sha256": {}, "compressed_digest": None, "wall_s": {"score": 1.0},
    "device": "cpu test", "versions": {"python": "3.11.7", "torch": "2.13.0"}, "torch_threads": 1,
    "training_engine": None, "settings": {"code": "c0de", "scoring": {"dtype": "float32"}},
    "model": {"digest": "d0", "files": {}},
}  # fmt: skip


def chance_of(cell: Cell) -> float:
    """Falling with the sparsity, for random weights faster."""
    return 0.85 - (0.6 if cell.compression.method == "random" else 0.4) * cell.compression.nominal_sparsity


def write_study(
    root: Path, data: dict = STUDY, right: Callable[[Cell], float] = chance_of, *, ids: list[str] | None = None,
    gold: int = 1, footer: dict = FOOTER, facts: dict | None = None, luck: str = "luck",
) -> Path:  # fmt: skip
    """Write results below `root` and return the folder of the study.

    `right(cell)` is the expected share of right answers; cells share the luck of each example, by its id and `luck`.
    `gold` is every right answer, `facts` are other columns of the table of cells.
    """
    resolved = resolve(data, "test")
    ids = [f"q{at}" for at in range(N)] if ids is None else ids
    rows = []
    with chdir(root):
        for cell in all_cells(resolved):
            given = answers(cell, right(cell), ids, gold, luck)
            rows.append(
                made_cells.fact(cell, resolved, float((given == gold).mean()), len(ids), **FACTS | (facts or {}))
            )
            _write_cell(cell, given, ids, gold, footer)
        _write_tables(Path(f"results/studies/{data['study']}"), resolved, pl.DataFrame(rows), data)
    return root / f"results/studies/{data['study']}"


FACTS = {"chance": 0.25, "n_train": 0, "steps": 0, "rows_note": "", "wall_s": 1.0}


def answers(cell: Cell, share: float, ids: list[str], gold: int, luck: str) -> np.ndarray:
    """The given answer to each example: the right one, or the next."""
    shared = np.array([np.random.default_rng(seed_for(luck, each)).random() for each in ids])
    names = (luck, cell.compression.tag, str(cell.seed))
    own = np.array([np.random.default_rng(seed_for(*names, each)).normal(0, 0.1) for each in ids])
    return np.where(shared + own < share, gold, gold + 1).astype(float)


def _write_cell(cell: Cell, given: np.ndarray, ids: list[str], gold: int, footer: dict) -> None:
    examples = {
        "id": ids, "gold": [float(gold)] * len(ids), "prediction": given.tolist(),
        "correct": (given == gold).astype(float).tolist(), "truncated": [False] * len(ids),
    }  # fmt: skip
    path = Path(cell.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cell(cell_table({"cell": cell.key, "examples": examples_array(examples)}, footer), path)


def _write_tables(folder: Path, resolved: object, cells: pl.DataFrame, data: dict) -> None:
    scores = Scores(CellAnswers(resolved, {}), resolved.study.bootstrap)
    compared = drops(resolved, cells, scores)
    tables = {
        "cells": cells, "drops": compared, "claims": claims(resolved, cells, scores, {}),
        "behavior": pl.DataFrame(schema=behavior.SCHEMA), "difficulty": other_tables.difficulty(compared).clear(),
    }  # fmt: skip
    for name, table in tables.items():
        write_frame(table, folder / f"tables/{name}.parquet")
    (folder / "study-0.json").write_text(json.dumps({"study": data, "tasks": {}}))
