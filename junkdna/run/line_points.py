"""The models at the points of a straight line between two trained cells, and what is kept of their answers.

This is the code on which the scores of a connection depend besides that of its cells (`study.connections`).
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from junkdna.evaluate.answers import Answers
from junkdna.evaluate.example_losses import example_losses
from junkdna.study.cell_settings import CellSettings


def alphas_of(points: int) -> list[float]:
    """The points of a line, evenly spaced from 0 to 1."""
    return [at / (points - 1) for at in range(points)]


@torch.no_grad()
def interpolate(model: nn.Module, start: Mapping[str, Tensor], end: Mapping[str, Tensor], alpha: float) -> None:
    """Give the parameters of a model the values (1 - alpha) start + alpha end; at 0 and 1 exactly those of the ends."""
    for name, weight in model.named_parameters():
        weight.copy_(torch.lerp(start[name].to(weight.device), end[name].to(weight.device), alpha))


class Points:
    """What the points so far gave; its state is kept in checkpoints."""

    def __init__(self) -> None:
        self.score: list[float] = []
        self.collapsed: list[bool] = []
        self.prediction: list[np.ndarray] = []
        self.loss: list[np.ndarray] = []

    def add(self, settings: CellSettings, answers: Answers) -> None:
        """Add the answers of the next point."""
        self.score.append(float(answers.values[settings.metric]))
        self.collapsed.append(bool(answers.collapsed))
        self.prediction.append(np.array(answers.examples["prediction"], float))
        self.loss.append(np.asarray(example_losses(settings, answers.examples), float))

    def save(self) -> dict[str, Tensor]:
        """The state as tensors: score (p,), collapsed (p,), prediction and loss (p, n)."""
        return {name: torch.from_numpy(np.array(column)) for name, column in vars(self).items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the state that `save` gave."""
        self.score, self.collapsed = tensors["score"].tolist(), tensors["collapsed"].tolist()
        self.prediction, self.loss = ([*tensors[name].numpy()] for name in ("prediction", "loss"))

    def examples(self, settings: CellSettings, rows: Mapping[str, list]) -> list[dict[str, list]]:
        """The columns of the examples at each point; `rows` are the evaluated rows."""
        right = rows["target" if settings.kind == "regress" else "answer"]
        gold = [None if each is None else float(each) for each in right]
        shared = {"id": rows["id"], "cluster": rows["cluster"], "gold": gold}
        return [
            shared | {"prediction": given.tolist(), "correct": _correct(settings, gold, given), "loss": loss.tolist()}
            for given, loss in zip(self.prediction, self.loss, strict=True)
        ]


def _correct(settings: CellSettings, gold: list, given: np.ndarray) -> list[bool | None]:
    if settings.kind in ("regress", "likelihood"):
        return [None] * len(gold)
    return (given == np.array(gold)).tolist()
