"""A model's answers on tokenized rows: columns per example, and every metric that fits the kind of task."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from junkdna.evaluate import metrics
from junkdna.study.cell_settings import CellSettings
from junkdna.study.metrics import METRIC_KINDS

Columns = dict[str, list]


@dataclass(frozen=True)
class Answers:
    """Answers on all rows of an evaluation set.

    `examples` has one entry per row in each column. `values` maps the name of each metric to its value. `chance` and
    `majority` are the baselines of the task's own metric.
    """

    examples: Columns
    values: dict[str, float]
    chance: float
    majority: float
    collapsed: bool


def picked(
    settings: CellSettings, rows: Columns, deciding: list[np.ndarray], stored: Mapping[str, list] | None = None
) -> Answers:
    """Answers that pick the option or class with the highest score in each row of `deciding`.

    `rows` are columns of `tokens_file.SCHEMA`. `stored` maps column names to the scores to store; without it, the
    deciding scores are stored as `scores`.
    """
    stored = stored or {"scores": deciding}
    gold = np.array(rows["answer"])
    options = np.array([len(row) for row in deciding])
    result = metrics.outcome(deciding, gold)
    values = {}
    for name, kinds in METRIC_KINDS.items():
        if settings.kind in kinds and (name != "f1" or options.max() == 2):
            values[name] = metrics.METRICS[name].value(result.gold, result.prediction)
    metric = metrics.METRICS[settings.metric]
    return Answers(
        {
            "id": rows["id"],
            "gold": result.gold.astype(float).tolist(),
            "prediction": result.prediction.astype(float).tolist(),
            "margin": result.margin.tolist(),
            "correct": (result.gold == result.prediction).astype(float).tolist(),
            **{name: [row.tolist() for row in column] for name, column in stored.items()},
            "truncated": rows["truncated"],
        },
        values,
        metric.chance(gold, options),
        metric.majority(gold),
        metrics.collapsed(result.prediction, result.margin),
    )


def numbers(settings: CellSettings, rows: Columns, prediction: np.ndarray) -> Answers:
    """Answers of a regression: one number for each row."""
    gold, prediction = np.array(rows["target"]), prediction.astype(float)
    fitting = [name for name, kinds in METRIC_KINDS.items() if "regress" in kinds]
    metric = metrics.METRICS[settings.metric]
    return Answers(
        {"id": rows["id"], "gold": gold.tolist(), "prediction": prediction.tolist(), "truncated": rows["truncated"]},
        {name: metrics.METRICS[name].value(gold, prediction) for name in fitting},
        metric.chance(gold, None),
        metric.majority(gold),
        metrics.collapsed(prediction),
    )
