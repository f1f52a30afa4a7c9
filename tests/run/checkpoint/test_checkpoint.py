"""Cells that are killed and started again: the same numbers bit for bit, and nothing left behind."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_run
from checkpoint_world import CELLS, MODES, SCORED, SPARSE, TRAINED, Killed, file_of, run
from job_settings import training_settings
from project import SUPPORT
from toy_run import read_footer
from toy_training import load, training

from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.resumable import NO_CHECKPOINTS, Loop, Stopwatch
from junkdna.run import cell as cell_module
from junkdna.run import checkpoint
from junkdna.run.checkpoint import VARIABLE, Checkpoint
from junkdna.storage.fingerprint import canonical_json
from junkdna.storage.tensors import read_tensors
from junkdna.study.cell import parse_cell_path
from junkdna.study.load import resolve
from junkdna.study.paths import CHECKPOINTS
from junkdna.train.finetune import fine_tune


@pytest.mark.parametrize("key", CELLS)
def test_a_cell_killed_at_any_item_ends_as_if_it_had_not_been(world, key):
    last = world.items[key] - 1
    assert last >= (10 if key in TRAINED else 3), "too few items for a test of interruptions"
    for item in sorted({0, 1, last // 2, last}):
        world.killed_at(key, item)
        assert file_of(key).exists() == (item > 0)
        world.finishes(key, world.items[key] - item, resumed=int(item > 0))


@pytest.mark.parametrize("key", [SPARSE, *SCORED[3:]])
def test_a_cell_killed_after_every_item_ends_as_if_it_had_not_been(world, key):
    for _ in range(world.items[key] - 1):
        world.killed_at(key, 1)
    footer = world.finishes(key, 1, resumed=world.items[key] - 1)
    assert set(footer["wall_s"]) == {"start", "load", "compress", "train", "score"}


@pytest.mark.parametrize(("key", "interval"), [(TRAINED[3], 3), (SCORED[2], 4)])
def test_items_since_the_last_checkpoint_are_made_again(world, monkeypatch, key, interval):
    """On a clock that ticks once an item: training's 8 steps and some batches, with checkpoints between."""
    monkeypatch.setenv(VARIABLE, str(interval))
    for item in range(1, world.items[key], 3):
        ticks = count()
        monkeypatch.setattr(checkpoint, "time", SimpleNamespace(perf_counter=lambda ticks=ticks: next(ticks)))
        world.killed_at(key, item)
        kept = done_of(key) if file_of(key).exists() else 0
        assert item - kept <= interval
        world.finishes(key, world.items[key] - kept, resumed=int(kept > 0))


def done_of(key: str) -> int:
    tensors, _ = read_tensors(file_of(key), checkpoint.KIND)
    return sum(int(tensor) for name, tensor in tensors.items() if name.endswith("/done"))


def trained(folder: Path, mode: str, name: str, loop: Loop) -> dict[str, torch.Tensor]:
    """Weights after a short training, and two numbers that the generator for dropout would give next."""
    model, _ = load(folder, name, ("tiny", "mood", 0))
    prunables = prunable(model)
    masks = dict(magnitude(matrices(prunables), 0.0 if mode == "dense" else 0.5, None))
    protocol = training_settings(epochs=2, batch_size=8, learning_rate=1e-3, warmup_fraction=0.34, weight_decay=0.1)
    report = fine_tune(model, prunables, masks, mode, training(name), protocol, ("mood", 0), loop)
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return weights | {"report": torch.tensor([report.steps, report.first_loss, report.last_loss], dtype=torch.float64)}


@pytest.mark.parametrize("name", ["classifier", "bi_encoder"])
@pytest.mark.parametrize("mode", MODES)
def test_weights_are_equal_bit_for_bit_wherever_training_stopped(world, toy_world_once, mode, name):
    folder = toy_world_once / "model"
    wanted = trained(folder, mode, name, NO_CHECKPOINTS)
    for last in range(1, 6):

        def bar(batches, last=last):
            yield from batches[:last]
            raise Killed

        with pytest.raises(Killed):
            trained(folder, mode, name, begun(SPARSE, bar))
        again = begun(SPARSE)
        got = trained(folder, mode, name, again)
        assert again.resumed == 1
        assert all(torch.equal(got[name], wanted[name]) for name in wanted)
        again.remove()


def begun(key: str, bar=iter) -> Checkpoint:
    loop = Checkpoint(key, 0.0, bar)
    loop.begin({}, Stopwatch())
    return loop


def test_what_is_kept_of_a_finished_training_is_its_weights_and_losses(world):
    """Not the optimizer's two thirds, which no scoring needs."""
    sizes = []
    for item in (8, 9):
        world.killed_at(SPARSE, item)
        tensors, _ = read_tensors(file_of(SPARSE), checkpoint.KIND)
        sizes.append(sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("train/")))
        file_of(SPARSE).unlink()
    weights = sum(t.numel() for name, t in tensors.items() if name.startswith("train/weight/"))
    assert sizes[0] > 3 * weights
    assert sizes[1] < 1.1 * weights


def test_scoring_uses_no_attention_that_differs_from_run_to_run(world, monkeypatch):
    """cuDNN's does on a GPU: a generation that is resumed would then be another one."""
    seen, load_format = [], cell_module.formats.load

    def loaded(name):
        def score(*given):
            seen.append(torch.backends.cuda.cudnn_sdp_enabled())
            return load_format(name).score(*given)

        return SimpleNamespace(score=score)

    monkeypatch.setattr(cell_module.formats, "load", loaded)
    run(world.settings[SCORED[4]])
    assert (seen, torch.backends.cuda.cudnn_sdp_enabled()) == ([False], True)


# --- real kills -------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_processes_killed_while_training_scoring_and_writing(world):
    """SIGKILL, each in a process of its own: twice before an item, once with half a checkpoint on the disk."""
    kills = {key: [["item", 6], ["write", 1], ["item", 3]] for key in TRAINED}
    kills |= {key: [["item", 2], ["write", 1], ["item", 1]] for key in (SCORED[2], SCORED[4])}
    jobs = [{"settings": asdict(world.settings[key]), "kill": kill} for key in kills for kill in (*kills[key], None)]
    driver = SUPPORT / "checkpoint_run.py"
    done = subprocess.run([sys.executable, driver], input=json.dumps(jobs), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    for key in kills:
        path = Path(parse_cell_path(key).path)
        table = pq.read_table(path)
        path.unlink()
        assert table.replace_schema_metadata().equals(world.wanted[key].replace_schema_metadata()), key
        assert json.loads(table.schema.metadata[b"junkdna"])["resumed"] == 3
    assert not CHECKPOINTS.exists()


@pytest.mark.long
def test_the_command_killed_from_outside(world):
    """`python -m junkdna cell`, hit anywhere in a training of 200 steps."""
    data = {**toy.STUDY, "protocols": {"long": {"epochs": 50}}}
    data["experiments"] = {"modes": {**toy.STUDY["experiments"]["modes"], "protocol": "long"}}
    cell, resolved = parse_cell_path(SPARSE.replace("default", "long")), resolve(data, "test")
    toy_run.encode(cell, resolved)
    settings = toy_run.settings_of(cell, resolved)
    Path("settings.json").write_text(canonical_json(settings))
    command = [sys.executable, "-m", "junkdna", "cell", cell.path, "--settings", "@settings.json"]
    subprocess.run(command, check=True, capture_output=True)  # not `run`: this process takes smaller batches
    wanted = pq.read_table(cell.path).replace_schema_metadata()
    Path(cell.path).unlink()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not file_of(cell.key).exists():
        assert process.poll() is None, "ended before its first checkpoint"
        time.sleep(0.01)
    time.sleep(0.2)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "ended too soon to be killed"
    assert not Path(cell.path).exists()
    subprocess.run(command, check=True, capture_output=True)
    table = pq.read_table(cell.path)
    assert table.replace_schema_metadata().equals(wanted)
    assert read_footer(Path(cell.path))["resumed"] == 1
    assert not CHECKPOINTS.exists()
