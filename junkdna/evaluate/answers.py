"""What a model answers on encoded rows, by kind of task: per-example rows, and every metric that fits them."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from junkdna.evaluate import metrics
from junkdna.evaluate import scores as evaluate_scores
from junkdna.resumable import Loop
from junkdna.study.metrics import METRIC_KINDS

Columns = dict[str, list]


@dataclass(frozen=True)
class Answers:
    """Answers on all rows of one evaluation set.

    `examples` are columns of one entry per row; `values` every metric by name; `chance` and `majority` the baselines of
    the task's own metric.
    """

    examples: Columns
    values: dict[str, float]
    chance: float
    majority: float
    collapsed: bool


def answer(settings: dict, model: nn.Module, rows: Columns, device: str, loop: Loop) -> Answers:
    """Answers of `model` on encoded rows (columns of `tokens_file.SCHEMA`) under `settings.cell_settings`.

    For every kind but `generate` (`evaluate.answers_text`). `loop` goes through the batches.
    """
    if settings["kind"] == "regress":
        return _numbers(settings, model, rows, device, loop)
    return _picked(settings, *_option_scores(settings, model, rows, device, loop), rows)


def _option_scores(
    settings: dict, model: nn.Module, rows: Columns, device: str, loop: Loop
) -> tuple[list[np.ndarray], dict[str, list[np.ndarray]]]:
    """The scores that decide, one array per row, and all scores that are stored, by column."""
    trained = "epochs" in settings["protocol"]
    if settings["kind"] != "choice" and trained:
        logits = list(evaluate_scores.class_logits(model, rows["query"], rows["second_start"], device, loop))
        return logits, {"scores": logits}
    if settings["choice"] == "cross":
        found = evaluate_scores.pair_logits(model, rows["options"], rows["option_starts"], device, loop)
        return found, {"scores": found}
    if settings["choice"] == "similarity":
        found = evaluate_scores.similarity(model, rows["query"], rows["options"], device, loop)
        return found, {"scores": found}
    raw = evaluate_scores.loglikelihood(model, rows["query"], rows["options"], rows["option_starts"], device, loop)
    lengths = [
        [len(option) - start for option, start in zip(*row, strict=True)]
        for row in zip(rows["options"], rows["option_starts"], strict=True)
    ]
    stored = {
        "scores": raw,
        "scores_per_token": _divided(raw, lengths),
        "scores_per_character": _divided(raw, rows["option_characters"]),
    }
    return stored[NORMALIZED[settings["protocol"]["length_normalization"]]], stored


NORMALIZED = {"none": "scores", "tokens": "scores_per_token", "characters": "scores_per_character"}


def _divided(scores: list[np.ndarray], lengths: list[list[int]]) -> list[np.ndarray]:
    return [row / np.array(by, dtype=np.float32) for row, by in zip(scores, lengths, strict=True)]


def _picked(settings: dict, deciding: list, stored: dict[str, list], rows: Columns) -> Answers:
    gold = np.array(rows["answer"])
    options = np.array([len(row) for row in deciding])
    result = metrics.outcome(deciding, gold)
    values = {}
    for name, kinds in METRIC_KINDS.items():
        if settings["kind"] in kinds and (name != "f1" or options.max() == 2):
            values[name] = metrics.METRICS[name].value(result.gold, result.prediction)
    if len(stored) > 1:
        for name, column in NORMALIZED.items():
            by_column = metrics.outcome(stored[column], gold)
            values[f"accuracy_by_{name}"] = metrics.METRICS["accuracy"].value(by_column.gold, by_column.prediction)
    metric = metrics.METRICS[settings["metric"]]
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
        metrics.collapsed(result),
    )


def _numbers(settings: dict, model: nn.Module, rows: Columns, device: str, loop: Loop) -> Answers:
    logits = evaluate_scores.class_logits(model, rows["query"], rows["second_start"], device, loop)
    gold, prediction = np.array(rows["target"]), logits[:, 0].astype(float)
    fitting = [name for name, kinds in METRIC_KINDS.items() if "regress" in kinds]
    metric = metrics.METRICS[settings["metric"]]
    return Answers(
        {"id": rows["id"], "gold": gold.tolist(), "prediction": prediction.tolist(), "truncated": rows["truncated"]},
        {name: metrics.METRICS[name].value(gold, prediction) for name in fitting},
        metric.chance(gold, None),
        metric.majority(gold),
        metrics.collapsed(metrics.Outcome(gold, prediction, None)),
    )
