"""The days on which cells were computed, as the table of cells records them in its footer (`storage.table_record`).

A cell file has no date in it, and the date of the file itself is lost when it is copied. So the days are read from the
files when they are joined, which is where they were made, and are kept with the table.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from junkdna.study.paths import CELLS

Days = list[list]  # runs of cells in the order of the table: [day as YYYY-MM-DD, number of cells]


def days_of_files(keys: Iterable[str]) -> Days:
    """The days (UTC) of the files of some cells, below the working directory; "" for a file that is gone."""
    days = (_day(Path(f"{CELLS}/{key}.parquet")) for key in keys)
    return [[day, len([*group])] for day, group in groupby(days)]


def _day(path: Path) -> str:
    try:
        return f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d}"
    except OSError:  # an active run is replacing it
        return ""


def day_of_each(record: Mapping, keys: Iterable[str]) -> dict[str, str]:
    """Key of a cell -> its day, from the record of the table with these cells; empty if it records none."""
    days = [day for day, n in record.get("days", ()) for _ in range(n)]
    return dict(zip(keys, days, strict=True)) if days else {}
