"""`junkdna plan`: time and disk space before a run, from existing files and from estimates."""

import copy
import re
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import toy
import toy_run
from project import ROOT

from junkdna.cli.plan import jobs_at_once, plan
from junkdna.dag.cell_work import parameters
from junkdna.dag.disk import JOB, disk, free_bytes
from junkdna.dag.inputs import figure_files
from junkdna.dag.state import Finished
from junkdna.dag.units import size_of
from junkdna.run import gpus
from junkdna.study import grid
from junkdna.study.load import load_study, resolve


def plan_text(study: dict | None = None) -> str:
    return "\n".join(plan(resolve(study or toy.STUDY, "study"))[0])


def test_before_the_first_cell_the_time_is_rough_and_a_command_is_printed(world: Path) -> None:
    (world / "workflow").mkdir()
    (world / "workflow/Snakefile").touch()
    text = plan_text()
    assert re.search(r"context +10 cells, +10 to run", text)
    assert "ready   0 of 1 models, 0 of 3 examples, 0 of 4 tokens" in text
    here, gpu = re.findall(r"time +rough: (.*),\n +from measured rates", text)
    assert re.match(r"\d+ s of a CPU core; on this machine \(\d+ cores\) about \d+ s, excluding process starts", here)
    assert gpu == "1 s of a GPU, excluding process starts, loading and compressing"
    assert "training in float32 on one thread of an AMD EPYC: 295 ms for a step of all-MiniLM-L6-v2" in text
    assert "stacks in float32 have not been measured: 8 cells count as if trained one by one" in text
    assert "snakemake --cores 1 -- results/cells/tiny/colours/plain/dense/none/default/seed-0.parquet" in text
    toy.write_yaml(Path("my study.yaml"), toy.STUDY)
    other = "\n".join(plan(load_study(Path("my study.yaml"), {"experiments": ["modes"]}))[0])
    alone = "snakemake --cores all --config 'study_file=my study.yaml' 'run=[\"context\"]'"
    assert f"context  not in this run; to run only this experiment: {alone}" in other
    assert "--config 'study_file=my study.yaml' 'run=[\"modes\"]' -- results/cells/tiny/mood" in other


def test_one_finished_cell_gives_an_estimate_for_the_others(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = toy_run.read()
    toy_run.prepare(resolved)
    toy_run.run(grid.all_cells(resolved)[0], resolved)
    cpu = re.search(r"time +about \d+ s of a CPU core; on this machine \(\d+ cores\) about .*starts\n(.*)", plan_text())
    assert cpu[1].strip().startswith("from the wall times of finished cells of this study: 1 on cpu ")
    monkeypatch.setenv(gpus.FAKE, "0,1,2,3")
    monkeypatch.setattr(Finished, "on_gpu", True)
    text = plan_text()
    assert re.search(r"context +10 cells, +9 to run", text)
    assert "ready   1 of 1 models, 3 of 3 examples, 4 of 4 tokens" in text
    assert re.search(r"time +about \d+ s of a GPU; on this machine \(4 GPU\(s\), 1 cell\(s\) on each\) about", text)
    changed = copy.deepcopy(toy.STUDY)
    changed["tasks"]["colours"]["protocol"] = {"max_length": 32}
    assert "of an earlier version of this study: 1 on" in plan_text(changed)  # better than nothing
    assert "stale   1 of these were computed" in plan_text(changed)
    assert "ready   1 of 1 models, 3 of 3 examples, 2 of 4 tokens" in plan_text(changed)
    assert jobs_at_once(resolve({**toy.STUDY, "cells_per_gpu": 3}, "study"))[0] == 12


def test_the_default_study_is_planned_quickly_and_its_disk_known_beforehand(tmp_path, monkeypatch) -> None:
    """331.5 MB is what it left after a whole run; wheels and models by their pins, the rest by formula."""
    monkeypatch.chdir(tmp_path)
    resolved = load_study(ROOT / "config.yaml")
    found = disk(resolved, figure_files(resolved, "results/studies/default"))
    assert found.final == pytest.approx(331.5e6, rel=0.2)
    assert found.total["sources"] == pytest.approx(228.4e6, rel=0.01)
    assert found.total["models"] == pytest.approx(91.6e6, rel=0.1)
    assert (found.existing, found.temporary, found.unknown) == (0, 0, [])
    start = time.process_time()
    assert len(plan(resolved)[0]) > 8
    assert time.process_time() - start < 2


def test_ten_thousand_cells_are_planned_in_seconds_of_cpu(world: Path) -> None:
    study = copy.deepcopy(toy.STUDY)
    study["experiments"]["modes"] |= {
        "seeds": list(range(100)),
        "compressions": [{"method": "magnitude", "sparsity": [n / 40 for n in range(1, 35)]}],
    }
    start = time.process_time()
    text = plan_text(study)
    assert time.process_time() - start < 10
    assert "10310 cells, 10310 to run" in text


def test_sizes_count_complete_blocks(world: Path) -> None:
    folder = world / "folder"
    folder.mkdir()
    empty = size_of(folder)
    (folder / "a").write_bytes(b"x")
    (folder / "b").write_bytes(b"x" * 4097)
    (folder / "link").symlink_to(world / "model/model.safetensors")
    assert size_of(folder) == empty + 3 * 4096 + (folder / "link").lstat().st_blocks * 512
    assert size_of(folder / "none") is None


def test_files_of_unknown_size_are_named(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(world / "hub"))
    study = copy.deepcopy(toy.STUDY)
    study["models"]["tiny"] = {"kind": "encoder", "hub": "someone/model"}
    assert "of unknown size, not counted: results/models/tiny" in plan_text(study)
    study["models"]["tiny"]["hub"] = "someone/model-70m"
    assert "models 280 MB" in plan_text(study)
    pin = {"version": "1", "filename": "other-1-py3-none-any.whl", "sha256": "0" * 64}
    study |= {"wheels": {"other": pin}}
    study["models"]["tiny"] = {"kind": "encoder", "wheel": "other", "path": "model"}
    assert "of unknown size, not counted: results/sources/other.whl, results/models/tiny" in plan_text(study)
    study["wheels"]["other"] = {**pin, "size_bytes": 50_000_000}
    assert "unknown size" not in plan_text(study)
    assert "models 50 MB" in plan_text(study)


def test_parts_of_an_archive_take_space_until_they_are_joined(world: Path) -> None:
    part = {"version": "1", "filename": "w.whl", "member": "a", "size_bytes": 30_000_000}
    parts = [part | {"name": f"w-{n}", "sha256": str(n) * 64} for n in (1, 2)]
    study = copy.deepcopy(toy.STUDY) | {"wheels": {"w": {"sha256": "0" * 64, "size_bytes": 55_000_000, "parts": parts}}}
    study["models"]["tiny"] = {"kind": "encoder", "wheel": "w", "path": "model"}
    resolved = resolve(study, "study")
    found = disk(resolved, [])
    assert (found.total["sources"], found.temporary) == (55_000_000, 60_000_000)
    assert parameters("tiny", resolved) == 55_000_000 / 4
    wheel = Path("results/sources/w.whl")
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(b"x")
    assert disk(resolved, []).temporary == 0


def test_stored_compressions_are_estimated_by_formula_and_then_by_existing_ones(world: Path) -> None:
    """1 bit per parameter for a mask (wanda), 33 for a mask and values (sparsegpt); SVD factors are twice the model."""
    resolved = resolve(toy.METHODS, "study")
    cells = [cell for cell in grid.stored(grid.all_cells(resolved)) if cell.model == "tiny"]
    methods = [cell.compression.method for cell in cells]
    weights = parameters("tiny", resolved), parameters("llm", resolved)
    assert all(weights)
    before = disk(resolved, [])
    assert before.total["factors"] == 8 * sum(weights)
    assert before.total["compressions"] >= weights[0] * (methods.count("wanda") + 33 * methods.count("sparsegpt")) / 8
    toy_run.prepare(resolved)
    after = disk(resolved, [])
    files = grid.stored(grid.all_cells(resolved))
    assert after.total["compressions"] == sum(size_of(cell.compressed_path) for cell in files)
    assert after.total.get("factors", 0) == 0
    Path(files[0].compressed_path).unlink()
    assert after.existing - disk(resolved, []).existing > JOB
    assert disk(resolved, []).total["compressions"] == pytest.approx(after.total["compressions"], rel=0.3)


def test_compressions_that_are_not_kept_are_temporary(world: Path) -> None:
    kept, temporary = (disk(resolve({**toy.METHODS, "keep_compressed": keep}, "study"), []) for keep in (True, False))
    jobs = len(grid.stored(grid.all_cells(resolve(toy.METHODS, "study"))))
    assert temporary.temporary == kept.total["compressions"] + JOB * jobs > JOB * jobs  # their logs count as well
    assert "compressions" not in temporary.total
    assert temporary.to_write == kept.to_write


def test_long_trainings_keep_temporary_checkpoints(world: Path) -> None:
    resolved = resolve(toy.STUDY, "study")
    one, two = (disk(resolved, [], long_jobs=n).temporary for n in (1, 2))
    assert two == 2 * one > 0


def test_a_disk_that_is_too_small_is_reported(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("junkdna.dag.disk.shutil.disk_usage", lambda place: usage(9e9, 9e9, 1e6))
    assert "MISSING  disk space" in plan_text()


def test_free_space_is_that_of_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`results` may be a link to another disk."""
    usage = namedtuple("usage", "total used free")
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("junkdna.dag.disk.shutil.disk_usage", lambda place: usage(9, 9, Path(place).resolve().name))
    assert free_bytes() == tmp_path.name
    Path("results").symlink_to("scratch")
    assert free_bytes() == "scratch"


class TestExitStatus:
    """A script that plans first (`junkdna plan && snakemake ...`) must stop at a study that cannot run."""

    def of(self, study: dict) -> tuple[int, str]:
        toy.write_yaml(Path("config.yaml"), study)
        command = [sys.executable, "-m", "junkdna", "plan"]
        done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=60)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    def test_is_0_for_a_study_with_work_left(self, world: Path) -> None:
        assert self.of(toy.STUDY)[0] == 0

    def test_is_1_for_a_wrong_model(self, world: Path) -> None:
        study = copy.deepcopy(toy.STUDY)
        study["experiments"]["modes"]["compressions"] = [{"method": "nm", "keep": 2, "of": 5}]
        code, text = self.of(study)
        assert (code, text.count("WRONG  ")) == (1, 1)

    def test_is_1_for_a_missing_folder(self, world: Path) -> None:
        study = copy.deepcopy(toy.STUDY)
        study["models"]["tiny"]["local"] = "models"
        code, text = self.of(study)
        assert (code, "MISSING  models.tiny.local 'models'" in text) == (1, True)

    def test_is_1_for_a_disk_that_is_too_small(self, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = namedtuple("usage", "total used free")
        assert plan(resolve(toy.STUDY, "study"))[1]
        monkeypatch.setattr("junkdna.dag.disk.shutil.disk_usage", lambda place: usage(9e9, 9e9, 1e6))
        assert not plan(resolve(toy.STUDY, "study"))[1]
