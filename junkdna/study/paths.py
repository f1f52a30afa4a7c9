"""Where the files of a study stand, and what their metadata is called."""

from pathlib import Path

CHECKPOINTS = Path("results/checkpoints")

CELLS = "results/cells"
TOKENS = "results/tokens"
MODELS = "results/models"
SOURCES = "results/sources"
COMPRESSED = "results/compressed"
CALIBRATION = "results/calibration"
EXAMPLES = "results/examples"
FOOTER_KEY = b"junkdna"  # where a cell file's footer holds its provenance
REPORT = "compression_report"  # the column of a cell file with what each matrix got, as JSON


def wheel_path(wheel: str) -> str:
    """Where a fetched wheel stands, by its name on the package index."""
    return f"{SOURCES}/{wheel}.whl"


BATCHES = Path("results/batches")
