"""A model's outputs, with gradients, for the rows of an optimizer step.

Rows of a batch that would change one another's outputs (`batch_isolation`) run separately; outputs are in row order.

Shapes: B rows, C outputs, D embedding width, N options of a row.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from junkdna.models.batch_isolation import row_groups
from junkdna.models.batching import Rows, classifier_inputs, mean_pooled, pad


def classifier_outputs(model: nn.Module, queries: Rows, starts: list[int], batch: list[int], device: str) -> Tensor:
    """Logits (B, C) of a sequence classifier."""
    groups = row_groups(model, [len(queries[i]) for i in batch])
    logits = [
        model(**classifier_inputs(model, queries, starts, [batch[k] for k in group], device)).logits for group in groups
    ]
    return _in_order(logits, groups)


def embeddings(model: nn.Module, rows: Rows, device: str) -> Tensor:
    """Mean-pooled embeddings (B, D), the same that `scores.similarity` compares."""
    groups = row_groups(model, [len(row) for row in rows])
    pooled = []
    for group in groups:
        ids, mask_bt = pad([rows[i] for i in group], device)
        pooled.append(mean_pooled(model(input_ids=ids, attention_mask=mask_bt).last_hidden_state, mask_bt))
    return _in_order(pooled, groups)


def padded_scores(scores: Sequence[Tensor]) -> Tensor:
    """The scores of each row's options as one tensor (B, N); -inf pads rows with fewer options."""
    return nn.utils.rnn.pad_sequence(list(scores), batch_first=True, padding_value=-math.inf)


def _in_order(outputs: list[Tensor], groups: list[list[int]]) -> Tensor:
    """The outputs of all groups as one tensor in row order; `groups` holds the row numbers of each group."""
    if len(groups) == 1:
        return outputs[0]
    order = torch.tensor([row for group in groups for row in group]).argsort()
    return torch.cat(outputs)[order.to(outputs[0].device)]
