"""With the real Snakemake: lines between trained cells, also when a finished study gets them later."""

from pathlib import Path

import polars as pl
import pytest
import toy
import toy_connections
from workflow_run import planned, snakemake

from junkdna.run.connection_file import read_connection
from junkdna.run.trained_weights import TRAINED

pytestmark = [pytest.mark.dag]


def files(world: Path, folder: str) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in (world / "results" / folder).rglob("*.parquet")}


def test_lines_are_scored_from_kept_weights_and_later_ones_from_new_ones(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = toy_connections.STUDY
    toy.write_yaml(world / "config.yaml", study)
    done = snakemake(world)
    assert done.returncode == 0, done.stdout
    lines = files(world, "connectivity")
    assert len(lines) == 3
    assert all(read_connection(file)[1]["weights"] == ["kept", "kept"] for file in lines)
    assert not [*(world / TRAINED).iterdir()]
    table = pl.read_parquet(world / "results/studies/toy/tables/connectivity.parquet")
    assert table.height == 2 * 5
    assert (world / "results/studies/toy/figures/connectivity_lines.svg").is_file()
    assert "Between dense and sparse transfer" in (world / "results/studies/toy/report.html").read_text()

    cells = files(world, "cells")
    more = {**study["experiments"]["lines"], "connectivity": {"points": 3}}
    toy.write_yaml(world / "config.yaml", {**study, "experiments": {"lines": more}})
    assert {Path(file).parts[1] for file in planned(world)} & {"cells", "connectivity"} == {"connectivity"}
    again = snakemake(world)
    assert again.returncode == 0, again.stdout
    assert files(world, "cells") == cells, "finished cells do not run again"
    new = files(world, "connectivity").keys() - lines.keys()
    assert len(new) == 3
    assert all(read_connection(file)[1]["differences"] == [0, 0] for file in new)
    assert not [*(world / TRAINED).iterdir()]

    [first] = [file for file in new if file.parent.name == "seed-0-to-0"]
    end = first.relative_to(world).as_posix().replace("connectivity", "cells").replace("seed-0-to-0/points-3", "seed-0")
    forced = snakemake(world, "--forcerun", end)
    assert forced.returncode == 0, forced.stdout
    footer = read_connection(first)[1]
    assert footer["weights"] == ["trained again", "kept"], "the cell that ran again kept its weights for its line"
    assert not [*(world / TRAINED).iterdir()]
