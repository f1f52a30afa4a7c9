"""Cells whose checkpoints cannot be, or need not be, written."""

import logging
import resource
import subprocess

import pytest
from checkpoint_world import SPARSE, TRAINED, file_of, run
from mounts import mount

from junkdna.errors import UserError
from junkdna.run import checkpoint
from junkdna.run.checkpoint import VARIABLE, Checkpoint
from junkdna.storage.atomic import scratch_folder
from junkdna.storage.tensors import read_tensors, write_tensors
from junkdna.study.paths import CHECKPOINTS


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
    monkeypatch.setattr(Checkpoint, "_identity", property(lambda _: pytest.fail("a digest was made")))
    world.finishes(SPARSE, world.items[SPARSE], resumed=0)
    assert (checkpoint.interval_s() == 300) == (text != "inf")


@pytest.mark.parametrize("text", ["5 minutes", "-1", "nan"])
def test_a_bad_interval_is_the_users_mistake(world, monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UserError, match=f"{VARIABLE}='{text}': must be a number of seconds, 0 or more"):
        run(world.settings[SPARSE])


def test_half_a_checkpoint_goes_with_the_rest(world, monkeypatch):
    """What a process leaves that is killed while it writes, when no later one writes any."""
    world.killed_at(SPARSE, 5)
    half = file_of(SPARSE).with_name(f".{file_of(SPARSE).name}.k1ll3d.tmp")
    half.write_bytes(b"half")
    scratch_folder(half).mkdir()
    (scratch_folder(half) / ".tmpOfSafetensors").write_bytes(b"half")
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
    assert facts["wall_s"].keys() == {"start", "load", "compress", "train", "score"}
    facts["wall_s"] = {"load": 1.0, "compress": 2.0, "train": 900.0, "score": 97.0}
    write_tensors(file_of(SPARSE), checkpoint.KIND, tensors, facts)
    wall_s = world.finishes(SPARSE, world.items[SPARSE] - 9, resumed=1)["wall_s"]
    assert 1 < wall_s["load"] < 101
    assert 900 <= wall_s["train"] < 1000
    assert 1000 < sum(wall_s.values()) < 1100
