"""Greedy decoding of the rows of each pack with a cache that grows by one token a step.

Shapes: B rows of a batch, W tokens of its longest prompt, H heads, V vocabulary.
"""

from collections.abc import Callable

import torch
from torch import nn

from junkdna.models.batching import Rows, length_batches
from junkdna.models.prefix_tree import Done, run_packs
from junkdna.models.tree_plan import tree_packs
from junkdna.resumable import Loop

Finished = Callable[[list[int]], bool]
"""Whether an answer ends with its last token."""

PROMPT_TOKENS = 2048  # new prompt tokens in a pack: enough rows to decode together
CACHE_TOKENS = 16384  # maximum of B x (W + new tokens), the size of a batch's cache
NO_TOKEN = -1  # pads the new tokens of a row


def decode_packs(
    model: nn.Module, queries: Rows, device: str, max_new_tokens: int, finished: Finished, loop: Loop, done: Done
) -> None:
    """Writes the new tokens of all queries to `done["new_tokens"]` (rows, max_new_tokens). `loop` iterates over packs.

    Rows are padded on the left. A row that has ended leaves the batch, so each step computes only the rows that go on.
    """
    last = [len(query) - 1 for query in queries]
    packs = tree_packs(queries, last, PROMPT_TOKENS)
    for pack, cache, logits_nv, place in run_packs(model, packs, device, loop, done):
        rows = pack.paths
        lengths = [len(path) + max_new_tokens for path in rows]
        for batch in length_batches(lengths, CACHE_TOKENS):
            paths = [rows[k] for k in batch]
            first = logits_nv[[place[path[-1]] for path in paths]].argmax(-1)
            answers = _decode(model, _row_caches(cache, paths, device), paths, first, max_new_tokens, finished)
            for k, tokens in zip(batch, answers, strict=True):
                done["new_tokens"][pack.rows[k], : len(tokens)] = torch.tensor(tokens)


def _row_caches(cache: object, paths: Rows, device: str) -> object:
    """A cache (B, H, W, ...) with a copy of each row's prompt, aligned right, gathered from the cache of a tree."""
    from transformers import DynamicCache

    width = max(map(len, paths))
    index_bw = torch.tensor([[0] * (width - len(path)) + path for path in paths], device=device)
    copies = DynamicCache()
    for i, layer in enumerate(cache.layers):
        keys, values = (states[0][:, index_bw].transpose(0, 1) for states in (layer.keys, layer.values))
        copies.update(keys, values, i)
    return copies


def _decode(
    model: nn.Module, cache: object, paths: Rows, tokens: torch.Tensor, max_new_tokens: int, finished: Finished
) -> Rows:
    """Answers of a batch whose prompts are in `cache` and whose first new tokens (B) are `tokens`."""
    answers: Rows = [[] for _ in paths]
    device, width = tokens.device, max(map(len, paths))
    running = list(range(len(paths)))
    position = torch.tensor([len(path) for path in paths], device=device)
    mask = torch.tensor([[0] * (width - len(path)) + [1] * len(path) for path in paths], device=device)
    while True:
        for row, token in zip(running, tokens.tolist(), strict=True):
            answers[row].append(token)
        active = [
            k for k, row in enumerate(running) if len(answers[row]) < max_new_tokens and not finished(answers[row])
        ]
        if not active:
            return answers
        if len(active) < len(running):
            running = [running[k] for k in active]
            index = torch.tensor(active, device=device)
            tokens, position, mask = tokens[index], position[index], mask[index]
            cache.batch_select_indices(index)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        tokens = model(
            input_ids=tokens[:, None],
            position_ids=position[:, None],
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1].argmax(-1)  # fmt: skip
        position = position + 1
