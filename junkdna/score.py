"""Scores of choices and classes, one code path for every compression.

Shapes: B rows of a batch, T tokens, D embedding width, V vocabulary. All results are float32 on the CPU.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from junkdna.models import length_batches, pad

Rows = list[list[int]]


@torch.inference_mode()
def similarity(model: nn.Module, queries: Rows, options: list[Rows], device: str, step: Callable = iter) -> list:
    """Cosine of each query with each of its options: one float array per example.

    Embeddings are the mean of the last hidden states over real tokens (the pooling that sentence encoders are
    trained with), scaled to length 1. Each distinct option is embedded once. `step` wraps the batches (progress).
    """
    distinct = {tuple(option): None for row in options for option in row}
    place = {option: i for i, option in enumerate(distinct)}
    embedded = _embed(model, [list(option) for option in distinct], device, iter)
    query = _embed(model, queries, device, step)
    return [(embedded[[place[tuple(o)] for o in row]] @ query[i]).numpy() for i, row in enumerate(options)]


def _embed(model: nn.Module, rows: Rows, device: str, step: Callable) -> torch.Tensor:
    out = None
    for batch in step(length_batches([len(row) for row in rows])):
        ids, mask = pad([rows[i] for i in batch], device)
        hidden_btd = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weight = mask.unsqueeze(-1).float()
        mean = (hidden_btd * weight).sum(1) / weight.sum(1)
        out = torch.empty(len(rows), mean.shape[1]) if out is None else out
        out[batch] = nn.functional.normalize(mean, dim=-1).cpu()
    return out


@torch.inference_mode()
def loglikelihood(model: nn.Module, queries: Rows, options: list[Rows], device: str, step: Callable = iter) -> list:
    """Summed log-probability of each option's tokens after its query: one float array per example.

    log p(option | query) = sum_t log softmax(logits_t)[option_t], softmax in float32. Queries are not empty.
    """
    rows = [(i, j, query, option) for i, query in enumerate(queries) for j, option in enumerate(options[i])]
    scores = [np.empty(len(row), dtype=np.float32) for row in options]
    for batch in step(length_batches([len(query) + len(option) for _, _, query, option in rows])):
        ids, mask = pad([rows[k][2] + rows[k][3] for k in batch], device)
        logits_btv = model(input_ids=ids, attention_mask=mask).logits
        for b, k in enumerate(batch):
            i, j, query, option = rows[k]
            span = slice(len(query) - 1, len(query) + len(option) - 1)
            logp_tv = logits_btv[b, span].float().log_softmax(-1)
            scores[i][j] = logp_tv.gather(1, torch.tensor(option, device=device)[:, None]).sum().item()
    return scores


@torch.inference_mode()
def class_logits(model: nn.Module, queries: Rows, starts: list[int], device: str, step: Callable = iter) -> np.ndarray:
    """Logits (examples, classes) of a sequence classifier."""
    out = None
    for batch in step(length_batches([len(query) for query in queries])):
        logits = model(**classifier_inputs(model, queries, starts, batch, device)).logits.float().cpu()
        out = torch.empty(len(queries), logits.shape[1]) if out is None else out
        out[batch] = logits
    return out.numpy()


def classifier_inputs(model: nn.Module, queries: Rows, starts: list[int], batch: list[int], device: str) -> dict:
    """Keyword arguments of a classifier's forward for some rows, segment ids included where the model has them."""
    ids, mask = pad([queries[i] for i in batch], device, model.config.pad_token_id)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        position = torch.arange(ids.shape[1], device=device)
        start = torch.tensor([starts[i] for i in batch], device=device)
        inputs["token_type_ids"] = ((position >= start[:, None]) & mask.bool()).long()
    return inputs
