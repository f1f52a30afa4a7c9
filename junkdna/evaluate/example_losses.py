"""The loss of each evaluated example, from the answers of a trained model: what its training minimizes.

Shapes: n examples.
"""

import numpy as np

from junkdna.evaluate.answers import Columns
from junkdna.study.cell_settings import CellSettings
from junkdna.study.formats import FORMATS

Array = np.ndarray


def example_losses(settings: CellSettings, examples: Columns) -> Array:
    """Loss (n,) of each example, by the answer format of the cell; NaN where the model gives no number.

    - classifier, cross-encoder: cross-entropy in nats of the softmax over the classes or options
    - bi-encoder: the same of the cosines / its temperature
    - regressor: squared error
    - language model that picks an option: negative log-likelihood in nats of the right option
    - language model of texts (kind likelihood): bits per byte

    Raises KeyError for generated text, which has no loss.
    """
    if settings.kind == "regress":
        return (np.array(examples["prediction"]) - np.array(examples["gold"])) ** 2
    if settings.kind == "likelihood":
        return -np.array(examples["prediction"])
    gold = [int(each) for each in examples["gold"]]
    scores = [np.array(row, float) for row in examples["scores"]]
    if FORMATS[settings.format].is_language_model:
        return np.array([-row[answer] for row, answer in zip(scores, gold, strict=True)])
    scale = _temperature(settings.format)
    return np.array([_cross_entropy(row / scale, answer) for row, answer in zip(scores, gold, strict=True)])


def _temperature(answer_format: str) -> float:
    if answer_format != "bi_encoder":
        return 1.0
    from junkdna.evaluate.formats.bi_encoder import TEMPERATURE

    return TEMPERATURE


def _cross_entropy(scores: Array, answer: int) -> float:
    highest = scores.max()
    return float(np.log(np.exp(scores - highest).sum()) + highest - scores[answer])
