"""Answers of kind likelihood: bits per byte and perplexity of given texts.

Shapes: n examples.
"""

import numpy as np
from torch import nn

from junkdna.evaluate.answers import Answers, Columns
from junkdna.evaluate.metrics import METRICS
from junkdna.evaluate.scores import loglikelihood
from junkdna.resumable import Loop

UNIFORM = -8.0  # log2-likelihood per byte if every byte is equally likely: the baseline of texts without a question
METRIC = "log2_likelihood_per_byte"


def text_answers(rows: Columns, model: nn.Module, device: str, loop: Loop) -> Answers:
    """Answers on rows of tokens; `prediction` of an example is the log2-likelihood per byte of its text.

    `blind` is the same of the input-blind model (`formats.likelihood`), -8 for a text without a question. `bytes` are
    those of the text in UTF-8, without the space that joins it to a prompt. A run is collapsed if the question changes
    no likelihood, or if a likelihood is not a number.
    """
    asked = [row is not None for row in rows["blind"]]
    blind = [row for row in rows["blind"] if row is not None]
    found = loglikelihood(
        model,
        [*rows["query"], *(query for query, _ in blind)],
        [*rows["options"], *([option] for _, option in blind)],
        [*rows["option_starts"], *([0] for _ in blind)],
        device,
        loop,
    )
    sums_n = _sums(found[: len(asked)])
    bytes_n = np.array([len(references[0].encode()) for references in rows["references"]])
    blind_n = np.full(len(asked), UNIFORM)
    blind_n[asked] = _sums(found[len(asked) :]) / np.log(2) / bytes_n[asked]
    value_n = sums_n / np.log(2) / bytes_n
    tokens_n = np.array([_scored(*row) for row in zip(rows["options"], rows["option_starts"], strict=True)])
    words = sum(len(references[0].split()) for references in rows["references"])
    chance = METRICS[METRIC].chance(blind_n, None)
    return Answers(
        {
            "id": rows["id"],
            "prediction": value_n.tolist(),
            "blind": blind_n.tolist(),
            "bytes": bytes_n.tolist(),
            "tokens": tokens_n.tolist(),
            "truncated": rows["truncated"],
        },
        {METRIC: METRICS[METRIC].value(blind_n, value_n), **perplexities(sums_n, tokens_n, bytes_n, words)},
        chance,
        chance,
        bool(np.array_equal(value_n, blind_n) or not np.isfinite(value_n).all()),
    )


def perplexities(sums_n: np.ndarray, tokens_n: np.ndarray, bytes_n: np.ndarray, words: int) -> dict[str, float]:
    """exp(-sum of log p / number of units) over all examples together, per token, byte and word (white space parts
    words), and bits per byte, the log2 of the perplexity per byte. Longer texts count more than in the metric."""
    total = -float(sums_n.sum())
    with np.errstate(over="ignore"):
        return {
            "perplexity_per_token": float(np.exp(total / tokens_n.sum())),
            "perplexity_per_byte": float(np.exp(total / bytes_n.sum())),
            "perplexity_per_word": float(np.exp(total / words)),
            "bits_per_byte_of_all_texts": float(total / np.log(2) / bytes_n.sum()),
        }


def _sums(scores: list[np.ndarray]) -> np.ndarray:
    """Log-likelihood of each example: the sum over its windows. A broken model's NaN counts as minus infinity."""
    sums_n = np.array([float(row.astype(float).sum()) for row in scores])
    return np.where(np.isnan(sums_n), -np.inf, sums_n)


def _scored(options: list[list[int]], starts: list[int]) -> int:
    return sum(map(len, options)) - sum(starts)
