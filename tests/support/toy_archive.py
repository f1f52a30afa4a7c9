"""A toy study with every kind of answer and a published difficulty, to be archived."""

import contextlib
import json
import shutil
from pathlib import Path

import polars as pl
import toy
import toy_run

from junkdna.analysis.collect import collect_done
from junkdna.analysis.study_tables import study_tables
from junkdna.cli.table_jobs import write_table
from junkdna.storage.tables import write_frame
from junkdna.study.load import load_study, study_document

SAID = {
    **{key: value for key, value in toy.NAMED_TASK.items() if key not in ("generate", "knobs")},
    "name": "said", "title": "Said hues", "kind": "likelihood", "metric": "log2_likelihood_per_byte",
}  # fmt: skip
RATED = {
    **toy.CHOICE_TASK,
    "difficulty": {"title": "thing", "source": "made up", "from": "q", "pattern": "the (.*) \\?",
                   "bins": {"wood": ["tree", "field"], "animals": ["fox", "wolf"]}},
}  # fmt: skip
HALF = [{"method": "magnitude", "sparsity": 0.5}]
NAME = "kinds"


def study(folder: Path) -> dict:
    """The study; the folder of one task is an absolute path."""
    return {
        "study": NAME,
        "models": toy.SETTINGS["models"],
        "tasks": {
            **{name: {"file": f"tasks/{name}.yaml"} for name in ("colours", "hues", "named", "degree", "said")},
            "alike": {"file": "tasks/alike.yaml", "source": "local", "folder": str(folder / "data")},
        },
        "experiments": {
            "written": {"title": "Written, picked and read", "models": ["llm"], "tasks": ["named", "hues", "said"],
                        "compressions": HALF},
            "graded": {"title": "Graded", "models": ["tiny"], "tasks": ["colours"], "knobs": {"options": [2, 4]},
                       "compressions": [*HALF, {"method": "random", "sparsity": 0.5}], "seeds": [0, 1]},
            "trained": {"title": "Trained", "models": ["tiny"], "tasks": ["alike", "degree"], "compressions": HALF,
                        "transfer": ["sparse"], "seeds": [0, 1]},
        },
        "bootstrap": 200,
    }  # fmt: skip


def make(folder: Path) -> Path:
    """Run and join the study in a toy world; the folder of its results."""
    for task in (SAID, RATED):
        toy.write_yaml(folder / f"tasks/{task['name']}.yaml", task)
    toy.write_yaml(folder / "config.yaml", study(folder))
    with contextlib.chdir(folder):
        resolved = toy_run.read()
        toy_run.run_all(resolved)
        joined = toy_run.join(resolved)
        shutil.copy("results/study.json", joined / "study.json")
    return folder / joined


def piece(kinds: Path, folder: Path, experiments: list[str], drop: str = "") -> Path:
    """Results of some experiments of the study, next to its cell files. Cells whose key has `drop` are missing."""
    with contextlib.chdir(kinds.parents[2]):
        resolved = load_study(Path("config.yaml"), {"experiments": experiments})
        cells, _ = collect_done(resolved)
        cells = cells.with_columns(rows_note=pl.lit(""))
        cells = cells.filter(~pl.col("cell").str.contains(drop, literal=True)) if drop else cells
        tables = study_tables(resolved, cells, partial=True)
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(study_document(resolved)))
    write_frame(cells, folder / "tables/cells.parquet")
    for name, table in tables.items():
        write_table(table, folder / f"tables/{name}.parquet")
    return folder
