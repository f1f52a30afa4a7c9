"""What this machine offers to a run: packages, GPUs, SLURM, disk. Looks, loads nothing heavy, changes nothing.

Every check gives (good, text): the text of a bad one says what to do.
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
from junkdna.run.process import answer_of
from junkdna.storage.fingerprint import PACKAGE
from junkdna.storage.study_commands import Given

Check = tuple[bool, str]
CONSTRAINTS = PACKAGE.parent / "constraints.txt"
SLURM_PROFILE = Path("workflow/profiles/slurm")


def packages() -> Iterator[Check]:
    """Python and the packages that the project asks for, against what it asks and against constraints.txt."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in requires("junkdna") or []]
    except PackageNotFoundError:
        yield False, "junkdna is not installed, only found: pip install -e . (or `make install`)"
        return
    found = {each.name: _version(each.name) for each in wanted if each.marker is None}
    missing = sorted(name for name, have in found.items() if have is None)
    asked = {each.name: each.specifier for each in wanted}
    old = [f"{name} {have} ({asked[name]})" for name, have in found.items() if have and have not in asked[name]]
    if missing:
        yield False, f"packages missing: {', '.join(missing)}; run `make install`"
    if old:
        yield False, f"packages too old: {', '.join(old)}; run `make install`"
    if not missing and not old:
        pins = _pins()
        other = [f"{name} {have} for {pins[name]}" for name, have in found.items() if _differs(have, pins.get(name))]
        note = f", not those of constraints.txt: {', '.join(other)} (last digits may differ)" if other else ""
        yield True, f"Python {sys.version.split()[0]}, packages: all found{note}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _pins() -> dict[str, str]:
    """Pinned versions by package; none where the file is not beside the package."""
    try:
        lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {found[1].lower(): found[2] for line in lines if (found := re.match(r"([A-Za-z0-9_.-]+)==([^\s;]+)", line))}


def _differs(have: str, pinned: str | None) -> bool:
    """Whether two versions differ beyond how they were built ("2.13.0+cu130" is 2.13.0)."""
    return pinned is not None and have.partition("+")[0] != pinned.partition("+")[0]


def gpus(cells_per_gpu: int, given: Given) -> Iterator[Check]:
    """NVIDIA GPUs, their driver, and whether torch was built to use them."""
    count = run_gpus.gpu_count()
    if not count:
        yield True, "GPUs: none seen; cells run on the CPU"
        return
    said = answer_of("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if said is None and run_gpus.FAKE not in os.environ:
        yield False, f"GPUs: {count} seen, but `nvidia-smi` does not answer: the NVIDIA driver is missing or broken"
    else:
        names = sorted({line.strip() for line in (said or "").splitlines()})
        at_once = count * cells_per_gpu
        how = f"use `{given.snakemake('--cores', 'all', '--resources', f'gpu={at_once}')}`"
        yield True, f"GPUs: {count} ({'; '.join(names) or 'names unknown'}); {how}"
    if torch_cuda() is None:
        yield (
            False,
            (
                f"torch {_version('torch')} is built without CUDA and cannot use the GPUs: pip install "
                "--force-reinstall torch from an index with CUDA builds (the default one of Linux has them)"
            ),
        )


def torch_cuda() -> str | None:
    """The CUDA version that torch was built with, without importing it; None for a build without, and without torch."""
    spec = find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    try:
        text = (Path(spec.submodule_search_locations[0]) / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^cuda\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", text, flags=re.MULTILINE)
    return found[1] if found else None


def slurm(given: Given) -> Iterator[Check]:
    """Whether this is a machine of a SLURM cluster, and whether jobs could be sent from it as they should."""
    if shutil.which("sbatch") is None:
        yield True, "SLURM: none here (no sbatch)"
        return
    if answer_of("squeue", "--noheader", "--states", "RUNNING") is None:
        yield False, "SLURM: sbatch is here, but `squeue` does not answer: this machine does not reach the controller"
        return
    if find_spec("snakemake_executor_plugin_slurm") is None:
        yield False, 'SLURM: Snakemake lacks its plugin: pip install -e ".[slurm]"'
    yield True, f"SLURM: use `{given.snakemake('--workflow-profile', str(SLURM_PROFILE))}`"
    yield _accounting()
    shown = answer_of("sinfo", "--noheader", "--format", "%P|%G|%l|%m") or ""
    rows = [line.split("|") for line in shown.splitlines() if line.count("|") == 3]
    with_gpus = [f"{name} ({gres}, up to {limit})" for name, gres, limit, _ in rows if "gpu" in gres]
    named = ", ".join(name for name, *_ in rows)
    yield True, f"SLURM partitions with GPUs: {', '.join(with_gpus) or f'none (partitions: {named})'}"


def _accounting() -> Check:
    if answer_of("sacct", "--noheader", "--allocations") is not None:
        return True, "SLURM accounting: on"
    try:
        profile = (SLURM_PROFILE / "config.yaml").read_text(encoding="utf-8")
    except OSError:
        profile = ""
    if re.search(r"^slurm-status-command:\s*squeue", profile, flags=re.MULTILINE):
        return True, "SLURM accounting: off, and the profile asks squeue"
    return False, (
        f"SLURM accounting is off: put the line `slurm-status-command: squeue` into {SLURM_PROFILE}/config.yaml, or "
        "Snakemake waits for ever for jobs that are over"
    )


def writable(folder: Path) -> Check:
    """Whether files can be made in a folder, or where it would be made."""
    place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor."):
            return True, f"{folder}/ can be written"
    except OSError as error:
        return False, f"{place} cannot be written ({error.strerror}): change its owner or rights, or run elsewhere"
