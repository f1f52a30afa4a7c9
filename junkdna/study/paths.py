"""Paths of the files of a study, and names in their metadata."""

from pathlib import Path

CHECKPOINTS = Path("results/checkpoints")
BATCHES = Path("results/batches")
CELLS = "results/cells"
TOKENS = "results/tokens"
MODELS = "results/models"
SOURCES = "results/sources"
COMPRESSED = "results/compressed"
CALIBRATION = "results/calibration"
EXAMPLES = "results/examples"
FOOTER_KEY = b"junkdna"  # of the provenance in the footer of a cell's file
# what the cells of a study are analyzed into, as Parquet and as CSV. The rule adds tables that are made from these:
# this file is part of the code of every cell, so a new name here would run all cells again.
TABLES = ("drops", "claims", "behavior", "difficulty")
REPORT = "compression_report"  # column of a cell's file: the compression of each matrix, as JSON


def wheel_path(wheel: str) -> str:
    """Path of a downloaded wheel, by its name on the package index."""
    return f"{SOURCES}/{wheel}.whl"
