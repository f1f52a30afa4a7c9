"""File systems that a test mounts."""

import subprocess
from pathlib import Path

import pytest


def mount(*options: str, at: Path) -> None:
    """Mount at a folder; skips the test where that is not allowed."""
    done = subprocess.run(["mount", *options, str(at)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
