"""Answers by the log-likelihood of each option: the sum over its tokens, and the sum divided by the option's length."""

import numpy as np
from torch import nn

from junkdna.evaluate import metrics
from junkdna.evaluate.answers import Answers, Columns, picked
from junkdna.evaluate.scores import loglikelihood
from junkdna.resumable import Loop
from junkdna.study.cell_settings import CellSettings


def likelihood_answers(settings: CellSettings, model: nn.Module, rows: Columns, device: str, loop: Loop) -> Answers:
    """Answers on rows of tokens. Sums, both quotients and the bytes of each option are stored; `length_normalization`
    picks the deciding one."""
    sums = loglikelihood(model, rows["query"], rows["options"], rows["option_starts"], device, loop)
    lengths = [
        [len(option) - start for option, start in zip(*row, strict=True)]
        for row in zip(rows["options"], rows["option_starts"], strict=True)
    ]
    by = {"none": sums, "token": divided(sums, lengths), "character": divided(sums, rows["option_characters"])}
    stored = {"scores": by["none"], "scores_per_token": by["token"], "scores_per_character": by["character"]}
    answers = picked(settings, rows, by[settings.scoring.length_normalization], stored)
    answers.examples["option_bytes"] = rows["option_bytes"]
    for name, scores in by.items():
        result = metrics.outcome(scores, np.array(rows["answer"]))
        answers.values[f"accuracy_by_{name}"] = metrics.METRICS["accuracy"].value(result.gold, result.prediction)
    return answers


def divided(scores: list[np.ndarray], lengths: list[list[int]]) -> list[np.ndarray]:
    """The scores of each row's options divided by the options' lengths."""
    return [row / np.array(by, dtype=np.float32) for row, by in zip(scores, lengths, strict=True)]
