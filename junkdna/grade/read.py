"""Reads a log of any known format: lm-evaluation-harness or a plain table."""

import json
from pathlib import Path

from junkdna.errors import UserError
from junkdna.grade.answers import Log, Reading
from junkdna.grade.lm_eval import read_lm_eval
from junkdna.grade.plain_table import SUFFIXES, read_table


def read_log(path: Path, reading: Reading) -> Log:
    """The answers in a folder or a file. Raises UserError, naming the file, the rule and the fix, for any fault."""
    return read_lm_eval(path, reading) if path.is_dir() or _is_lm_eval(path) else read_table(path, reading)


def _is_lm_eval(path: Path) -> bool:
    """Whether a file has the rows that lm-eval logs. Raises UserError for a file of an unknown kind."""
    if path.suffix not in SUFFIXES:
        hint = " It is a file of aggregated results; give its folder." if path.suffix == ".json" else ""
        raise UserError(
            f"{path}: unknown kind of file {path.suffix or 'without a suffix'!r}.{hint} Valid: samples_*.jsonl of "
            f"lm-eval (run with --log_samples), or a table ({', '.join(SUFFIXES)})."
        )
    if path.suffix != ".jsonl":
        return False
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        row = json.loads(first)
    except ValueError:
        return path.name.startswith("samples_")
    return isinstance(row, dict) and {"doc_id", "resps"} <= row.keys()
