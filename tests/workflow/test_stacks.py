"""A real run of Snakemake whose jobs fill the files of trained cells through stacks, here on the CPU."""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import stack_run
import toy
import toy_run
from project import ROOT, python_path
from torch.cuda import device_count
from workflow_run import environment, snakemake_command

from junkdna.analysis.collect import state
from junkdna.study import grid

STUDY = {
    **toy.STUDY,
    "experiments": {
        "modes": {"title": "Modes", "models": ["tiny"], "tasks": ["mood"], "seeds": [0, 1],
                  "compressions": [{"method": "magnitude", "sparsity": [0.5, 0.7]}],
                  "transfer": ["dense", "sparse", "sparse_to_dense"]},
    },
}  # fmt: skip


@pytest.mark.long
def test_a_study_is_filled_through_stacks(world, tmp_path_factory):
    """Every cell by its own job of the graph, but fewer trainings than trained cells, and a second run has no work."""
    toy.write_yaml(Path("config.yaml"), STUDY)
    site = stack_run.site_folder(tmp_path_factory.mktemp("site") / "site")
    env = environment({"PYTHONPATH": python_path(site, ROOT)})

    def run() -> str:
        command = snakemake_command(Path.cwd(), "--", "results/studies/toy/tables/cells.parquet")
        done = subprocess.run(command, env=env, cwd=ROOT, text=True, capture_output=True, check=False, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run()
    resolved = toy_run.read()
    cells = grid.all_cells(resolved)
    trained = [cell for cell in cells if cell.transfer != "none"]
    assert len(trained) == 10
    assert {cell.key: state(cell, resolved) for cell in cells} == {cell.key: "done" for cell in cells}
    engines = Counter()
    for cell in trained:
        footer = toy_run.read_footer(Path(cell.path))
        engine = footer["training_engine"]
        assert (engine["engine"], engine["size"]) == ("stack", stack_run.SIZE)
        assert cell.key in engine["cells"]
        engines[tuple(engine["cells"])] += 1
    assert len(engines) < len(trained)
    assert max(map(len, engines)) == stack_run.SIZE
    assert not Path("results/batches").exists()
    assert not Path("results/checkpoints").exists()
    logs = [Path(f"results/logs/cells/{cell.key}.log").read_text() for cell in trained]
    assert any("computed by the job of another cell" in log for log in logs)
    assert all(re.search(rf"{re.escape(cell.key)}: accuracy", log) for cell, log in zip(trained, logs, strict=True))
    assert "Nothing to be done" in run()


@pytest.mark.gpu
@pytest.mark.long
@pytest.mark.skipif(device_count() == 0, reason="needs a CUDA device, and torch sees none")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu_a_cell_has_the_same_bits_with_other_companions(world, precision):
    """All files of the study; then one file alone, whose stack is filled up with copies."""
    protocol = {"stack": stack_run.SIZE, "precision": precision}
    toy.write_yaml(Path("config.yaml"), {**STUDY, "protocols": {"default": protocol}})
    resolved = toy_run.read()
    trained = [cell for cell in grid.all_cells(resolved) if cell.transfer != "none"]

    def run(*targets: str) -> None:
        command = snakemake_command(Path.cwd(), "--resources", f"gpu={device_count()}", "--", *targets)
        env = {**os.environ, "PATH": environment()["PATH"], "PYTHONPATH": python_path(ROOT)}
        done = subprocess.run(command, env=env, cwd=ROOT, text=True, capture_output=True, check=False, timeout=1200)
        assert done.returncode == 0, done.stdout + done.stderr

    run(*(cell.path for cell in trained))
    together = {cell: pq.read_table(cell.path).replace_schema_metadata() for cell in trained}
    engines = {cell: toy_run.read_footer(Path(cell.path))["training_engine"] for cell in trained}
    assert {engine["engine"] for engine in engines.values()} == {"stack"}
    again = [cell for cell in trained if len(engines[cell]["cells"]) == stack_run.SIZE][:2]
    assert again
    for cell in again:
        Path(cell.path).unlink()
        run(cell.path)
        assert toy_run.read_footer(Path(cell.path))["training_engine"]["cells"] == [cell.key]
        assert pq.read_table(cell.path).replace_schema_metadata().equals(together[cell])
