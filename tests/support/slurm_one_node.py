"""A real SLURM of one node in one folder: munged, slurmctld and slurmd, with GPUs that are links to /dev/null.

In tests, `OneNode` as a context manager. By hand, until Ctrl-C: `python tests/support/slurm_one_node.py
FOLDER`, which prints what another shell must export. Nothing here is for computing: memory, devices and cores are
booked, not enforced.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge")
PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue")
BUILT_IN = Path("/etc/slurm/slurm.conf")
"""Where SLURM's commands look without SLURM_CONF, which the plugin's jobs drop from their environment."""
SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG

CONFIG = """\
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/task-starts
TaskEpilog={folder}/task-ends
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
ReturnToService=2
KillWait=5
MinJobAge=3600
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=batch Nodes={host} Default=YES DefMemPerCPU=500 MaxTime=7-00:00:00 State=UP
"""
NOTE_TASK = """\
#!/bin/sh
echo "{what} $(date +%s.%N) $SLURM_JOB_ID ${{SLURM_STEP_ID:-batch}} ${{CUDA_VISIBLE_DEVICES-none}}" >>{folder}/tasks.log
"""


def why_not() -> str | None:
    """Why no SLURM can be started on this machine; None where it can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]
    if missing:
        packages = " ".join(PACKAGES)
        return f"{', '.join(missing)} not installed (Debian: apt-get install --no-install-recommends {packages})"
    if os.getuid() != 0:
        return "SLURM's daemons are started as root here, and this user is not root"
    _remove_stale_link()
    if os.path.lexists(BUILT_IN):
        return f"{BUILT_IN} is there already: a cluster's own, or another run of these tests"
    return None


def _remove_stale_link() -> None:
    """Remove the link that a killed run has left behind: one of ours whose slurmctld is gone."""
    if not BUILT_IN.is_symlink() or "onenode" not in BUILT_IN.readlink().parts[-2]:
        return
    pid_file = BUILT_IN.readlink().parent / "slurmctld.pid"
    with contextlib.suppress(OSError, ValueError):
        if Path(f"/proc/{int(pid_file.read_text())}/comm").read_text().strip() == "slurmctld":
            return
    BUILT_IN.unlink()


def _with_parent() -> None:
    """In a daemon, before it starts: the kernel ends it when the process that started it is gone, however it went."""
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGTERM)


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class OneNode:
    """Context manager that runs the daemons. `folder` must be empty or new, in a short path (a socket's: 100 letters).

    Its name must hold "onenode", by which a link that a killed run left behind is known. While it is entered,
    /etc/slurm/slurm.conf is a link to its settings. `environment` is what `sbatch` needs, `tasks()` what each task
    of each job saw. Raises RuntimeError with the daemons' last words if they do not come up.
    """

    def __init__(self, folder: Path, gpus: int = 4, cpus: int = 8, memory_mb: int = 400_000) -> None:
        assert "onenode" in folder.name
        self.folder = folder.resolve()
        self.host = socket.gethostname().split(".")[0]
        self.environment = {"SLURM_CONF": f"{self.folder}/slurm.conf"}
        self._asked = {"gpus": gpus, "cpus": cpus, "memory_mb": memory_mb}
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "OneNode":
        try:
            self._write_files()
            self._start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket",
                        f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munged.pid",
                        f"--seed-file={self.folder}/munge.seed", f"--log-file={self.folder}/munged.log")  # fmt: skip
            self._wait("munged", lambda: self.call("munge", "-n", "-S", f"{self.folder}/munge.socket").returncode == 0)
            self._start("slurmctld", "-D", "-f", f"{self.folder}/slurm.conf")
            self._wait("slurmctld", lambda: self.call("scontrol", "ping").returncode == 0)
            self._start("slurmd", "-D", "-f", f"{self.folder}/slurm.conf", "-N", self.host)
            self._wait("an idle node", lambda: self.call("sinfo", "-h", "-o", "%t").stdout.strip() == "idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if len(self._daemons) == 3:
            self.call("scancel", "--state=PENDING")
            self.call("scancel", "--state=RUNNING", "--signal=KILL", "--full")
            with contextlib.suppress(RuntimeError):
                self._wait("the last job's end", lambda: not self.call("squeue", "-h", "-t", "R,CG").stdout.strip())
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        if BUILT_IN.is_symlink() and BUILT_IN.readlink() == self.folder / "slurm.conf":
            BUILT_IN.unlink()

    def call(self, *command: str) -> subprocess.CompletedProcess:
        """Run one of SLURM's commands against this cluster; its output as text, its exit status unchecked."""
        return subprocess.run(
            command, env={**os.environ, **self.environment}, text=True, capture_output=True, timeout=60, check=False
        )

    def jobs(self, name: str | None = None) -> list[dict[str, str]]:
        """Every job that SLURM still knows (ended ones too), by id, as `scontrol show job` has it."""
        lines = self.call("scontrol", "show", "job", "-d", "-o").stdout.splitlines()
        found = [dict(pair.split("=", 1) for pair in line.split() if "=" in pair) for line in lines]
        found = [job for job in found if "JobId" in job and name in (None, job["JobName"])]
        return sorted(found, key=lambda job: int(job["JobId"]))

    def tasks(self) -> list[tuple[str, float, str, str, str]]:
        """A row a task's start and end: which, Unix time in s, job id, step id, CUDA_VISIBLE_DEVICES (or none)."""
        lines = (self.folder / "tasks.log").read_text().splitlines()
        return [(what, float(at), job, step, gpu) for what, at, job, step, gpu in map(str.split, lines)]

    def _write_files(self) -> None:
        for name in ("", "state", "spool", "gpu"):
            (self.folder / name).mkdir(mode=0o755, exist_ok=True)
        key = self.folder / "munge.key"
        key.touch(mode=0o400)
        key.write_bytes(os.urandom(1024))
        for index in range(self._asked["gpus"]):  # SLURM wants a character device, else it counts but names no GPU
            (self.folder / f"gpu/nvidia{index}").symlink_to("/dev/null")
        devices = f"{self.folder}/gpu/nvidia[0-{self._asked['gpus'] - 1}]"
        (self.folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={devices}\n")
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\nConstrainDevices=no\nConstrainRAMSpace=no\n")
        for what in ("starts", "ends"):
            script = self.folder / f"task-{what}"
            script.write_text(NOTE_TASK.format(what=what, folder=self.folder))
            script.chmod(0o755)
        controller_port, node_port = _free_ports(2)
        (self.folder / "slurm.conf").write_text(CONFIG.format(
            host=self.host, folder=self.folder, controller_port=controller_port, node_port=node_port, **self._asked,
        ))  # fmt: skip
        BUILT_IN.parent.mkdir(exist_ok=True)
        BUILT_IN.symlink_to(self.folder / "slurm.conf")  # fails if another run has just made its own

    def _start(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=SEARCH)
        with (self.folder / f"{name}.out").open("wb") as said:
            self._daemons.append(subprocess.Popen(
                [str(program), *arguments], env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, preexec_fn=_with_parent,
            ))  # fmt: skip

    def _wait(self, what: str, ready: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                said = [f"{file.name}: {file.read_text()[-1500:]}" for file in sorted(self.folder.glob("*.out"))]
                raise RuntimeError(f"{what} did not come within {seconds} s.\n" + "\n".join(said))
            time.sleep(0.2)


if __name__ == "__main__":
    reason = why_not()
    if reason or len(sys.argv) != 2:
        sys.exit(reason or __doc__)
    with OneNode(Path(sys.argv[1])) as cluster, contextlib.suppress(KeyboardInterrupt):
        sys.stdout.write("".join(f"export {name}={value}\n" for name, value in cluster.environment.items()))
        sys.stdout.flush()
        signal.pause()
