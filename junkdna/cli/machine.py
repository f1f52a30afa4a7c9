"""Checks of this machine: packages, GPUs, SLURM, folders. They import nothing heavy and change nothing.

Each check is (good, text); the text of a failed check contains the fix.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from junkdna.run import gpus as run_gpus
from junkdna.run.process import output_of
from junkdna.storage.fingerprint import PACKAGE
from junkdna.storage.study_commands import StudyCommands

Check = tuple[bool, str]
CONSTRAINTS = PACKAGE.parent / "constraints.txt"
SLURM_PROFILE = Path("workflow/profiles/slurm")


def packages() -> Iterator[Check]:
    """Checks that the required packages are installed and recent enough; names versions not in constraints.txt."""
    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(text) for text in requires("junkdna") or []]
    except PackageNotFoundError:
        yield False, "junkdna is importable but not installed: pip install -e . (or `make install`)"
        return
    specifiers = {each.name: each.specifier for each in requirements if each.marker is None}
    installed = {name: _version(name) for name in specifiers}
    missing = sorted(name for name, number in installed.items() if number is None)
    old = [
        f"{name} {number} ({specifiers[name]})"
        for name, number in installed.items()
        if number and number not in specifiers[name]
    ]
    if missing:
        yield False, f"packages missing: {', '.join(missing)}; run `make install`"
    if old:
        yield False, f"packages too old: {', '.join(old)}; run `make install`"
    if not missing and not old:
        pins = _pins()
        other = [
            f"{name} {number} (not {pins[name]})"
            for name, number in installed.items()
            if name in pins
            and number.partition("+")[0] != pins[name].partition("+")[0]  # without builds such as +cu130
        ]
        note = f"; not the versions of constraints.txt: {', '.join(other)}; last digits may differ" if other else ""
        yield True, f"Python {sys.version.split()[0]}, all packages installed{note}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _pins() -> dict[str, str]:
    """Pinned versions by package; empty if the package has no constraints.txt next to it."""
    try:
        text = CONSTRAINTS.read_text(encoding="utf-8")
    except OSError:
        return {}
    return {name.lower(): pin for name, pin in re.findall(r"^([\w.-]+)==([^\s;]+)", text, flags=re.MULTILINE)}


def gpus(cells_per_gpu: int, commands: StudyCommands) -> Iterator[Check]:
    """Checks the NVIDIA GPUs, their driver, and that torch has CUDA."""
    count = run_gpus.gpu_count()
    if not count:
        yield True, "GPUs: none visible; cells run on the CPU"
        return
    listed = output_of("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if listed is None and run_gpus.FAKE not in os.environ:
        yield False, f"GPUs: {count} visible, but `nvidia-smi` fails: install or fix the NVIDIA driver"
    else:
        names = sorted({line.strip() for line in (listed or "").splitlines()})
        command = commands.snakemake("--cores", "all", "--resources", f"gpu={count * cells_per_gpu}")
        yield True, f"GPUs: {count} ({'; '.join(names) or 'names unknown'}); use `{command}`"
    if torch_cuda() is None:
        fix = "pip install --force-reinstall torch from an index with CUDA builds (on Linux, the default index)"
        yield False, f"torch {_version('torch')} is built without CUDA and cannot use the GPUs: {fix}"


def torch_cuda() -> str | None:
    """The CUDA version of the installed torch, without importing it; None without torch or without CUDA."""
    spec = find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    try:
        text = (Path(spec.submodule_search_locations[0]) / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r"^cuda\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", text, flags=re.MULTILINE)
    return match[1] if match else None


def slurm(commands: StudyCommands) -> Iterator[Check]:
    """Checks that jobs can be submitted from this machine if it belongs to a SLURM cluster."""
    if shutil.which("sbatch") is None:
        yield True, "SLURM: not installed (no sbatch)"
        return
    if output_of("squeue", "--noheader", "--states", "RUNNING") is None:
        yield False, "SLURM: sbatch exists, but `squeue` fails: this machine cannot reach the controller"
        return
    if find_spec("snakemake_executor_plugin_slurm") is None:
        yield False, 'SLURM: the Snakemake plugin is missing: pip install -e ".[slurm]"'
    yield True, f"SLURM: use `{commands.snakemake('--workflow-profile', str(SLURM_PROFILE))}`"
    yield _accounting()
    partitions = output_of("sinfo", "--noheader", "--format", "%P|%G|%l|%m") or ""
    rows = [line.split("|") for line in partitions.splitlines() if line.count("|") == 3]
    with_gpus = [f"{name} ({gres}, up to {limit})" for name, gres, limit, _ in rows if "gpu" in gres]
    named = ", ".join(name for name, *_ in rows)
    yield True, f"SLURM partitions with GPUs: {', '.join(with_gpus) or f'none (partitions: {named})'}"


def _accounting() -> Check:
    if output_of("sacct", "--noheader", "--allocations") is not None:
        return True, "SLURM accounting: on"
    try:
        profile = (SLURM_PROFILE / "config.yaml").read_text(encoding="utf-8")
    except OSError:
        profile = ""
    if re.search(r"^slurm-status-command:\s*squeue", profile, flags=re.MULTILINE):
        return True, "SLURM accounting: off; the profile uses squeue"
    return False, (
        f"SLURM accounting is off: add the line `slurm-status-command: squeue` to {SLURM_PROFILE}/config.yaml, or "
        "Snakemake waits forever for finished jobs"
    )


def writable(folder: Path) -> Check:
    """Checks that files can be created in a folder, or in its first existing parent."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".doctor."):
            return True, f"{folder}/ is writable"
    except OSError as error:
        return False, f"{existing} is not writable ({error.strerror}): change its permissions, or use another folder"
