"""A task's examples from one of its sources, by the stage that a study runs."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from junkdna.cli import jobs
from junkdna.study import source_settings
from junkdna.study.load import resolve
from junkdna.study.source_settings import ExampleSettings, data_files_digest

SCORED = {"method": "magnitude", "sparsity": 0.5}


def example_settings(name: str, role: str, kind: str, **entry: object) -> ExampleSettings:
    """Settings of the stage for task `name` in `role` (train, evaluate, shots) from its source `kind`; `entry` is
    what a study says of the task beside it."""
    study = {
        "study": "real", "models": {"m": {"kind": "encoder", "local": "m"}},
        "tasks": {name: {"source": kind, **entry}, "sciq": None},
        "experiments": {"e": {"title": "", "models": ["m"], "tasks": ["sciq"], "compressions": [SCORED]}},
    }  # fmt: skip
    return source_settings.example_settings(name, role, resolve(study, "study"))


def examples(settings: ExampleSettings, output: Path, place: Path | None = None) -> list[dict]:
    """Rows of the stage's file, written below the folder `output`; `place` stands in for the source's Hub data set."""
    if place is not None:
        source = replace(settings.source, hub=str(place))
        digest = data_files_digest(source, settings.splits.values())
        settings = replace(settings, source=replace(source, files_sha256=digest))
    file = output / f"{settings.task}_{settings.role}.parquet"
    jobs.examples(file, settings)
    return pq.read_table(file).to_pylist()
