"""Packages that transformers imports where it finds them, although a job uses nothing of them.

Without torch, transformers loads configurations and tokenizers only, and these give the same ids; importing torch takes
longer than tokenizing most tasks.
"""

import os
import sys

FEATURES = ("scipy", "sklearn")  # of features of models that no cell uses
UNUSED = {"tokenize": ("torch", *FEATURES), "calibration": ("torch", *FEATURES), "cell": FEATURES}
"""Command of a job -> packages that are hidden from it."""
NO_ADVICE = "TRANSFORMERS_NO_ADVISORY_WARNINGS"  # of transformers: its advice to install torch is its only one


def hide_unused(command: str) -> None:
    """Hide the packages that a job does not use, for the rest of the process. Packages that are imported stay."""
    unused = UNUSED.get(command, ())
    for package in unused:
        sys.modules.setdefault(package, None)
    if "torch" in unused:
        os.environ.setdefault(NO_ADVICE, "1")
