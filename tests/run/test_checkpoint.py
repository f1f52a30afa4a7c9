"""Cells that are killed and started again: the same numbers bit for bit, and nothing left behind."""

import json
import logging
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_run
from checkpoint_run import small_batches
from job_settings import training_settings
from mounts import mount
from project import SUPPORT
from toy_training import load, training

from junkdna.cli import jobs as cli_jobs
from junkdna.compress import artifact
from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.data.tokens_file import read_tokens, write_tokens
from junkdna.errors import UserError
from junkdna.resumable import NO_CHECKPOINTS, Loop, Stopwatch
from junkdna.run import cell as cell_module
from junkdna.run import checkpoint
from junkdna.run.cell_file import read_footer
from junkdna.run.checkpoint import VARIABLE, Checkpoint
from junkdna.storage.atomic import parts_of
from junkdna.storage.fingerprint import canonical_json
from junkdna.storage.tensors import read_tensors, write_tensors
from junkdna.study import grid
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.load import resolve
from junkdna.study.paths import CHECKPOINTS
from junkdna.train.finetune import fine_tune

MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")
TRAINED = [f"tiny/mood/plain/{'dense' if mode == 'dense' else 'magnitude-0.5'}/{mode}/default/seed-0" for mode in MODES]
SPARSE = TRAINED[1]
SCORED = [
    "tiny/hues/options=2/magnitude-0.5/none/default/seed-0",  # bi-encoder: options, then questions
    "tiny/hues/plain/magnitude-0.5/sparse/cross/seed-0",  # trained, pairs
    "llm/hues/shots=2/magnitude-0.5/none/letters/seed-0",  # packs behind one header
    "llm/hues/options=2/magnitude-0.5/none/default/seed-0",
    "llm/named/plain/magnitude-0.5/none/default/seed-0",  # written text
]
CELLS = [*TRAINED, *SCORED]


class Killed(Exception):
    """Stands for a kill inside this process."""


@dataclass
class World:
    """Each cell's settings, its table from an undisturbed run, and the items of its loops, one after the other."""

    settings: dict[str, CellSettings] = field(default_factory=dict)
    wanted: dict[str, pa.Table] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)

    def killed_at(self, key: str, item: int) -> None:
        """Run the cell until the item of that number (from 0) is to begin."""
        numbers = count()

        def bar(items: list) -> Iterator:
            for each in items:
                if next(numbers) == item:
                    raise Killed
                yield each

        with pytest.raises(Killed):
            run(self.settings[key], bar)

    def finishes(self, key: str, items: int, resumed: int) -> dict:
        """The footer of a run that makes that many items and leaves the undisturbed run's table, and nothing else."""
        seen: list = []
        table = run(self.settings[key], lambda batches: seen.extend(batches) or batches)
        assert table.replace_schema_metadata().equals(self.wanted[key].replace_schema_metadata())
        footer = json.loads(table.schema.metadata[b"junkdna"])
        assert (len(seen), footer["resumed"]) == (items, resumed)
        assert not CHECKPOINTS.exists()
        return footer


@pytest.fixture(scope="module")
def once(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("checkpoint") / "world"
    shutil.copytree(toy_world_once, folder)
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small_batches(patch)
        for file in ("config.yaml", "settings.yaml"):
            resolved = toy_run.read(file)
            mine = [cell for cell in grid.all_cells(resolved) if cell.key in CELLS]
            toy_run.prepare(resolved, mine)
            world.settings |= {cell.key: toy_run.settings_of(cell, resolved) for cell in mine}
        for key in CELLS:
            seen: list = []
            world.wanted[key] = run(world.settings[key], lambda items, seen=seen: seen.extend(items) or items)
            world.items[key] = len(seen)
        yield world


@pytest.fixture
def world(once: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world in its folder, with a checkpoint after every item."""
    monkeypatch.setenv(VARIABLE, "0")
    yield once
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)


def run(settings: CellSettings, bar=iter) -> pa.Table:
    """The table that the stage leaves; its file goes, so that the next run makes it anew."""
    path = Path(parse_cell_path(settings.cell).path)
    cli_jobs.cell(path, settings, gpus=0, threads=1, bar=bar)
    table = pq.read_table(path)
    path.unlink()
    return table


def file_of(key: str) -> Path:
    return CHECKPOINTS / f"{key}.safetensors"


# --- the same numbers -------------------------------------------------------------------------------------------------


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
    assert set(footer["wall_s"]) == {"load", "compress", "train", "score"}


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
    seen, answers = [], cell_module._answers
    spy = lambda *given: seen.append(torch.backends.cuda.cudnn_sdp_enabled()) or answers(*given)  # noqa: E731
    monkeypatch.setattr(cell_module, "_answers", spy)
    run(world.settings[SCORED[4]])
    assert (seen, torch.backends.cuda.cudnn_sdp_enabled()) == ([False], True)


# --- what must not be resumed -----------------------------------------------------------------------------------------


def spoil(file: Path, damage: str) -> None:
    data = bytearray(file.read_bytes())
    if damage == "another file":
        write_tensors(file, "compressed weights 1", {"a": torch.ones(2)}, {"of": "it"})
        return
    if damage == "one bit":
        data[-9] ^= 4
    file.write_bytes({"empty": b"", "truncated": data[: len(data) // 2], "garbage": b"\x00" * 99}.get(damage, data))


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "one bit", "another file"])
def test_a_damaged_checkpoint_is_named_deleted_and_not_used(world, damage, caplog):
    world.killed_at(SPARSE, 5)
    spoil(file_of(SPARSE), damage)
    world.finishes(SPARSE, world.items[SPARSE], resumed=0)
    [line] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and "checkpoint" in r.getMessage()]
    assert line.startswith(f"the checkpoint {file_of(SPARSE)} cannot be used")
    assert line.endswith("deleted, the cell starts afresh.")


def other_row(file: Path) -> None:
    table = read_tokens(file)
    rows = table.to_pylist()
    rows[3]["query"][1] += 1
    write_tokens(pa.Table.from_pylist(rows, schema=table.schema), file)


def other_model(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "revision": "another"}))


FILES = {
    "rows": (parse_cell_path(SPARSE).tokens_path("train"), other_row),
    "model": (f"{parse_cell_path(SPARSE).model_folder}/model.json", other_model),
}


@pytest.mark.parametrize("change", ["learning_rate", "code", "threads", "processor", "checkpoint's code", *FILES])
def test_a_checkpoint_made_from_anything_else_is_deleted(world, change, caplog, monkeypatch):
    settings, threads, path = world.settings[SPARSE], 1, Path(parse_cell_path(SPARSE).path)
    world.killed_at(SPARSE, 5)
    if change in FILES:
        file, edit = Path(FILES[change][0]), FILES[change][1]
        shutil.copy(file, "before")
        edit(file)
    elif change == "learning_rate":
        settings = replace(settings, training=replace(settings.training, learning_rate=2e-3))
    elif change == "code":
        settings = replace(settings, code="0" * 16)
    elif change == "threads":
        threads = 2
    elif change == "processor":
        monkeypatch.setattr(cell_module, "processor", lambda: "cpu of another make")
    else:
        monkeypatch.setattr(checkpoint, "code_fingerprint", lambda module: f"edited {module}")
    seen: list = []
    cli_jobs.cell(path, settings, gpus=0, threads=threads, bar=lambda items: seen.extend(items) or items)
    assert (len(seen), read_footer(path)["resumed"]) == (world.items[SPARSE], 0)
    assert f"the checkpoint {file_of(SPARSE)} was made from other settings" in caplog.text
    path.unlink()
    if change in FILES:
        shutil.move("before", file)


def test_a_checkpoint_of_another_stored_compression_is_deleted(world, caplog):
    """Its settings may be the same, its numbers another device's."""
    key = "tiny/mood/plain/sparsegpt-0.5,calibration=phrases/sparse/default/seed-0"
    resolved = toy_run.read("methods.yaml")
    cell = parse_cell_path(key)
    toy_run.prepare(resolved, [cell])
    world.settings[key] = toy_run.settings_of(cell, resolved)
    world.killed_at(key, 5)
    file = Path(cell.compressed_path)
    tensors, facts = read_tensors(file, artifact.KIND)
    name = next(name for name in tensors if name.startswith(artifact.WEIGHT))
    tensors[name] = tensors[name].clone()
    tensors[name][0, 0] += 1e-6
    write_tensors(file, artifact.KIND, tensors, facts)
    run(world.settings[key])
    assert f"the checkpoint {file_of(key)} was made from other settings" in caplog.text


# --- where none can be, or need be, written ---------------------------------------------------------------------------


def test_a_file_too_large_to_write_is_a_warning(world, caplog):
    """Files of more than 64 kB cannot be written: a checkpoint of this training cannot, its result can."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        footer = world.finishes(SPARSE, world.items[SPARSE], resumed=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == world.items[SPARSE]
    assert all(line.startswith(f"the checkpoint {file_of(SPARSE)} cannot be written") for line in warnings)
    assert "File too large" in warnings[0]
    assert footer["resumed"] == 0


def test_a_disk_with_no_room_left_is_a_warning(world, caplog):
    """A real one, of 128 kB."""
    CHECKPOINTS.mkdir()
    mount("-t", "tmpfs", "-o", "size=128k", "tmpfs", at=CHECKPOINTS)
    try:
        table = run(world.settings[SPARSE])
        assert not [file for file in CHECKPOINTS.rglob("*") if file.is_file()]
    finally:
        subprocess.run(["umount", CHECKPOINTS], check=True)
    assert table.replace_schema_metadata().equals(world.wanted[SPARSE].replace_schema_metadata())
    assert f"the checkpoint {file_of(SPARSE)} cannot be written" in caplog.text
    assert "no space left on the disk" in caplog.text


def test_a_folder_that_cannot_be_made_is_a_warning(world, caplog):
    CHECKPOINTS.write_text("a file where the folder should be")
    try:
        assert run(world.settings[SPARSE]).drop("examples").num_rows == 1
    finally:
        CHECKPOINTS.unlink()
    assert f"the checkpoint {file_of(SPARSE)} cannot be written" in caplog.text


def test_the_last_checkpoint_that_could_be_written_stands(world):
    world.killed_at(SPARSE, 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))
    try:
        world.killed_at(SPARSE, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.name for file in CHECKPOINTS.rglob("*") if file.is_file()] == [file_of(SPARSE).name]
    world.finishes(SPARSE, world.items[SPARSE] - 3, resumed=1)


@pytest.mark.parametrize("text", [None, "", "inf"])
def test_short_cells_write_none(world, monkeypatch, text):
    monkeypatch.delenv(VARIABLE)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    monkeypatch.setattr(Checkpoint, "_write", lambda *_: pytest.fail("a checkpoint was written"))
    monkeypatch.setattr(Checkpoint, "_identity", lambda *_: pytest.fail("a digest was made for nothing"))
    world.finishes(SPARSE, world.items[SPARSE], resumed=0)
    assert (checkpoint.interval_s() == 300) == (text != "inf")


@pytest.mark.parametrize("text", ["5 minutes", "-1", "nan"])
def test_a_bad_interval_is_the_users_mistake(world, monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UserError, match=f"{VARIABLE}='{text}': should be a number of seconds from 0 up"):
        run(world.settings[SPARSE])


def test_half_a_checkpoint_goes_with_the_rest(world, monkeypatch):
    """What a process leaves that is killed while it writes, when no later one writes any."""
    world.killed_at(SPARSE, 5)
    half = file_of(SPARSE).with_name(f".{file_of(SPARSE).name}.k1ll3d.tmp")
    half.write_bytes(b"half")
    parts_of(half).mkdir()
    (parts_of(half) / ".tmpOfSafetensors").write_bytes(b"half")
    monkeypatch.setenv(VARIABLE, "inf")
    world.finishes(SPARSE, world.items[SPARSE] - 5, resumed=1)


def test_another_cells_checkpoint_stays(world):
    world.killed_at(TRAINED[2], 5)
    world.killed_at(SPARSE, 5)
    run(world.settings[SPARSE])
    assert [file for file in CHECKPOINTS.rglob("*") if file.is_file()] == [file_of(TRAINED[2])]
    world.finishes(TRAINED[2], world.items[TRAINED[2]] - 5, resumed=1)


def test_seconds_of_all_attempts_are_added_up(world):
    """What the checkpoint holds took 1,000 s."""
    world.killed_at(SPARSE, 9)
    tensors, facts = read_tensors(file_of(SPARSE), checkpoint.KIND)
    assert facts["wall_s"].keys() == {"load", "compress", "train", "score"}
    facts["wall_s"] = {"load": 1.0, "compress": 2.0, "train": 900.0, "score": 97.0}
    write_tensors(file_of(SPARSE), checkpoint.KIND, tensors, facts)
    wall_s = world.finishes(SPARSE, world.items[SPARSE] - 9, resumed=1)["wall_s"]
    assert 1 < wall_s["load"] < 101
    assert 900 <= wall_s["train"] < 1000
    assert 1000 < sum(wall_s.values()) < 1100


# --- real kills -------------------------------------------------------------------------------------------------------


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
