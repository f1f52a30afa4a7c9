"""Folders of the checkout that tests read, and how processes that tests start import them."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SUPPORT = ROOT / "tests" / "support"


def python_path(*first: Path) -> str:
    """PYTHONPATH of a process that looks into these folders first, and then where this one does."""
    return os.pathsep.join([*map(str, first), *filter(None, [os.environ.get("PYTHONPATH")])])
