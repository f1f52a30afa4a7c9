"""Cells in a toy world that a test interrupts, each with the table of a run that nothing disturbed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from junkdna.cli import jobs as cli_jobs
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.paths import CHECKPOINTS

MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")
TRAINED = [f"tiny/mood/plain/{'dense' if mode == 'dense' else 'magnitude-0.5'}/{mode}/default/seed-0" for mode in MODES]
SPARSE = TRAINED[1]
SCORED = [
    "tiny/hues/options=2/magnitude-0.5/none/default/seed-0",  # bi-encoder: options, then questions
    "tiny/hues/plain/magnitude-0.5/sparse/cross/seed-0",  # trained, pairs
    "llm/hues/shots=2/magnitude-0.5/none/letters/seed-0",  # packs behind one header
    "llm/hues/options=2/magnitude-0.5/none/default/seed-0",
    "llm/named/plain/magnitude-0.5/none/default/seed-0",  # written text
]
CELLS = [*TRAINED, *SCORED]


class Killed(Exception):
    """Stands for a kill inside this process."""


@dataclass
class World:
    """Each cell's settings, its table from an undisturbed run, and the items of its loops, one after the other."""

    settings: dict[str, CellSettings] = field(default_factory=dict)
    wanted: dict[str, pa.Table] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)

    def killed_at(self, key: str, item: int) -> None:
        """Run the cell until the item of that number (from 0) is to begin."""
        numbers = count()

        def bar(items: list) -> Iterator:
            for each in items:
                if next(numbers) == item:
                    raise Killed
                yield each

        with pytest.raises(Killed):
            run(self.settings[key], bar)

    def finishes(self, key: str, items: int, resumed: int) -> dict:
        """The footer of a run that makes that many items and leaves the undisturbed run's table, and nothing else."""
        seen: list = []
        table = run(self.settings[key], lambda batches: seen.extend(batches) or batches)
        assert table.replace_schema_metadata().equals(self.wanted[key].replace_schema_metadata())
        footer = json.loads(table.schema.metadata[b"junkdna"])
        assert (len(seen), footer["resumed"]) == (items, resumed)
        assert not CHECKPOINTS.exists()
        return footer


def run(settings: CellSettings, bar=iter) -> pa.Table:
    """Run a cell as its job does; returns its table and deletes its file, so the next run recomputes it."""
    path = Path(parse_cell_path(settings.cell).path)
    cli_jobs.cell(path, settings, gpus=0, threads=1, bar=bar)
    table = pq.read_table(path)
    path.unlink()
    return table


def file_of(key: str) -> Path:
    return CHECKPOINTS / f"{key}.safetensors"
