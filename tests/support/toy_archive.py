"""A toy study with every kind of answer and a published difficulty, to be archived."""

import contextlib
import shutil
from pathlib import Path

import toy
import toy_run

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
