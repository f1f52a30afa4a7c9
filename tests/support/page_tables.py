"""Inputs of a report page that fit a table of drops, written to a folder: nothing in them was measured."""

import json
from pathlib import Path

import figure_tables
import other_tables
import polars as pl

from junkdna.analysis import behavior
from junkdna.analysis.claims_table import SCHEMA
from junkdna.run.cell_file import cell_table, examples_array, write_cell
from junkdna.storage.tables import write_frame

CLAIM = {
    "claim": "steeper_when_harder", "experiment": "context", "model": "SmolLM2-135M", "unit": "context of sciq",
    "setting": "smallest weights pruned (magnitude)", "verdict": "supported", "estimate": 0.2, "low": 0.1, "high": 0.3,
    "p": 0.001, "q": 0.002, "margin": 0.05, "reason": "", "scale_free": "for the claim", "other_baseline": "",
    "details": "", "levels": "magnitude-0.5", "losses": "", "primary": True, "n_seeds": 3, "n_examples": 400,
    "n_tasks": 1, "collapsed": 0, "detectable": 0.15, "seeds_needed": None, "examples_needed": 300,
}  # fmt: skip


def claims_table(*changes: dict) -> pl.DataFrame:
    """Rows of the table of claims: `CLAIM` with each of the changes."""
    return pl.DataFrame([CLAIM | change for change in changes], schema=SCHEMA)


def cells_table(drops: pl.DataFrame) -> pl.DataFrame:
    """The cells of `drops`, with keys as the workflow writes them."""
    cells = figure_tables.cells_table(drops)
    key = pl.format(
        "{}/{}/{}/{}/{}/{}/seed-{}", "model", "task",
        pl.when(pl.col("knobs") == "").then(pl.lit("plain")).otherwise(pl.col("knobs")), "compression", "transfer",
        "protocol", "seed",
    )  # fmt: skip
    steps = pl.when(pl.col("transfer") == "none").then(0).otherwise(32)
    return cells.with_columns(cell=key, steps=steps, rows_note=pl.lit(""))


def behavior_table(drops: pl.DataFrame) -> pl.DataFrame:
    """Broken and fixed shares that follow from the scores of compressed choices."""
    rows = [
        {**{name: row.get(name) for name in behavior.SCHEMA}, "collapsed": 0, "broken": 0.1 + max(0, row["drop"]),
         "fixed": 0.1 + max(0, -row["drop"]), "mcnemar_p": 0.04}
        for row in drops.filter(pl.col("method") != "dense").iter_rows(named=True)
        if row["metric"] == "accuracy"
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=behavior.SCHEMA)


def write_inputs(folder: Path, drops: pl.DataFrame, claims: pl.DataFrame, study: object = None) -> tuple[Path, Path]:
    """Write every table below `folder` and the study beside them; return the folder of tables and the study's file."""
    found = {"drops": drops, "claims": claims, "cells": cells_table(drops), "behavior": behavior_table(drops)}
    found["difficulty"] = other_tables.difficulty(drops).clear()
    found["connectivity"] = other_tables.lines(drops).clear()
    found |= {"difficulty": other_tables.difficulty(drops).clear(), **other_tables.details(drops)}
    for name, table in found.items():
        write_frame(table, folder / f"tables/{name}.parquet")
        flat = [column for column, kind in table.schema.items() if kind.is_nested()]
        table.drop(flat).write_csv(folder / f"tables/{name}.csv")
    file = folder / "study-0.json"
    file.write_text(json.dumps({"study": {"study": "mine"}, "tasks": {}} if study is None else study))
    return folder / "tables", file


FOOTER = {
    "settings_fingerprint": "0", "tokens_sha256": {}, "compressed_digest": None, "wall_s": {}, "device": "cpu test",
    "versions": {"python": "3.11.7", "torch": "2.13.0"}, "torch_threads": 1, "training_engine": {"engine": "plain"},
    "model": {"files": {"model.safetensors": {"sha256": "ab" * 32, "size_bytes": 1}}},
}  # fmt: skip


def write_cells(cells: pl.DataFrame, right: dict[str, list[int]]) -> None:
    """Write cell files below the working directory, for the compressions in `right`: 1 for each right answer of four
    options. A wrong answer is the next option."""
    for row in cells.filter(pl.col("compression").is_in(list(right))).iter_rows(named=True):
        verdicts = right[row["compression"]]
        gold = [float(at % 4) for at in range(len(verdicts))]
        examples = {
            "id": [f"q{at}" for at in range(len(verdicts))],
            "gold": gold,
            "prediction": [g if v else (g + 1) % 4 for g, v in zip(gold, verdicts, strict=True)],
            "margin": [0.25 if v else -0.125 for v in verdicts],
            "correct": [float(v) for v in verdicts],
            "truncated": [False] * len(verdicts),
        }
        table = cell_table({"cell": row["cell"], "examples": examples_array(examples)}, FOOTER)
        path = Path(f"results/cells/{row['cell']}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_cell(table, path)
