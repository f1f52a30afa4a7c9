"""With the real Snakemake: a published difficulty makes its own file and tables, and re-runs no cell."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import toy
import yaml
from workflow_run import cells, planned, snakemake

from junkdna.study.cell import parse_cell_path

pytestmark = [pytest.mark.dag, pytest.mark.long]
STUDY = {
    **toy.STUDY,
    "tasks": {"colours": {"file": "tasks/colours.yaml"}},
    "experiments": {"level": {"title": "Levels", "models": ["tiny"], "tasks": ["colours"],
                              "compressions": [{"method": "magnitude", "sparsity": [0.5, 0.9]}]}},
}  # fmt: skip
DIFFICULTY = {"title": "thing", "source": "made up", "from": "q", "pattern": "the (.*) \\?",
              "bins": {"wood": ["tree", "field"], "animals": ["fox", "wolf"]}}  # fmt: skip
RATED = "results/examples/colours/difficulty.parquet"


def rate(folder: Path, difficulty: dict | None) -> None:
    task = {**toy.CHOICE_TASK, **({"difficulty": difficulty} if difficulty else {})}
    toy.write_yaml(folder / "tasks/colours.yaml", yaml.safe_load(yaml.safe_dump(task)))


def run(folder: Path) -> None:
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout


def examples(folder: Path, compression: str) -> pl.DataFrame:
    path = parse_cell_path(f"tiny/colours/plain/{compression}/none/default/seed-0").path
    return pl.read_parquet(folder / path, columns=["examples"]).explode("examples").unnest("examples")


def test_a_difficulty_can_be_added_and_changed_without_running_a_cell(world: Path) -> None:
    toy.write_yaml(world / "config.yaml", STUDY)
    rate(world, None)
    run(world)
    tables = world / "results/studies/toy/tables"
    assert pl.read_parquet(tables / "difficulty.parquet").height == 0

    rate(world, DIFFICULTY)
    files = planned(world)
    assert RATED in files
    assert not cells(files)
    assert not [file for file in files if file.startswith(("results/tokens", "results/models"))]
    assert "results/examples/colours/evaluate.parquet" not in files
    run(world)
    check_table(world, pl.read_parquet(tables / "difficulty.parquet"))
    note = pl.read_parquet(tables / "cells.parquet")["rows_note"].unique().item()
    assert "in no bin of thing: " in note

    rate(world, {**DIFFICULTY, "bins": dict(reversed(DIFFICULTY["bins"].items()))})
    files = planned(world)
    assert RATED not in files
    assert not cells(files)
    run(world)
    assert pl.read_parquet(tables / "difficulty.parquet")["bin"][:2].to_list() == ["animals", "wood"]
    assert planned(world) == set()


def check_table(folder: Path, table: pl.DataFrame) -> None:
    """Every score and number of examples, from the cell files and the raw rows."""
    raw = pq.read_table(folder / "data/colours.parquet")["q"].to_pylist()
    assert table.height == 3 * 2
    for row in table.iter_rows(named=True):
        things = DIFFICULTY["bins"][row["bin"]]
        rows = examples(folder, row["compression"])
        kept = np.array([raw[int(each.removeprefix("evaluate-"))].split()[-2] in things for each in rows["id"]])
        right = (rows["gold"] == rows["prediction"]).to_numpy()
        assert row["n_examples"] == kept.sum() > 0
        assert row["score"] == pytest.approx(right[kept].mean())
