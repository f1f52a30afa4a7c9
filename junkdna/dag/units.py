"""Durations and sizes in readable form, and sizes of files on disk."""

import os
from pathlib import Path


def span_text(seconds: float) -> str:
    """A duration: "40 s", "3 min", "2.5 h", "3.1 days"."""
    for unit, length, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * length:
            number = seconds / length
            return f"{number:.1f} {unit}" if unit == "h" and number < 10 else f"{number:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"


def bytes_text(size: float) -> str:
    """A size in decimal units: "870 kB", "3.1 MB", "331 MB", "1.2 GB"."""
    for unit, one in (("GB", 1e9), ("MB", 1e6)):
        if size >= one:
            number = size / one
            return f"{number:.1f} {unit}" if number < 10 else f"{number:,.0f} {unit}"
    return f"{size / 1e3:.0f} kB"


def size_of(path: str | Path) -> int | None:
    """Bytes on disk of a file, or of a folder with its contents; None if it does not exist. Links are not followed."""
    try:
        size = os.lstat(path).st_blocks * 512
        if os.path.isdir(path) and not os.path.islink(path):
            with os.scandir(path) as entries:
                size += sum(size_of(entry.path) or 0 for entry in entries)
        return size
    except OSError:
        return None
