"""A run that fails, with the real Snakemake: what stands at its end can be pasted, and what it leads to is right."""

import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
import toy
from polars.testing import assert_frame_equal
from workflow_run import environment, snakemake

pytestmark = [pytest.mark.dag, pytest.mark.long]
STUDY = {
    **toy.STUDY,
    "study": "mine",
    "experiments": {
        "context": {**toy.STUDY["experiments"]["context"], "compressions": toy.HALF},
        "modes": {**toy.STUDY["experiments"]["modes"], "transfer": ["sparse"], "seeds": [0]},
    },
}
FILE = "my study.yaml"
RESULTS = Path("results/studies/mine")
OPTIONS = ("--config", f"study_file={FILE}")


@pytest.fixture
def folder(toy_world_once: Path, tmp_path: Path) -> Path:
    """A toy world with a study that is not config.yaml, and is no study's name either."""
    world = Path(shutil.copytree(toy_world_once, tmp_path / "my world"))
    toy.write_yaml(world / FILE, STUDY)
    (world / "config.yaml").unlink()
    return world


def pasted(command: str) -> subprocess.CompletedProcess:
    """A command of the page, run in a shell that stands elsewhere."""
    command = command.replace("junkdna ", "python -m junkdna ").replace("snakemake ", "python -m snakemake ")
    return subprocess.run(
        ["bash", "-c", command], cwd="/", env=environment(), capture_output=True, text=True, check=False
    )


def paths(folder: Path) -> list[str]:
    return [f"figures  {folder / RESULTS}/figures/", f"report   {folder / RESULTS}/report.html"]


def test_a_failed_run_leads_to_the_complete_part_and_a_mended_one_to_all(folder: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    data = folder / "data/mood.parquet"
    good = data.read_bytes()
    data.write_bytes(b"no parquet")
    result = snakemake(folder, *OPTIONS)
    assert result.returncode != 0
    end = result.stdout.rpartition("-" * 100)[2]
    assert end.count("mood.parquet is not a Parquet file") == 1
    assert "2 job(s) failed, 1 cause(s)." in end
    status, partial = (
        re.search(rf"{text} +(.+)", end)[1] for text in ("progress of the study:", "results of the finished cells:")
    )
    assert "--study 'my study.yaml'" in status
    assert pasted(status).stdout.startswith("4 of 6 cells done")
    made = pasted(partial)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("INCOMPLETE: 4 of 6 cells")
    assert "mood.parquet is not a Parquet file" in made.stdout
    part = folder / RESULTS / "partial"
    assert set(pl.read_parquet(part / "tables/drops.parquet")["experiment"]) == {"context"}
    assert not (folder / RESULTS / "tables").exists()

    data.write_bytes(good)
    again = pasted(re.search(r"rerun:  (.+)", end)[1])
    assert again.returncode == 0, again.stderr
    assert "report   " not in again.stderr  # single files were asked for
    assert part.is_dir()
    result = snakemake(folder, *OPTIONS)
    assert result.returncode == 0, result.stdout
    assert all(path in result.stdout for path in paths(folder))
    assert not part.exists()
    undisturbed = snakemake(whole, *OPTIONS)
    assert undisturbed.returncode == 0, undisturbed.stdout
    for name in ("cells", "drops"):
        tables = [pl.read_parquet(each / RESULTS / f"tables/{name}.parquet") for each in (folder, whole)]
        assert_frame_equal(*(table.drop("wall_s", strict=False) for table in tables))
    assert "INCOMPLETE" not in (folder / RESULTS / "report.html").read_text()
    for arguments in (("-n",), ()):
        idle = snakemake(folder, *OPTIONS, *arguments)
        assert "Nothing to be done" in idle.stdout
        assert "report   " not in idle.stdout
