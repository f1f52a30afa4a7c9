"""Pad rows of token ids into batches of similar lengths, and build model inputs from them."""

import torch
from torch import nn


def pad(rows: list[list[int]], device: str, token: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids (B, T) and attention mask (B, T) of rows of token ids. Padding is `token`, with mask 0."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [token] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids.to(device), mask.to(device)


def padding_token(model: nn.Module) -> int:
    """The id that pads rows of a model, whose attention mask hides it: the padding token or, without one, 0."""
    token = getattr(model.config, "pad_token_id", None)
    return token if token is not None and token >= 0 else 0


def length_batches(lengths: list[int], tokens: int) -> list[list[int]]:
    """Row positions in batches of similar lengths, each with at most `tokens` tokens (rows x longest row)."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    batches: list[list[int]] = []
    for i in order:
        if batches and (len(batches[-1]) + 1) * lengths[i] <= max(tokens, lengths[i]):
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


Rows = list[list[int]]


def mean_pooled(hidden_btd: torch.Tensor, mask_bt: torch.Tensor) -> torch.Tensor:
    """Embeddings (B, D): the mean of the hidden states over all tokens that are not padding, scaled to length 1."""
    weight_bt1 = mask_bt.unsqueeze(-1).to(hidden_btd.dtype)
    return nn.functional.normalize((hidden_btd * weight_bt1).sum(1) / weight_bt1.sum(1), dim=-1)


def classifier_inputs(model: nn.Module, queries: Rows, starts: list[int], batch: list[int], device: str) -> dict:
    """Keyword arguments of a classifier's forward for a batch, with segment ids if the model has them."""
    ids, mask = pad([queries[i] for i in batch], device, model.config.pad_token_id)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        position = torch.arange(ids.shape[1], device=device)
        start = torch.tensor([starts[i] for i in batch], device=device)
        inputs["token_type_ids"] = ((position >= start[:, None]) & mask.bool()).long()
    return inputs
