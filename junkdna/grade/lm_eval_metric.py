"""Which score of a task in a log of lm-evaluation-harness is compared."""

import math
from pathlib import Path
from typing import NamedTuple

from junkdna.errors import UserError, unknown_name
from junkdna.grade.answers import Reading
from junkdna.grade.lm_eval_rows import Row

PREFERRED = ("acc_norm", "acc", "exact_match")


class Chosen(NamedTuple):
    """A metric, the filter of its answers, and remarks on the choice."""

    metric: str
    filter: str
    notes: tuple[str, ...] = ()


def choose(rows: list[Row], reading: Reading, task: str, file: Path) -> Chosen | str:
    """The score of a task, or why it has none.

    The one that was asked for; else the first of `PREFERRED` that the log has, else the first one whose values are from
    0 to 1 for every question. Of several filters, the first in the file. Raises UserError for an unknown metric or
    filter, and if values of the chosen one are missing, NaN or outside 0 to 1.
    """
    filters = list(dict.fromkeys(row.filter for row in rows))
    asked, _, wanted_filter = _asked(reading, task, rows).partition(",")
    if wanted_filter and wanted_filter not in filters:
        raise unknown_name("filter", wanted_filter, filters, f"{file}: --metric")
    used = wanted_filter or filters[0]
    kept = [row for row in rows if row.filter == used]
    names = list(dict.fromkeys(name for row in kept for name in row.values))
    if asked:
        if asked not in names:
            raise unknown_name("metric", asked, names, f"{file}: --metric")
    elif not (asked := _default(kept, names)):
        return f"none of its metrics ({', '.join(names) or 'none'}) is a score from 0 to 1 of every question"
    _check_values(kept, asked, file)
    others = [name for name in filters if name != used] if not wanted_filter else []
    notes = (f"filter {used}; the log also has {', '.join(others)} (--metric {task}={asked},FILTER)",) if others else ()
    return Chosen(asked, used, notes)


def _asked(reading: Reading, task: str, rows: list[Row]) -> str:
    """The metric of this task, or the one for all tasks if this task has it."""
    for_all = reading.metrics.get("", "")
    logged = any(for_all.partition(",")[0] in row.values for row in rows)
    return reading.metrics.get(task, for_all if logged else "")


def _default(rows: list[Row], names: list[str]) -> str:
    candidates = [*(name for name in PREFERRED if name in names), *(name for name in names if name not in PREFERRED)]
    return next((name for name in candidates if all(_is_score(row.values.get(name)) for row in rows)), "")


def _is_score(value: float | None) -> bool:
    return value is not None and (math.isnan(value) or 0 <= value <= 1)


def _check_values(rows: list[Row], metric: str, file: Path) -> None:
    for row in rows:
        value = row.values.get(metric)
        if value is None or not 0 <= value <= 1:  # NaN is not
            shown = "no number" if value is None else f"{value:g}"
            raise UserError(
                f"{file}: line {row.line}: {metric} is {shown}, but the score of a question must lie in 0 to 1. "
                f"Choose another metric of the log ({', '.join(row.values)}): --metric TASK=METRIC."
            )
