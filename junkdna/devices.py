"""Which device a process computes on: one GPU leased to it alone, or the CPU."""

import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from junkdna.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
FAKE = "JUNKDNA_FAKE_GPUS"
"""Names of devices to pretend, comma-separated. For tests of the leases: torch does not see them."""
POLL_S = 0.2

log = logging.getLogger(__name__)


def gpu_count() -> int:
    """How many NVIDIA GPUs (or MIG slices) this process may use: the machine's, cut down by CUDA_VISIBLE_DEVICES.

    Never raises and imports no torch, so it says 1 also where torch was built without CUDA or the driver is broken.
    """
    return len(_visible())


def _visible() -> list[str]:
    """Names of usable devices, as CUDA_VISIBLE_DEVICES would name them: indices, UUIDs or MIG names."""
    machine = _machine()
    given = os.environ.get(VISIBLE)
    if given is None or not machine:
        return machine
    names: list[str] = []
    for name in (part.strip() for part in given.split(",")):
        legal = name in machine if name.isdigit() else name.startswith(("GPU-", "MIG-")) or name in machine
        if not legal or name in names:  # as CUDA does: what follows a wrong name does not count
            break
        names.append(name)
    return names


def _machine() -> list[str]:
    if FAKE in os.environ:
        return [name.strip() for name in os.environ[FAKE].split(",") if name.strip()]
    try:
        count = sum(bool(re.fullmatch(r"nvidia[0-9]+", name)) for name in os.listdir("/dev"))
    except OSError:
        count = 0
    return [str(index) for index in range(count or _count_by_tool())]


def _count_by_tool() -> int:
    """GPUs that `nvidia-smi -L` lists: for systems without /dev/nvidia0 (WSL)."""
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines()) if said.returncode == 0 else 0


@contextmanager
def lease(gpus: int, folder: Path | None = None) -> Iterator[str]:
    """Hold `gpus` GPUs (0 or more) for this process alone while the block runs; yields "cuda:0" or "cpu".

    Enter it in the process that does the work, before torch touches CUDA, and not inside another lease.
    With 0, or where there is no GPU, nothing is held: "cpu". Inside a SLURM job the scheduler has chosen already:
    CUDA_VISIBLE_DEVICES stays as given. Else it waits for that many unlocked devices among those visible, then sets
    CUDA_VISIBLE_DEVICES to them (and CUDA_DEVICE_ORDER) until the block ends. `folder` holds one lock file a
    device, by default a node-local one of this user; the kernel frees a lock when its holder dies, however it dies.

    Raises UserError for more GPUs than are visible or a lock folder of another user. Does not see processes
    that take no lease, other users' leases, nor that an index and a UUID may name one device.
    """
    if gpus < 0:
        raise UserError(f"gpus={gpus}: the number of GPUs to lease must be 0 or more.")
    devices = _visible() if gpus else []
    if not devices:
        if gpus:
            log.warning("%d GPU(s) asked for and none visible: computing on the CPU", gpus)
        yield "cpu"
        return
    torch = sys.modules.get("torch")
    assert torch is None or not torch.cuda.is_initialized(), "lease a GPU before torch touches CUDA"
    if len(devices) < gpus:
        raise UserError(f"gpus={gpus} asked for, but only {len(devices)} visible ({', '.join(devices)}).")
    if "SLURM_JOB_ID" in os.environ:
        yield "cuda:0"
        return
    held = _wait(devices, gpus, folder or _user_folder())
    try:
        with _environment({VISIBLE: ",".join(held), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}):
            yield "cuda:0"
    finally:
        for handle in held.values():
            os.close(handle)


def _user_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"junkdna-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
        raise UserError(f"{folder} belongs to someone else; set TMPDIR to a folder of your own on this machine's disk.")
    return folder


def _wait(devices: list[str], gpus: int, folder: Path) -> dict[str, int]:
    """Device -> open lock, for `gpus` devices at once: all or none, so that two waiters never block each other."""
    folder.mkdir(parents=True, exist_ok=True)
    waited = False
    while True:
        held: dict[str, int] = {}
        for name in devices:
            handle = _try_lock(folder / f"gpu-{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.lock")
            if handle is not None:
                held[name] = handle
            if len(held) == gpus:
                return held
        for handle in held.values():
            os.close(handle)
        if not waited:
            log.info("waiting for %d of the GPUs %s (locks in %s)", gpus, ", ".join(devices), folder)
        waited = True
        time.sleep(POLL_S * (0.75 + 0.5 * (os.getpid() % 97) / 97))


def _try_lock(path: Path) -> int | None:
    """Open handle that holds the lock file, or None when another process holds it. The file is never removed."""
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
