"""The line with which every benchmark says what it ran on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine(*packages: str, gpu: str = "") -> str:
    """Processor and cores, or the name of the `gpu` in their place, the load, Python, and versions of packages.

    The load (processes that wanted to run in the last minute) tells whether a machine also did other work.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    where = gpu or f"{_processor()}, {cores} cores"
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    return f"{where}, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
