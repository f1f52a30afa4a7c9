"""The rows of a JSON Lines file of any size, one at a time."""

import json
from collections.abc import Iterator
from pathlib import Path

from junkdna.data.text_files import text_lines
from junkdna.errors import UserError


def json_objects(path: Path) -> Iterator[tuple[int, dict]]:
    """(number of the line, its object), for each line that is not blank. NaN and Infinity are read as numbers.

    Raises UserError, naming the line, for one that is not a JSON object, and for a file without a line.
    """
    number = 0
    with path.open("rb") as file:
        for number, text in text_lines(file, str(path)):
            yield number, _object(text, number, path)
    if not number:
        raise UserError(f"{path} is empty: the run wrote no answer. Run it again, or leave the file out.")


def _object(text: str, number: int, path: Path) -> dict:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: line {number} is not JSON ({getattr(error, 'msg', 'nested too deeply')}). If it is the last "
            "line, the run was stopped while it wrote the file: run it again."
        ) from None
    if not isinstance(row, dict):
        raise UserError(f"{path}: line {number} is a {type(row).__name__}; every line must be a JSON object.")
    return row
