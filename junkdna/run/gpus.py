"""The device of a process: a leased GPU, exclusive or shared with a limited number of processes, or the CPU."""

import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from junkdna.errors import UserError
from junkdna.run.process import output_of

VISIBLE = "CUDA_VISIBLE_DEVICES"
FAKE = "JUNKDNA_FAKE_GPUS"
"""Comma-separated names of simulated devices, for tests of leases; torch does not see them."""
LOCKS = "JUNKDNA_LOCKS"
"""Folder of the lock files, if the default in /tmp does not work. All jobs on a machine must use the same one."""
TEMPORARY = Path("/tmp")
DRIVER = Path("/proc/driver/nvidia")
POLL_S = 0.2
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
REPEATABLE = ":4096:8"
"""Fixed workspaces (8 of 4 MiB) of cuBLAS: without them, torch refuses deterministic training in some versions."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """A GPU or a MIG slice: its name in CUDA_VISIBLE_DEVICES and the name of its lock."""

    name: str
    lock: str


# --- devices ----------------------------------------------------------------------------------------------------------


def gpu_count() -> int:
    """Number of NVIDIA GPUs (or MIG slices) of this machine that CUDA_VISIBLE_DEVICES allows.

    Never raises. Does not import torch, so it also counts GPUs that torch cannot use (no CUDA build, broken driver).
    """
    return len(_visible())


def _visible() -> list[Device]:
    """The usable devices. An index or UUID of a GPU with MIG slices selects all its slices."""
    names = [name.strip() for name in os.environ[VISIBLE].split(",")] if VISIBLE in os.environ else None
    gpus = _gpus(slices=names is None or not all(name.startswith("MIG-") for name in names))
    devices: dict[str, Device] = {}
    for name in names if names is not None and gpus else map(str, range(len(gpus))):
        selected = {device.lock: device for device in _named(name, gpus)}
        if not selected or selected.keys() & devices.keys():
            break  # CUDA ignores all names after an invalid one, too
        devices |= selected
    return list(devices.values())


def _named(name: str, gpus: list[tuple[str, list[str]]]) -> list[Device]:
    """The devices with this name. Unknown names are kept if they look like a UUID."""
    has_slices = any(slices for _, slices in gpus)  # with slices, the meaning of an index in CUDA is not clear
    for index, (uuid, slices) in enumerate(gpus):
        if name == str(index) or (name.startswith("GPU-") and uuid.startswith(name)):  # CUDA takes shortened UUIDs
            return [Device(each, each) for each in slices] or [Device(uuid if has_slices else name, uuid or name)]
    return [Device(name, name)] if name.startswith(("GPU-", "MIG-")) else []


def _gpus(slices: bool) -> list[tuple[str, list[str]]]:
    """(UUID or "", UUIDs of its MIG slices) of every GPU by index. Runs nvidia-smi only if `slices` are needed and
    MIG is on, or if /dev lists no GPU."""
    if FAKE in os.environ:
        count = len([name for name in os.environ[FAKE].split(",") if name.strip()])
        return [("", [])] * count
    try:
        count = sum(bool(re.fullmatch(r"nvidia[0-9]+", name)) for name in os.listdir("/dev"))
    except OSError:
        count = 0
    mig = slices and any(DRIVER.glob("capabilities/gpu*/mig/gi*"))
    listed = _listed() if mig or not count else []  # without /dev/nvidia0 there is no GPU, or this is WSL
    if mig and not any(uuids for _, uuids in listed):
        log.warning("MIG is on, but nvidia-smi -L lists no slice: one job at a time on the first slice of each GPU")
    listed = listed or [(uuid, []) for uuid in _uuids()]
    return listed if len(listed) == (count or len(listed)) else [("", [])] * count


def _uuids() -> list[str]:
    """UUIDs of the GPUs by PCI address, which is the order of indices; "" if the driver does not report it."""
    files = sorted(DRIVER.glob("gpus/*/information"))
    matches = [re.search(r"GPU UUID:\s*(GPU-[0-9a-f-]+)\s", file.read_text(errors="replace")) for file in files]
    return [match[1] if match else "" for match in matches]


def _listed() -> list[tuple[str, list[str]]]:
    """(UUID, UUIDs of its MIG slices) of every GPU in `nvidia-smi -L`; empty if that fails."""
    blocks = re.split(r"^GPU ", output_of("nvidia-smi", "-L") or "", flags=re.MULTILINE)[1:]
    uuids = [re.findall(r"\(UUID: (\S+)\)", block) for block in blocks]
    return [(ids[0] if ids else "", ids[1:]) for ids in uuids]


# --- leases -----------------------------------------------------------------------------------------------------------


@contextmanager
def lease(gpus: int, cells_per_gpu: int = 1, folder: Path | None = None) -> Iterator[str]:
    """Lease `gpus` GPUs (0 or more) while the block runs, each shared with at most `cells_per_gpu` - 1 other leases;
    yields "cuda:0" or "cpu".

    Enter it in the process that uses the GPU, before torch initializes CUDA, and not inside another lease. With 0, or
    without GPUs, it leases nothing and yields "cpu". Otherwise it waits until enough visible devices have room, takes
    those with the fewest leases, and sets CUDA_VISIBLE_DEVICES (and CUDA_DEVICE_ORDER) to them until the block ends.
    With a GPU, CUBLAS_WORKSPACE_CONFIG is ":4096:8" meanwhile, unless the environment sets it.
    Inside a SLURM job with exactly `gpus` GPUs, the scheduler has already chosen and nothing is leased; inside one with
    more GPUs (one Snakemake on a full node), it leases some of them.

    `folder` contains the lock files; the default is a local folder of this user. The kernel releases the locks of a
    process that dies. All jobs on a machine should use the same `cells_per_gpu`: a lease with 1 is always exclusive,
    and leases with 2 and 3, for example, share a GPU among at most 3.

    Raises UserError if fewer GPUs are visible or the lock folder belongs to another user. Ignores processes without a
    lease, and leases of other users.
    """
    if gpus < 0:
        raise UserError(f"gpus={gpus}: the number of GPUs must be 0 or more.")
    assert cells_per_gpu >= 1
    devices = _visible() if gpus else []
    if not devices:
        if gpus:
            log.warning("%d GPU(s) requested, but none visible: computing on the CPU", gpus)
        yield "cpu"
        return
    torch = sys.modules.get("torch")
    assert torch is None or not torch.cuda.is_initialized(), "lease a GPU before torch initializes CUDA"
    if len(devices) < gpus:
        names = ", ".join(device.name for device in devices)
        raise UserError(f"gpus={gpus}, but only {len(devices)} visible ({names}). Lower gpus, or check {VISIBLE}.")
    workspace = {WORKSPACE: os.environ.get(WORKSPACE) or REPEATABLE}
    if "SLURM_JOB_ID" in os.environ and len(devices) == gpus:
        with _environment(workspace):
            yield "cuda:0"
        return
    held = _wait(devices, gpus, cells_per_gpu, folder or _user_folder())
    try:
        names = ",".join(device.name for device in held)
        with _environment({VISIBLE: names, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", **workspace}):
            yield "cuda:0"
    finally:
        for handles in held.values():
            _close(handles)


def _user_folder() -> Path:
    """The lock folder of this user on this machine; inside a SLURM job, one for that job, because it may number its
    devices differently. Ignores TMPDIR, which may differ between sessions that must share one folder."""
    if LOCKS in os.environ:
        folder = Path(os.environ[LOCKS])
    else:
        parent = TEMPORARY if os.access(TEMPORARY, os.W_OK) else Path(tempfile.gettempdir())
        folder = parent / f"junkdna-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
            raise UserError(f"{folder} belongs to another user. Set {LOCKS} to your own folder on this machine.")
    job = os.environ.get("SLURM_JOB_ID")
    return folder / f"slurm-{job}" if job else folder


def _wait(devices: list[Device], gpus: int, cells_per_gpu: int, folder: Path) -> dict[Device, list[int]]:
    """Wait for `gpus` devices and return device -> its open locks. Takes all or none, so waiters never deadlock."""
    folder.mkdir(parents=True, exist_ok=True)
    waited = False
    while not (held := _take(devices, gpus, cells_per_gpu, folder)):
        if not waited:
            names = ", ".join(device.name for device in devices)
            log.info("waiting for %d of the GPUs %s; `fuser -v %s/*.lock` shows their processes", gpus, names, folder)
        waited = True
        time.sleep(POLL_S * (0.75 + 0.5 * (os.getpid() % 97) / 97))
    return held


def _take(devices: list[Device], gpus: int, cells_per_gpu: int, folder: Path) -> dict[Device, list[int]]:
    """The open locks of the `gpus` devices with the most room; empty if too few have any.

    Only one process at a time runs this: otherwise two processes would mistake each other's attempts for leases.
    """
    import fcntl

    turn = os.open(folder / "turn.lock", os.O_RDWR | os.O_CREAT, 0o600)
    room: dict[Device, list[int]] = {}
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for device in devices:
            room[device] = _room(device, cells_per_gpu, folder)
        chosen = sorted((device for device in devices if room[device]), key=lambda device: -len(room[device]))[:gpus]
        if len(chosen) < gpus:
            return {}
        kept = 1 if cells_per_gpu == 1 else 2  # the lock of the GPU, and one of its slots
        return {device: [room[device].pop(0) for _ in range(kept)] for device in chosen}
    finally:
        for handles in room.values():
            _close(handles)
        os.close(turn)


def _room(device: Device, cells_per_gpu: int, folder: Path) -> list[int]:
    """Open locks of a GPU: its own (exclusive, or shared by leases) and those of its free slots; [] if it is full."""
    import fcntl

    name = f"gpu-{re.sub(r'[^A-Za-z0-9_-]', '_', device.lock)}"
    shared = cells_per_gpu > 1
    lock = _try_lock(folder / f"{name}.lock", fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    if lock is None or not shared:
        return [] if lock is None else [lock]
    tried = [_try_lock(folder / f"{name}-{slot}.lock", fcntl.LOCK_EX) for slot in range(cells_per_gpu)]
    slots = [handle for handle in tried if handle is not None]
    if not slots:
        os.close(lock)
    return [lock, *slots] if slots else []


def _try_lock(path: Path, mode: int) -> int | None:
    """An open handle of the locked file, or None if another process has locked it. The file is never removed."""
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
        os.utime(handle)  # so that cleaners of /tmp keep it
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def _close(handles: list[int]) -> None:
    for handle in handles:
        os.close(handle)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values.keys() - before.keys():
            os.environ.pop(name, None)
        os.environ.update(before)
