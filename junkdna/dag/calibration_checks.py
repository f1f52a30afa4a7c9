"""Checks the calibrations of a study before any job starts: does the model read samples that long, and are there enough
texts?"""

import math
from collections.abc import Iterator
from contextlib import suppress

from junkdna.dag.cell_work import limits_of, parquet_rows, readable
from junkdna.errors import UserError
from junkdna.storage.globs import local_folder, matching
from junkdna.study.calibration import Calibration
from junkdna.study.compress_settings import calibration_of
from junkdna.study.grid import all_cells, stored
from junkdna.study.study import Resolved


def calibration_problems(resolved: Resolved) -> Iterator[str]:
    """One line for each calibration with more `context_tokens` than its model reads, or more `samples` than texts.

    It checks models on this machine only. The limits of a task and the rows of local Parquet files bound the texts,
    except with `windows: joined`, where one text can give several samples. Blank and short texts are not seen here; the
    job that draws the samples finds them.
    """
    cells = [cell for cell in stored(all_cells(resolved)) if cell.compression.calibrated]
    for model, name in dict.fromkeys((cell.model, calibration_of(cell.compression)) for cell in cells):
        tokens, most = resolved.study.calibrations[name].context_tokens, readable(model, resolved)
        if tokens > most:
            yield (
                f"calibrations.{name}: context_tokens is {tokens}, but the model {model} reads at most {most} tokens. "
                f"Lower it to {most} or less"
            )
    for name in dict.fromkeys(calibration_of(cell.compression) for cell in cells):
        calibration = resolved.study.calibrations[name]
        texts = math.inf if calibration.windows == "joined" else _texts(calibration, resolved)
        if calibration.samples > texts:
            yield (
                f"calibrations.{name}: samples is {calibration.samples}, but there are at most {texts} texts "
                f"(windows: {calibration.windows}). Lower it, raise the limit of the task, or name more texts"
            )


def _texts(calibration: Calibration, resolved: Resolved) -> float:
    """The most texts that a calibration can have: the limits of its task, or the rows of its local Parquet files;
    infinite if neither is known. A file of examples does not count, because it may be of other settings."""
    if calibration.task is not None:
        return min(limits_of(calibration.task, calibration.role, resolved), default=math.inf)
    if calibration.local is not None:
        with suppress(OSError, UserError):  # `source_checks` reports a missing folder
            return parquet_rows(matching(local_folder(calibration.local), calibration.path)) or math.inf
    return math.inf
