"""Which device a process computes on: a GPU leased to it, alone or with a stated number of others, or the CPU."""

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
"""Names of devices to pretend, comma-separated. For tests of the leases: torch does not see them."""
LOCKS = "JUNKDNA_LOCKS"
"""Folder of the lock files, where the usual one in /tmp will not do. All jobs of a machine need the same one."""
TEMPORARY = Path("/tmp")
DRIVER = Path("/proc/driver/nvidia")
POLL_S = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """A GPU or a MIG slice: its name in CUDA_VISIBLE_DEVICES, and that of its lock."""

    name: str
    lock: str


# --- what there is ----------------------------------------------------------------------------------------------------


def gpu_count() -> int:
    """How many NVIDIA GPUs (or MIG slices) this process may use: the machine's, cut down by CUDA_VISIBLE_DEVICES.

    Never raises and imports no torch, so it says 1 also where torch was built without CUDA or the driver is broken.
    """
    return len(_visible())


def _visible() -> list[Device]:
    """The usable devices. An index or a UUID of a GPU that is cut into MIG slices means all of these."""
    names = [name.strip() for name in os.environ[VISIBLE].split(",")] if VISIBLE in os.environ else None
    gpus = _gpus(slices=names is None or not all(name.startswith("MIG-") for name in names))
    found: dict[str, Device] = {}
    for name in names if names is not None and gpus else map(str, range(len(gpus))):
        named = {device.lock: device for device in _named(name, gpus)}
        if not named or named.keys() & found.keys():
            break  # as CUDA does: what follows a wrong name does not count
        found |= named
    return list(found.values())


def _named(name: str, gpus: list[tuple[str, list[str]]]) -> list[Device]:
    """The devices that a name means. One that no GPU has is taken as given where it looks like a UUID."""
    cut = any(slices for _, slices in gpus)  # beside slices it is not clear what an index means to CUDA
    for index, (uuid, slices) in enumerate(gpus):
        if name == str(index) or (name.startswith("GPU-") and uuid.startswith(name)):  # CUDA takes shortened UUIDs
            return [Device(each, each) for each in slices] or [Device(uuid if cut else name, uuid or name)]
    return [Device(name, name)] if name.startswith(("GPU-", "MIG-")) else []


def _gpus(slices: bool) -> list[tuple[str, list[str]]]:
    """(UUID or "", UUIDs of its MIG slices) of every GPU by index, without a subprocess on usual machines and without
    `slices`."""
    if FAKE in os.environ:
        count = len([name for name in os.environ[FAKE].split(",") if name.strip()])
        return [("", [])] * count
    try:
        count = sum(bool(re.fullmatch(r"nvidia[0-9]+", name)) for name in os.listdir("/dev"))
    except OSError:
        count = 0
    cut = slices and any(DRIVER.glob("capabilities/gpu*/mig/gi*"))
    listed = _listed() if cut or not count else []  # no /dev/nvidia0: none, or WSL
    if cut and not any(inner for _, inner in listed):
        log.warning("MIG is on and nvidia-smi -L names no slice: one job at a time on each GPU's first slice")
    listed = listed or [(uuid, []) for uuid in _uuids()]
    return listed if len(listed) == (count or len(listed)) else [("", [])] * count


def _uuids() -> list[str]:
    """UUIDs of the GPUs by PCI address, which is the order of indices; "" for one that the driver does not say."""
    files = sorted(DRIVER.glob("gpus/*/information"))
    found = [re.search(r"GPU UUID:\s*(GPU-[0-9a-f-]+)\s", file.read_text(errors="replace")) for file in files]
    return [match[1] if match else "" for match in found]


def _listed() -> list[tuple[str, list[str]]]:
    """(UUID, UUIDs of its MIG slices) of every GPU that `nvidia-smi -L` lists; nothing where it does not run."""
    blocks = re.split(r"^GPU ", output_of("nvidia-smi", "-L") or "", flags=re.MULTILINE)[1:]
    uuids = [re.findall(r"\(UUID: (\S+)\)", block) for block in blocks]
    return [(found[0] if found else "", found[1:]) for found in uuids]


# --- who has it -------------------------------------------------------------------------------------------------------


@contextmanager
def lease(gpus: int, cells_per_gpu: int = 1, folder: Path | None = None) -> Iterator[str]:
    """Hold `gpus` GPUs (0 or more) while the block runs, each shared with at most `cells_per_gpu` - 1 other leases;
    yields "cuda:0" or "cpu".

    Enter it in the process that does the work, before torch touches CUDA, and not inside another lease.
    With 0, or where there is no GPU, nothing is held: "cpu". Else it waits until that many of the visible devices have
    room, takes those with the fewest leases, and sets CUDA_VISIBLE_DEVICES to them (and CUDA_DEVICE_ORDER) until the
    block ends. Inside a SLURM job that sees no more GPUs than asked for, the scheduler has chosen already and nothing
    is leased; one that sees more (a whole node for one Snakemake) leases among its own.

    `folder` holds the lock files, by default a node-local one of this user; the kernel frees a lock when its holder
    dies, however it dies. All jobs of a machine should say the same `cells_per_gpu`: a lease with 1 is alone even so,
    and with 2 and 3, say, a GPU has at most 3.

    Raises UserError for more GPUs than are visible or a lock folder of another user. Does not see processes
    that take no lease, nor other users' leases.
    """
    if gpus < 0:
        raise UserError(f"gpus={gpus}: the number of GPUs to lease must be 0 or more.")
    assert cells_per_gpu >= 1
    devices = _visible() if gpus else []
    if not devices:
        if gpus:
            log.warning("%d GPU(s) asked for and none visible: computing on the CPU", gpus)
        yield "cpu"
        return
    torch = sys.modules.get("torch")
    assert torch is None or not torch.cuda.is_initialized(), "lease a GPU before torch touches CUDA"
    if len(devices) < gpus:
        names = ", ".join(device.name for device in devices)
        raise UserError(f"gpus={gpus} asked for, but only {len(devices)} visible ({names}).")
    if "SLURM_JOB_ID" in os.environ and len(devices) == gpus:
        yield "cuda:0"
        return
    held = _wait(devices, gpus, cells_per_gpu, folder or _user_folder())
    try:
        names = ",".join(device.name for device in held)
        with _environment({VISIBLE: names, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}):
            yield "cuda:0"
    finally:
        for handles in held.values():
            _close(handles)


def _user_folder() -> Path:
    """The folder of this user's locks on this machine; inside a SLURM job one of that job, whose devices may be
    numbered anew. TMPDIR does not count: it differs between sessions, and these must meet in one folder."""
    if LOCKS in os.environ:
        folder = Path(os.environ[LOCKS])
    else:
        place = TEMPORARY if os.access(TEMPORARY, os.W_OK) else Path(tempfile.gettempdir())
        folder = place / f"junkdna-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
            raise UserError(f"{folder} belongs to someone else; set {LOCKS} to a folder of your own on this machine.")
    job = os.environ.get("SLURM_JOB_ID")
    return folder / f"slurm-{job}" if job else folder


def _wait(devices: list[Device], gpus: int, cells_per_gpu: int, folder: Path) -> dict[Device, list[int]]:
    """Device -> its open locks, for `gpus` devices at once: all or none, so that two waiters never block each other."""
    folder.mkdir(parents=True, exist_ok=True)
    waited = False
    while not (held := _take(devices, gpus, cells_per_gpu, folder)):
        if not waited:
            names = ", ".join(device.name for device in devices)
            log.info("waiting for %d of the GPUs %s; `fuser -v %s/*.lock` names who holds them", gpus, names, folder)
        waited = True
        time.sleep(POLL_S * (0.75 + 0.5 * (os.getpid() % 97) / 97))
    return held


def _take(devices: list[Device], gpus: int, cells_per_gpu: int, folder: Path) -> dict[Device, list[int]]:
    """The open locks of the `gpus` devices with most room, or nothing where too few have any. One process at a time:
    else two that look at once would each take the other's look for a lease."""
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
        kept = 1 if cells_per_gpu == 1 else 2  # the GPU's own lock and one place on it
        return {device: [room[device].pop(0) for _ in range(kept)] for device in chosen}
    finally:
        for handles in room.values():
            _close(handles)
        os.close(turn)


def _room(device: Device, cells_per_gpu: int, folder: Path) -> list[int]:
    """Open locks: the GPU's own (held alone, or together by those that share) and each free place; [] if none is."""
    import fcntl

    name = f"gpu-{re.sub(r'[^A-Za-z0-9_-]', '_', device.lock)}"
    shared = cells_per_gpu > 1
    own = _try_lock(folder / f"{name}.lock", fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    if own is None or not shared:
        return [] if own is None else [own]
    tried = [_try_lock(folder / f"{name}-{place}.lock", fcntl.LOCK_EX) for place in range(cells_per_gpu)]
    places = [handle for handle in tried if handle is not None]
    if not places:
        os.close(own)
    return [own, *places] if places else []


def _try_lock(path: Path, how: int) -> int | None:
    """Open handle that holds the lock file, or None when another process holds it. The file is never removed."""
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        os.utime(handle)  # cleaners of /tmp go by age
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
