import os
import random
import signal
import subprocess
import sys
import time

import pytest

from junkdna.errors import UserError
from junkdna.run import gpus as run_gpus

WORKER = """
import os, sys, time
from pathlib import Path
from junkdna.run.gpus import lease
with lease(1, int(sys.argv[3]), Path(sys.argv[1])) as device:
    assert device == "cuda:0" and os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    start = time.monotonic()
    print("held", os.environ["CUDA_VISIBLE_DEVICES"], start, flush=True)
    time.sleep(float(sys.argv[2]))
    print("done", os.environ["CUDA_VISIBLE_DEVICES"], time.monotonic(), flush=True)
"""


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "JUNKDNA_LOCKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # another test of this process may have started CUDA


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setenv(run_gpus.FAKE, "0,1,2,3")


def worker(folder, hold_s, gpus="0,1,2,3", per_gpu=1):
    environment = {**os.environ, run_gpus.FAKE: gpus}
    command = [sys.executable, "-c", WORKER, str(folder), str(hold_s), str(per_gpu)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def most_at_once(spans):
    """The largest number of (start, end) that overlap; one may begin at the very moment when another ends."""
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    held, most = 0, 0
    for _, step in steps:
        held += step
        most = max(most, held)
    return most


# --- real processes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_gpu", [1, 3])
def test_no_device_is_held_more_often_than_it_may_be_under_fifty_processes(tmp_path, per_gpu):
    """Some are killed, waiting or holding; whoever holds counts until the moment before the kill."""
    draw = random.Random(per_gpu)
    workers = [worker(tmp_path, 0.25 if per_gpu == 1 else 1.0, per_gpu=per_gpu) for _ in range(50)]
    killed = {}
    for one in draw.sample(workers, 12):
        time.sleep(0.1)
        before = time.monotonic()
        if one.poll() is None:
            one.send_signal(signal.SIGKILL)
            killed[one.pid] = before
    spans = {name: [] for name in "0123"}
    for one in workers:
        lines = [line.split() for line in one.communicate(timeout=60)[0].splitlines()]
        assert one.returncode == 0 or one.pid in killed
        if lines:
            end = float(lines[1][2]) if len(lines) == 2 else killed[one.pid]
            spans[lines[0][1]].append((float(lines[0][2]), end))
    assert len(killed) >= 6
    assert sum(map(len, spans.values())) >= 38
    for name, held in spans.items():
        assert most_at_once(held) <= per_gpu, name
        assert len(held) > 2, f"device {name} was hardly used"
    if per_gpu > 1:
        assert max(map(most_at_once, spans.values())) == per_gpu, "no device was ever full: this proves little"
    with run_gpus.lease(0), pytest.MonkeyPatch.context() as patch:  # all are free again
        patch.setenv(run_gpus.FAKE, "0,1,2,3")
        with run_gpus.lease(4, 1, tmp_path):
            pass


def test_killed_holder_frees_its_lease_and_a_killed_waiter_takes_nothing(tmp_path):
    holder = worker(tmp_path, 60, gpus="0")
    assert holder.stdout.readline().startswith("held 0")
    waiters = [worker(tmp_path, 0, gpus="0") for _ in range(3)]
    time.sleep(0.8)
    assert all(one.poll() is None for one in waiters), "the device was given out twice"
    for one in waiters[:2]:
        one.send_signal(signal.SIGKILL)
        one.wait()
    files = {file.name: file.stat().st_ino for file in tmp_path.iterdir()}
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert waiters[2].communicate(timeout=20)[0].startswith("held 0")
    assert {file.name: file.stat().st_ino for file in tmp_path.iterdir()} == files, "lock files stay as they are"
    assert "gpu-0.lock" in files


def test_an_exclusive_lease_excludes_shared_leases(tmp_path):
    alone = worker(tmp_path, 60, gpus="0")
    assert alone.stdout.readline().startswith("held")
    sharing = [worker(tmp_path, 60, gpus="0", per_gpu=2) for _ in range(2)]
    time.sleep(0.8)
    assert all(one.poll() is None for one in sharing)
    alone.kill()
    alone.communicate()
    held = [float(one.stdout.readline().split()[2]) for one in sharing]
    next_alone = worker(tmp_path, 0, gpus="0")
    time.sleep(0.5)
    ended = time.monotonic()
    for one in sharing:
        one.kill()
        one.communicate()
    assert max(held) < ended < float(next_alone.communicate(timeout=20)[0].split()[2])


# --- which device -----------------------------------------------------------------------------------------------------


def take(folder, per_gpu, gpus=1):
    return run_gpus._take(run_gpus._visible(), gpus, per_gpu, folder)


def names(held):
    return [device.name for device in held]


def test_leases_fill_devices_evenly_and_never_beyond_their_number(fake, tmp_path):
    held = [take(tmp_path, 3) for _ in range(12)]
    assert [names(each) for each in held] == [[name] for name in "0123"] * 3
    assert take(tmp_path, 3) == {}
    for k in (2, 6, 5):  # two on device 2, one on device 1
        for handles in held[k].values():
            run_gpus._close(handles)
    again = [take(tmp_path, 3) for _ in range(4)]
    assert [names(each) for each in again] == [["2"], ["1"], ["2"], []]
    for handles in [handles for each in held[:2] + held[3:5] + held[7:] + again for handles in each.values()]:
        run_gpus._close(handles)
    both = take(tmp_path, 1, gpus=4)
    assert names(both) == list("0123")


def test_with_different_numbers_a_device_has_at_most_the_largest(monkeypatch, tmp_path):
    monkeypatch.setenv(run_gpus.FAKE, "0")
    held = [take(tmp_path, 2), take(tmp_path, 3), take(tmp_path, 3)]
    assert all(held)
    assert not take(tmp_path, 2)
    assert not take(tmp_path, 3)
    assert not take(tmp_path, 1)


@pytest.mark.parametrize(
    ("visible", "count"),
    [(None, 4), ("", 0), ("-1", 0), ("1,3", 2), ("2,-1,3", 1), ("9", 0), ("GPU-8f1c,MIG-2b/1/0", 2), ("1,1", 1)],
)
def test_gpu_count_follows_cuda_visible_devices(monkeypatch, fake, visible, count):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert run_gpus.gpu_count() == count


def stand_in(monkeypatch, folder, text):
    """An nvidia-smi on PATH that prints `text` and counts its calls; the function returned says how many."""
    tool = folder / "nvidia-smi"
    (folder / "said").write_text(text)
    tool.write_text(f'#!/bin/sh\n[ "$*" = -L ] || exit 2\necho . >> {folder}/calls\ncat {folder}/said\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv(run_gpus.FAKE, raising=False)
    calls = folder / "calls"
    return lambda: len(calls.read_text().split()) if calls.exists() else 0


def driver(monkeypatch, folder, uuids, slices=()):
    """The files that an NVIDIA driver shows: /dev/nvidiaN, one folder a PCI address, MIG's capabilities."""
    monkeypatch.setattr(run_gpus, "DRIVER", folder / "proc")
    monkeypatch.setattr(
        run_gpus.os, "listdir", lambda _: ["null", "nvidiactl", *(f"nvidia{k}" for k in range(len(uuids)))]
    )
    for k, uuid in enumerate(uuids):
        place = folder / f"proc/gpus/0000:{k * 16 + 7:02x}:00.0"
        place.mkdir(parents=True)
        (place / "information").write_text(
            f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 91\nGPU UUID: \t {uuid}\nVideo BIOS: \t 96.00\n"
        )
    for slice_ in slices:
        (folder / "proc/capabilities" / slice_).mkdir(parents=True)


def test_without_mig_no_tool_runs_and_an_index_and_its_uuid_share_one_lock(monkeypatch, tmp_path):
    calls = stand_in(monkeypatch, tmp_path, "GPU 0: X (UUID: GPU-0)\n")
    driver(monkeypatch, tmp_path, ["GPU-aaaa-1", "GPU-bbbb-2"], slices=["mig/config", "gpu0"])
    plain = run_gpus._visible()
    assert [(each.name, each.lock) for each in plain] == [("0", "GPU-aaaa-1"), ("1", "GPU-bbbb-2")]
    for given, found in {
        "1": [("1", "GPU-bbbb-2")],
        "GPU-bbbb-2,0": [("GPU-bbbb-2", "GPU-bbbb-2"), ("0", "GPU-aaaa-1")],
        "GPU-b": [("GPU-b", "GPU-bbbb-2")],
        "0,GPU-a,1": [("0", "GPU-aaaa-1")],
        "GPU-c,0": [("GPU-c", "GPU-c"), ("0", "GPU-aaaa-1")],  # names that look like UUIDs are taken as given
        "7,0": [],
    }.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
        assert [(each.name, each.lock) for each in run_gpus._visible()] == found, given
    assert calls() == 0


def test_a_driver_that_hides_uuids_leaves_the_indices(monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path, "")
    driver(monkeypatch, tmp_path, ["GPU-????????-????-????-????-????????????"])
    assert [(each.name, each.lock) for each in run_gpus._visible()] == [("0", "0")]


# As NVIDIA's MIG User Guide prints it. Not tried on a card with MIG.
MIG = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1g.5gb      Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-0e8f5ddf-1de4-4be4-9e0a-3d0f0b5ae7a1)
"""
SLICES = ["MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"]
WHOLE = "GPU-0e8f5ddf-1de4-4be4-9e0a-3d0f0b5ae7a1"
CUT = ["gpu0/mig/gi1/ci0", "gpu0/mig/gi2/ci0"]


@pytest.mark.parametrize(
    ("given", "found", "runs"),
    [
        (None, [*SLICES, WHOLE], 1),
        ("0", SLICES, 1),
        ("GPU-5d5ba0d6", SLICES, 1),
        ("1", [WHOLE], 1),
        (SLICES[1], [SLICES[1]], 0),
        (f"{SLICES[1]},MIG-GPU-2b/1/0", [SLICES[1], "MIG-GPU-2b/1/0"], 0),
        (f"{WHOLE},{SLICES[0]}", [WHOLE, SLICES[0]], 1),
    ],
)
def test_with_mig_on_slices_are_the_devices(monkeypatch, tmp_path, given, found, runs):
    calls = stand_in(monkeypatch, tmp_path, MIG)
    uuids = ["GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", WHOLE]
    driver(monkeypatch, tmp_path, uuids, slices=CUT)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    seen = run_gpus._visible()
    assert [each.lock for each in seen] == found
    assert [each.name for each in seen] == found  # by UUID: beside slices it is not clear what an index means to CUDA
    assert calls() == runs
    with run_gpus.lease(1, 1, tmp_path / "locks"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == seen[0].name


def test_each_mig_slice_that_is_named_is_leased_by_one_job_at_a_time(monkeypatch, tmp_path):
    driver(monkeypatch, tmp_path, ["GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"], slices=CUT)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(SLICES))
    assert run_gpus.gpu_count() == 2
    (tmp_path / "locks").mkdir()
    held = [take(tmp_path / "locks", 1) for _ in range(3)]
    assert [names(each) for each in held] == [[SLICES[0]], [SLICES[1]], []]
    for handles in [handles for each in held for handles in each.values()]:
        run_gpus._close(handles)
    monkeypatch.setattr(run_gpus.os, "listdir", lambda _: [])  # no GPU on this machine: the variable names nothing
    monkeypatch.setattr(run_gpus, "DRIVER", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_gpus.gpu_count() == 0


def test_mig_without_a_working_tool_leaves_one_job_a_gpu(monkeypatch, tmp_path, caplog):
    stand_in(monkeypatch, tmp_path, "No devices were found")
    driver(monkeypatch, tmp_path, ["GPU-a", "GPU-b"], slices=CUT)
    assert names(run_gpus._visible()) == ["0", "1"]
    assert "lists no slice" in caplog.text


def test_gpu_count_never_raises(monkeypatch, tmp_path):
    monkeypatch.delenv(run_gpus.FAKE, raising=False)
    monkeypatch.setattr(run_gpus.os, "listdir", lambda _: [])
    monkeypatch.setattr(run_gpus, "DRIVER", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_gpus.gpu_count() == 0
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: X (UUID: GPU-1)'\necho 'GPU 1: X'\n")
    tool.chmod(0o755)
    assert [each.lock for each in run_gpus._visible()] == ["GPU-1", "1"]
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert run_gpus.gpu_count() == 0


# --- what a lease does to its process ---------------------------------------------------------------------------------


def test_lease_uses_the_visible_devices_and_restores_the_variable(monkeypatch, fake, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,MIG-GPU-2b/1/0")
    with run_gpus.lease(1, 1, tmp_path) as device:
        assert (device, os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "3")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,MIG-GPU-2b/1/0")
        with run_gpus.lease(1, 1, tmp_path):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-GPU-2b/1/0"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,MIG-GPU-2b/1/0"
    with run_gpus.lease(2, 2, tmp_path):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,MIG-GPU-2b/1/0"


@pytest.mark.parametrize("per_gpu", [1, 2])
def test_lease_is_freed_when_the_block_raises(fake, tmp_path, per_gpu):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(4):
        with pytest.raises(KeyError), run_gpus.lease(4, per_gpu, tmp_path):
            raise KeyError
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert len(os.listdir("/proc/self/fd")) == before


def test_cpu_without_gpus_or_without_asking(monkeypatch, tmp_path):
    monkeypatch.setenv(run_gpus.FAKE, "")
    with run_gpus.lease(1, 1, tmp_path) as device:
        assert device == "cpu"
    monkeypatch.setenv(run_gpus.FAKE, "0")
    with run_gpus.lease(0, 1, tmp_path) as device:
        assert device == "cpu"
    assert not list(tmp_path.iterdir())


def test_slurm_has_chosen_already(monkeypatch, fake, tmp_path):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with run_gpus.lease(1, 1, tmp_path) as device:
        assert (device, os.environ["CUDA_VISIBLE_DEVICES"]) == ("cuda:0", "2")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("slurm", [False, True])
@pytest.mark.parametrize(("given", "found"), [(None, ":4096:8"), ("", ":4096:8"), (":16:8", ":16:8")])
def test_cublas_gets_fixed_workspaces_unless_the_user_sets_them(monkeypatch, fake, tmp_path, slurm, given, found):
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv(name, given)
    if slurm:
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with run_gpus.lease(1, 1, tmp_path):
        assert os.environ[name] == found
    assert os.environ.get(name) == given
    with run_gpus.lease(0, 1, tmp_path):
        assert os.environ.get(name) == given


def test_a_slurm_job_with_a_full_node_leases_among_its_gpus(monkeypatch, fake, tmp_path):
    """One sbatch, and a Snakemake in it: else all its cells would compute on the first GPU."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv(run_gpus.LOCKS, str(tmp_path))
    with run_gpus.lease(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        with run_gpus.lease(1):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert [file.name for file in tmp_path.iterdir()] == ["slurm-7"]


def test_more_than_there_are_is_an_error(fake, tmp_path):
    with pytest.raises(UserError, match="gpus=5, but only 4 visible"), run_gpus.lease(5, 1, tmp_path):
        pass
    with pytest.raises(UserError, match="0 or more"), run_gpus.lease(-1, 1, tmp_path):
        pass


def test_default_folder_is_private_must_be_ours_and_does_not_follow_tmpdir(monkeypatch, tmp_path):
    monkeypatch.setattr(run_gpus, "TEMPORARY", tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "session"))
    folder = run_gpus._user_folder()
    assert folder == tmp_path / f"junkdna-{os.getuid()}"
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="belongs to another user"):
        run_gpus._user_folder()


def test_devices_imports_no_torch():
    code = "import sys, junkdna.run.gpus as d; d.gpu_count(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
