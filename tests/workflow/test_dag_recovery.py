"""With the real Snakemake: every recovery length is trained, next to the usual one."""

from pathlib import Path

import polars as pl
import pytest
import toy
from workflow_run import cells, planned, snakemake

pytestmark = [pytest.mark.dag]
MODES = {"title": "Recovery", "models": ["tiny"], "tasks": ["mood"],
         "compressions": [{"method": "magnitude", "sparsity": [0.5]}], "seeds": [0],
         "transfer": ["dense", "sparse_to_dense"], "recovery": [1, 2]}  # fmt: skip
STUDY = {**toy.STUDY, "tasks": {"mood": toy.STUDY["tasks"]["mood"]}, "experiments": {"modes": MODES}}


def test_every_multiple_of_the_steps_runs(world: Path) -> None:
    toy.write_yaml(world / "config.yaml", STUDY)
    files = cells(planned(world))
    assert {Path(file).parent.name for file in files} == {"default", "default-x2"}
    done = snakemake(world)
    assert done.returncode == 0, done.stdout
    table = pl.read_parquet(world / "results/studies/toy/tables/cells.parquet")
    steps = dict(table.group_by("protocol").agg(pl.col("steps").unique()).iter_rows())
    assert [2 * number for number in steps["default"]] == steps["default-x2"]
