"""Asking other programs of the machine (nvidia-smi, squeue, pip) for something they know."""

import subprocess

LIMIT_S = 20


def answer_of(*command: str) -> str | None:
    """What a program writes to its standard output; None where it is not there, fails or takes longer than 20 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return None if done.returncode else done.stdout
