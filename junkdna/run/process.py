"""Runs a system command (nvidia-smi, squeue, pip) and returns its output."""

import subprocess

LIMIT_S = 20


def output_of(*command: str) -> str | None:
    """Standard output of a command; None if it is not installed, fails or takes longer than 20 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return None if done.returncode else done.stdout
