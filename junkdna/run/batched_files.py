"""Files of batched cells (`run.batches`): their paths, and how a cell's own job takes its file.

Imports little: in a study with stacks most jobs only move a file, and a Python process that imports the settings of a
study takes three times as long to start.
"""

import json
import logging
from pathlib import Path

from junkdna.storage.fingerprint import digest
from junkdna.study.paths import BATCHES, CELLS

log = logging.getLogger(__name__)


def path_of(fingerprint: str) -> Path:
    """Path of the file of a cell whose settings have this fingerprint."""
    return BATCHES / f"{fingerprint}.parquet"


def take_over(fingerprint: str, output: Path) -> bool:
    """Move a batched cell to its final path and repeat its log here; False if there is none."""
    file = path_of(fingerprint)
    if not file.is_file():
        return False
    output.parent.mkdir(parents=True, exist_ok=True)
    file.replace(output)
    log_text = file.with_suffix(".log")
    if log_text.is_file():
        log.info("computed by the job of another cell, with this log:\n%s", log_text.read_text().rstrip())
        log_text.unlink()
    return True


def take_over_as_written(settings: str, output: Path) -> bool:
    """`take_over` for settings as the rule of cells writes them, whose digest is their fingerprint.

    False if there is no such file, for settings that are written in another way (their fingerprint is another one), in
    a file, or of another cell: the job reads them then and explains what is wrong.
    """
    fingerprint = digest(settings)
    if not path_of(fingerprint).is_file() or str(output) != f"{CELLS}/{json.loads(settings)['cell']}.parquet":
        return False
    return take_over(fingerprint, output)
