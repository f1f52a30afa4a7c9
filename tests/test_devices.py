import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from junkdna import devices
from junkdna.errors import UserError

WORKER = """
import os, sys, time
from pathlib import Path
from junkdna.devices import lease
with lease(1, Path(sys.argv[1])) as device:
    assert device == "cuda:0" and os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    start = time.monotonic()
    print("held", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(float(sys.argv[2]))
    print(os.environ["CUDA_VISIBLE_DEVICES"], start, time.monotonic(), flush=True)
"""


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # another test of this process may have started CUDA


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setenv(devices.FAKE, "0,1,2,3")


def worker(folder, hold_s, gpus="0,1,2,3"):
    environment = {**os.environ, devices.FAKE: gpus}
    command = [sys.executable, "-c", WORKER, str(folder), str(hold_s)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_no_device_is_held_twice_by_twelve_processes(tmp_path):
    workers = [worker(tmp_path, 0.3) for _ in range(12)]
    spans = [one.communicate(timeout=50)[0].splitlines()[-1].split() for one in workers]
    assert all(one.returncode == 0 for one in workers)
    for device in "0123":
        held = sorted((float(start), float(end)) for name, start, end in spans if name == device)
        assert held, f"device {device} was never used"
        assert all(before[1] <= after[0] for before, after in pairwise(held))
    assert len(list(tmp_path.glob("gpu-*.lock"))) == 4, "lock files stay"


def test_killed_holder_frees_its_lease(tmp_path):
    holder = worker(tmp_path, 60, gpus="0")
    assert holder.stdout.readline() == "held 0\n"
    waiter = worker(tmp_path, 0, gpus="0")
    time.sleep(0.5)
    assert waiter.poll() is None, "the device was given out twice"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert waiter.communicate(timeout=20)[0].startswith("held 0")


@pytest.mark.parametrize(
    ("visible", "count"),
    [(None, 4), ("", 0), ("-1", 0), ("1,3", 2), ("2,-1,3", 1), ("9", 0), ("GPU-8f1c,MIG-2b/1/0", 2), ("1,1", 1)],
)
def test_gpu_count_follows_cuda_visible_devices(monkeypatch, fake, visible, count):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.gpu_count() == count


def test_gpu_count_never_raises(monkeypatch, tmp_path):
    monkeypatch.delenv(devices.FAKE, raising=False)
    monkeypatch.setattr(devices.os, "listdir", lambda _: [])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.gpu_count() == 0
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: X (UUID: GPU-1)'\necho '  MIG 1g: (UUID: MIG-1)'\necho 'GPU 1: X'\n")
    tool.chmod(0o755)
    assert devices.gpu_count() == 2
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert devices.gpu_count() == 0


def test_lease_maps_through_what_is_visible_and_puts_it_back(monkeypatch, fake, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,MIG-GPU-2b/1/0")
    with devices.lease(1, tmp_path) as device:
        assert (device, os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "3")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,MIG-GPU-2b/1/0")
        with devices.lease(1, tmp_path):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-GPU-2b/1/0"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,MIG-GPU-2b/1/0"
    with devices.lease(2, tmp_path):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,MIG-GPU-2b/1/0"


def test_lease_is_freed_when_the_block_raises(fake, tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), devices.lease(4, tmp_path):
            raise KeyError
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_cpu_without_gpus_or_without_asking(monkeypatch, tmp_path):
    monkeypatch.setenv(devices.FAKE, "")
    with devices.lease(1, tmp_path) as device:
        assert device == "cpu"
    monkeypatch.setenv(devices.FAKE, "0")
    with devices.lease(0, tmp_path) as device:
        assert device == "cpu"
    assert not list(tmp_path.iterdir())


def test_slurm_has_chosen_already(monkeypatch, fake, tmp_path):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with devices.lease(1, tmp_path) as device:
        assert (device, os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "2")
    assert not list(tmp_path.iterdir())


def test_more_than_there_are_is_an_error(fake, tmp_path):
    with pytest.raises(UserError, match="gpus=5 asked for, but only 4 visible"), devices.lease(5, tmp_path):
        pass
    with pytest.raises(UserError, match="0 or more"), devices.lease(-1, tmp_path):
        pass


def test_default_folder_is_private_and_must_be_ours(monkeypatch, tmp_path):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = devices._user_folder()
    assert folder.name == f"junkdna-{os.getuid()}"
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="someone else"):
        devices._user_folder()


def test_devices_imports_no_torch():
    code = "import sys, junkdna.devices as d; d.gpu_count(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
