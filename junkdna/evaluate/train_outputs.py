"""A batch of training rows as tensors, and a model's outputs for it, with gradients.

The two steps are separate so that the outputs are a function of tensors alone: one that `torch.func.vmap` can map over
the weights of several cells, and a CUDA graph can replay.

Shapes: B rows, T tokens, C outputs, D embedding width, N options of a row, P options of all rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from junkdna.models.batch_isolation import HIDDEN, outputs_of_rows
from junkdna.models.batching import Rows, classifier_inputs, mean_pooled, pad

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """The texts of an optimizer step by name, each as keyword arguments (rows, T) of the model's forward, and the
    number of options of each row (none for formats without options)."""

    texts: dict[str, Inputs]
    counts: tuple[int, ...] = ()


def classifier_batch(
    model: nn.Module, texts: Rows, starts: list[int], device: str, counts: Sequence[int] = ()
) -> Batch:
    """One text for each row, or one for each option if `counts` says how many a row has."""
    return Batch({"text": classifier_inputs(model, texts, starts, [*range(len(texts))], device)}, tuple(counts))


def encoder_inputs(rows: Rows, device: str) -> Inputs:
    """Keyword arguments of an encoder's forward."""
    ids, mask = pad(rows, device)
    return {"input_ids": ids, "attention_mask": mask}


def classifier_outputs(model: Callable, inputs: Inputs) -> Tensor:
    """Logits (B, C) of a sequence classifier."""
    return outputs_of_rows(model, inputs, "logits")


def embeddings(model: Callable, inputs: Inputs) -> Tensor:
    """Mean-pooled embeddings (B, D), the same that `scores.similarity` compares."""
    return mean_pooled(outputs_of_rows(model, inputs, HIDDEN), inputs["attention_mask"])


def padded_scores(scores: Sequence[Tensor]) -> Tensor:
    """The scores of each row's options as one tensor (B, N); -inf pads rows with fewer options."""
    width = max(len(row) for row in scores)
    return torch.stack([nn.functional.pad(row, (0, width - len(row)), value=-math.inf) for row in scores])
