"""Planted answers of every kind of cell, and the table of behavior that follows from them."""

import numpy as np
import polars as pl
import toy

from junkdna.analysis.behavior import behavior
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.scores import Scores
from junkdna.run.cell_file import EXAMPLE
from junkdna.study.cell import Cell, knob_text
from junkdna.study.grid import reference
from junkdna.study.study import Resolved

N, REPLICATES = 80, 300
IDS = [f"row-{i}" for i in range(N)]
ROW = ("experiment", "model", "task", "knobs", "compression", "transfer", "protocol")
OF_PICKS = ("agreement", "kappa", "kl_divergence", "temperature", "dense_information", "information_retained")
STUDY = {
    **toy.SETTINGS,
    "protocols": {**toy.SETTINGS["protocols"], "tokens": {"length_normalization": "token"}},
    "experiments": {
        **{name: toy.SETTINGS["experiments"][name] for name in ("option_count", "factoid_vs_choice", "across_tasks")},
        "modes": {"title": "Modes", "models": ["tiny"], "tasks": ["mood"], "compressions": toy.HALF,
                  "transfer": ["sparse", "dense_freeze"], "seeds": [0, 1, 2]},
        "crossed": {**toy.SETTINGS["experiments"]["cross_encoder"], "seeds": [0, 1]},
        "per_token": {"title": "Tokens", "models": ["llm"], "tasks": ["hues"], "compressions": toy.HALF,
                      "protocol": "tokens"},
        "masks": {"title": "Masks", "models": ["tiny"], "tasks": ["hues"], "seeds": [0, 1, 2],
                  "compressions": [{"method": "random", "sparsity": 0.5}]},
    },
    "bootstrap": REPLICATES,
}  # fmt: skip


def planted(cell: Cell, resolved: Resolved, number: int) -> pl.DataFrame:
    """Answers of one cell, different in every cell and of the form that its kind of task has."""
    task, rng = resolved.tasks[cell.task], np.random.default_rng(number)
    skill = 1.2 if cell.compression.method == "dense" else 0.6
    columns: dict = {"id": IDS, "cluster": [f"passage {i // 2}" for i in range(N)] if cell.task == "hues" else None}
    if task.kind == "generate":
        columns |= {"correct": (rng.random(N) < skill / 2).astype(float)}
    elif task.kind == "regress":
        gold = np.random.default_rng(1).random(N)
        columns |= {"gold": gold, "prediction": gold + rng.random(N)}
    else:
        columns |= picks(cell, skill, rng)
    blank = {name: pl.lit(None) for name in EXAMPLE if name not in columns}
    return pl.DataFrame(columns, strict=False).with_columns(**blank)


def picks(cell: Cell, skill: float, rng: np.random.Generator) -> dict:
    options = dict(cell.knobs).get("options", 4) if cell.task == "hues" else 2
    gold = np.random.default_rng(options).integers(0, options, N)
    scores = rng.normal(size=(N, options)) + skill * (np.arange(options) == gold[:, None])
    scores = scores / 10 if cell.model == "tiny" and cell.transfer == "none" else scores - 3
    lengths = np.random.default_rng(7).integers(1, 4, (N, options))
    deciding = scores / lengths if cell.protocol == "tokens" else scores
    found = {"gold": gold.astype(float), "prediction": deciding.argmax(axis=1).astype(float)}
    found |= {"correct": (found["gold"] == found["prediction"]).astype(float), "scores": scores.tolist()}
    if cell.model == "llm":
        found |= {"scores_per_token": (scores / lengths).tolist(), "scores_per_character": (scores / 9).tolist(),
                  "option_bytes": (3 * lengths).tolist()}  # fmt: skip
    return found


def fact(cell: Cell, resolved: Resolved, frame: pl.DataFrame) -> dict:
    task = resolved.tasks[cell.task]
    return {
        "cell": cell.key, "model": cell.model, "task": cell.task, "knobs": knob_text(cell.knobs) if cell.knobs else "",
        "kind": task.kind, "method": cell.compression.method, "compression": cell.compression.tag,
        "sparsity": cell.compression.nominal_sparsity, "transfer": cell.transfer, "protocol": cell.protocol,
        "metric": task.metric, "seed": cell.seed, "n_examples": frame.height, "collapsed": False,
        "chance": 0.25, "majority": 0.3,
    }  # fmt: skip


def table(resolved: Resolved, facts: pl.DataFrame) -> pl.DataFrame:
    return behavior(resolved, facts, Scores(CellAnswers(resolved, {}), REPLICATES))


def row_of(found: pl.DataFrame, **names: str) -> dict:
    rows = found.filter(**names).to_dicts()
    assert len(rows) == 1, names
    return rows[0]


def pairs(answers: dict, row: dict) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """(Dense, compressed) answers of a row by seed."""
    cells = [
        cell for cell in answers
        if cell.compression.tag == row["compression"] and (knob_text(cell.knobs) if cell.knobs else "") == row["knobs"]
        and all(getattr(cell, name) == row[name] for name in ("model", "task", "transfer", "protocol"))
    ]  # fmt: skip
    return [(answers[reference(cell)], answers[cell]) for cell in sorted(cells, key=lambda cell: cell.seed)]


def deciding(frame: pl.DataFrame, row: dict) -> np.ndarray:
    return np.stack(frame["scores_per_token" if row["protocol"] == "tokens" else "scores"].to_list())
