"""System commands (nvidia-smi, squeue, pip) and their output, and the age of this process."""

import os
import subprocess
import time
from pathlib import Path

LIMIT_S = 20


def output_of(*command: str) -> str | None:
    """Standard output of a command; None if it is not installed, fails or takes longer than 20 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return None if done.returncode else done.stdout


def age_s() -> float:
    """Seconds since this process started; 0 where the system does not say (without /proc)."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
